"""Batches whose keys are taken, in memory: packed once, so that a finished one costs its bytes and little more."""

import msgspec
import trio

from gateway.journal.books import rowsets
from gateway.journal.books.idempotency import Archived
from gateway.journal.books.store import StoredBatch
from gateway.journal.engine import BatchRecord

# Measured by `python -m bench.measurements.key_memory memory 60000`, 50 of them the index.
KEY_BYTES = 420


class _Packed(msgspec.Struct, array_like=True, frozen=True):
    """What :class:`Archived` is made of; positions are flat ranges."""

    record: BatchRecord
    positions: list[int]
    fingerprint: bytes
    answer: bytes


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Packed)


class MemoryArchive:
    """See the module text, and :class:`gateway.journal.books.idempotency.Archive`."""

    key_bytes = KEY_BYTES

    def __init__(self) -> None:
        self._packed: dict[int, bytes] = {}

    def put(self, batch: StoredBatch, fingerprint: bytes, answer: bytes) -> None:
        """Keep a batch until :meth:`drop`."""
        packed = _Packed(batch.record, rowsets.to_ranges(batch.positions), fingerprint, answer)
        self._packed[batch.number] = _encoder.encode(packed)

    def drop(self, number: int) -> None:
        """Forget a batch."""
        del self._packed[number]

    async def read(self, number: int) -> Archived | None:
        """Return a batch; None when it is gone."""
        await trio.lowlevel.checkpoint()
        data = self._packed.get(number)
        if data is None:
            return None
        packed = _decoder.decode(data)
        batch = StoredBatch(number, packed.record)
        batch.positions = rowsets.from_ranges(packed.positions)
        return Archived(batch, packed.fingerprint, packed.answer)
