"""One principal's results in memory, in the order of settling, until they are acknowledged.

Blocks are kept packed: 100 results with ids of 8 bytes take 1.2 kB instead of the 7 kB of their objects. Blocks are not
merged: those that arrive together differ in batch or words, and across calls in the moment they finished.
"""

from bisect import bisect_right
from collections.abc import Sequence

import msgspec
import trio

from gateway.journal.books.store import StoredBatch
from gateway.journal.engine import CursorTooOldError, FeedEntry, FeedPage, Settlement
from gateway.journal.statistics import UnreadResults

TRIM_FROM = 256  # read blocks; fewer are not worth moving the rest of the list for

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Settlement)


class _Block(msgspec.Struct, frozen=True, gc=False):
    """A packed settlement. ``position`` counts the principal's results up to and including it: a cursor."""

    position: int
    batch: StoredBatch
    finished_at_ms: int
    packed: bytes


class ResultFeed:
    """See the module text. ``is_kept``: whether new results are kept for reading or only counted."""

    def __init__(self) -> None:
        self.is_kept = True
        self.arrival = trio.lowlevel.ParkingLot()
        self._blocks: list[_Block] = []
        self._first = 0  # blocks before it are acknowledged
        self._acknowledged = 0
        self._end = 0
        self._bytes = 0

    @property
    def acknowledged(self) -> int:
        """Where what is kept begins."""
        return self._acknowledged

    @property
    def unread(self) -> UnreadResults:
        """Results kept and not acknowledged."""
        oldest = self._blocks[self._first].finished_at_ms if self._first < len(self._blocks) else None
        return UnreadResults(rows=self._end - self._acknowledged, bytes=self._bytes, oldest_at_ms=oldest)

    def append(self, batch: StoredBatch, settlement: Settlement) -> None:
        """Keep a block, if this principal's are kept."""
        if not self.is_kept:
            return
        self._end += settlement.count
        packed = _encoder.encode(settlement)
        self._bytes += len(packed)
        self._blocks.append(_Block(self._end, batch, settlement.finished_at_ms, packed))
        batch.add_result(self._end, settlement.count)
        self.arrival.unpark_all()

    def has_after(self, cursor: int) -> bool:
        """Whether there is something after ``cursor``. Raises CursorTooOldError."""
        return self._end > self._check(cursor)

    def read(self, cursor: int, max_rows: int) -> FeedPage:
        """Return whole blocks after ``cursor``: at least one if there is any, else up to ``max_rows`` results."""
        start = self._check(cursor)
        entries: list[FeedEntry] = []
        end = start
        for at in range(self._find(start), len(self._blocks)):
            block = self._blocks[at]
            if entries and block.position - start > max_rows:
                break
            entries.append(FeedEntry(block.position, block.batch.record, _decoder.decode(block.packed)))
            end = block.position
        return FeedPage(entries, end)

    def find_ids(self, position: int) -> Sequence[str | None]:
        """Return the ids in the block that ends at ``position``, if it is kept."""
        at = self._find(position - 1)
        if at == len(self._blocks) or self._blocks[at].position != position:
            return ()
        return _decoder.decode(self._blocks[at].packed).ids or ()

    def acknowledge(self, cursor: int) -> list[StoredBatch]:
        """Free the blocks up to ``cursor`` and return their batches, once for each block. Raises CursorTooOldError."""
        self.check_ahead(cursor)
        stop = self._find(cursor)
        freed = []
        for block in self._blocks[self._first : stop]:
            block.batch.free_results(block.position, block.position - self._acknowledged)
            self._acknowledged = block.position
            self._bytes -= len(block.packed)
            freed.append(block.batch)
        self._first = max(self._first, stop)
        self._trim()
        return freed

    def check_ahead(self, cursor: int) -> None:
        """Raise CursorTooOldError for a cursor ahead of everything."""
        if cursor > self._end:
            raise CursorTooOldError(self._acknowledged)

    def _check(self, cursor: int) -> int:
        if cursor == 0:
            return self._acknowledged
        if not self._acknowledged <= cursor <= self._end:
            raise CursorTooOldError(self._acknowledged)
        return cursor

    def _find(self, cursor: int) -> int:
        """Return where the first block that ends after ``cursor`` is."""
        return bisect_right(self._blocks, cursor, lo=self._first, key=lambda block: block.position)

    def _trim(self) -> None:
        """Let go of acknowledged blocks once they are half of the list, so that each is moved once on average."""
        if self._first > max(TRIM_FROM, len(self._blocks) // 2) or self._first == len(self._blocks):
            del self._blocks[: self._first]
            self._first = 0
