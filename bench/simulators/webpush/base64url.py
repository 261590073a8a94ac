"""base64url without padding, as Web Push writes all that is binary (RFC 7515 section 2)."""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode


def encode(data: bytes) -> str:
    """Return the one way to write these bytes."""
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def find_decoded(text: str) -> bytes | None:
    """Return the bytes; None when they would have been written otherwise, with padding or other last bits."""
    try:
        data = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        return None
    return data if encode(data) == text else None
