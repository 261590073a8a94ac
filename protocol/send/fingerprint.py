"""The hash by which two send requests are recognised as the same one."""

import hashlib
from collections.abc import Sequence

import msgspec

from protocol.send.fields import BatchEnvelope
from protocol.send.unreadable_rows import Row

FINGERPRINT_BYTES = 16

# Structs are written in the order of their definition and maps sorted, so the order of a caller's keys has no effect.
_encoder = msgspec.msgpack.Encoder(order="deterministic")


class Fingerprint:
    """Hashes the decoded request as its slices come by; the same for the same request through every door.

    A row that can't be read counts as it came. How the rows were cut into slices has no effect either. ``batch_id`` is
    left out: it is the key the fingerprint is compared under.
    """

    def __init__(self, envelope: BatchEnvelope) -> None:
        shared = (
            envelope.app,
            envelope.content,
            envelope.payload_json,
            envelope.payload_bytes,
            envelope.defaults,
            envelope.labels,
            envelope.rows_field,
            len(envelope),
        )
        self._hash = hashlib.blake2b(_encoder.encode(shared), digest_size=FINGERPRINT_BYTES, person=b"pushmill batch")

    def update(self, rows: Sequence[Row]) -> None:
        """Add the next slice."""
        encoded = _encoder.encode(rows)
        self._hash.update(memoryview(encoded)[_array_header_bytes(len(rows)) :])

    def digest(self) -> bytes:
        """Return the fingerprint of what was added so far."""
        return self._hash.digest()


def _array_header_bytes(count: int) -> int:
    """Return how many bytes msgpack puts before the elements of an array (format: array family)."""
    if count < 16:
        return 1
    return 3 if count < 65536 else 5
