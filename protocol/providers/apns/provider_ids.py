"""APNs request ids: derived from batch and row, the same for every attempt, never stored."""

import uuid

PREFIX_BYTES = 12


def provider_id(prefix: bytes, index: int) -> str:
    """Return the id of one row as APNs wants it (lower-case 8-4-4-4-12): the batch's 12 bytes, then the index."""
    return str(uuid.UUID(bytes=prefix + index.to_bytes(4, "big")))
