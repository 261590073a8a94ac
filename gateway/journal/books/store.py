"""Accepted batches and their chunks in memory, and in which one of four places each row is.

*ready*, *leased*, *scheduled* or *settled*: a chunk keeps one set of rows for each of owed, leased and scheduled; ready
are the owed ones in neither of the others. Rows are bits, so a million queued rows cost their stored bytes and some 200
bytes for each chunk of 100. The totals move with the sets and nothing is ever counted anew.
"""

import sys
from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec

from gateway.journal.books import rowsets
from gateway.journal.books.cancel_keys import CancelKeyIndex
from gateway.journal.engine import BatchRecord, NewChunk


class _ChunkHead(msgspec.Struct, array_like=True):
    """The first columns of a stored chunk; what follows them is skipped, unread."""

    version: int
    lane: str
    queue: int
    indexes: list[int]


_head_decoder = msgspec.msgpack.Decoder(_ChunkHead)


def read_positions(chunk: NewChunk) -> list[int]:
    """Return the positions of a chunk's rows in their batch, as flat ranges."""
    return _head_decoder.decode(chunk.stored).indexes


class Tried(NamedTuple):
    """Rows of a chunk (bits) with the same history, see :class:`gateway.journal.engine.ChunkRef`."""

    rows: int
    attempts: int
    uncertain_attempts: int
    is_doubted: bool


class StoredChunk:
    """A chunk while any of its rows is owed.

    ``attempted`` has (rows, attempts, uncertain attempts) for each history that a retry told of; no row is in two.
    ``doubted`` are rows that a process which ended uncleanly may have sent; they count as tried once more.
    ``reported`` are those of which such a process has left a mark, so that there is never a doubt.
    """

    __slots__ = (
        "account",
        "attempted",
        "batch",
        "cancel_filter",
        "doubted",
        "expires_at_ms",
        "lane",
        "leased",
        "number",
        "owed",
        "queue",
        "reported",
        "rows",
        "scheduled",
        "stored",
        "stored_bytes",
    )

    def __init__(self, batch: "StoredBatch", number: int, new: NewChunk, stored_bytes: int | None = None) -> None:
        self.batch = batch
        self.number = number
        self.lane = sys.intern(new.lane)
        self.queue = new.queue
        self.stored = new.stored
        self.stored_bytes = len(new.stored) if stored_bytes is None else stored_bytes
        self.expires_at_ms = new.expires_at_ms
        self.cancel_filter = new.cancel_filter
        self.rows = rowsets.all_rows(new.rows)
        self.owed = self.rows
        self.leased = 0
        self.scheduled = 0
        self.attempted: tuple[tuple[int, int, int], ...] = ()
        self.reported = new.reported
        self.account = sys.intern(new.account)
        self.doubted = 0

    @property
    def ready(self) -> int:
        """Rows that may be leased now."""
        return self.owed & ~self.leased & ~self.scheduled

    @property
    def is_finished(self) -> bool:
        """Whether every row is settled."""
        return not self.owed

    def split_by_attempts(self, rows: int) -> list[Tried]:
        """Return each group of ``rows`` with the same history."""
        groups: list[Tried] = []
        for tried, attempts, uncertain_attempts in self.attempted:
            groups += self._split_by_doubt(rows & tried, attempts, uncertain_attempts)
            rows &= ~tried
        return [*self._split_by_doubt(rows, 0, 0), *groups]

    def _split_by_doubt(self, rows: int, attempts: int, uncertain_attempts: int) -> Iterator[Tried]:
        if certain := rows & ~self.doubted:
            yield Tried(certain, attempts, uncertain_attempts, is_doubted=False)
        if doubted := rows & self.doubted:
            yield Tried(doubted, attempts + 1, uncertain_attempts + 1, is_doubted=True)

    def note_attempts(self, rows: int, attempts: int, uncertain_attempts: int) -> None:
        """Remember how often ``rows`` were tried, doubted attempts included, in place of what was known before."""
        self.doubted &= ~rows
        if not attempts and not uncertain_attempts and not self.attempted:
            return
        others = []
        for tried, before, uncertain_before in self.attempted:
            if (before, uncertain_before) == (attempts, uncertain_attempts):
                rows |= tried
            elif left := tried & ~rows:
                others.append((left, before, uncertain_before))
        self.attempted = (*others, (rows, attempts, uncertain_attempts))

    def raise_attempts(self, rows: int, attempts: int) -> None:
        """Remember that ``rows`` were tried so often, where less was known."""
        for tried in self.split_by_attempts(rows):
            if attempts > tried.attempts:
                self.note_attempts(tried.rows, attempts, tried.uncertain_attempts)

    def doubt(self, rows: int) -> int:
        """Count those of ``rows`` that are owed as possibly sent by a process that is gone; return which are new."""
        doubted = rows & self.owed & ~self.reported & ~self.doubted
        self.doubted |= doubted
        return doubted


class StoredBatch:
    """A batch while any of its rows is owed or has a result nobody has acknowledged.

    ``positions`` are the accepted ones, as a set: 1.3 kB for 10,000. ``chunks`` has None where all rows are settled.
    ``lead_ms`` is how far the steady clock was ahead of the wall clock when it was accepted. ``results`` are the places
    of its unread result blocks in the feed, rising: 8 bytes a block, one for each notification at the worst.
    """

    __slots__ = ("chunks", "lead_ms", "number", "owed_rows", "positions", "record", "results", "unread_rows")

    def __init__(self, number: int, record: BatchRecord) -> None:
        self.number = number
        self.record = record
        self.lead_ms = 0
        self.chunks: list[StoredChunk | None] = []
        self.positions = 0
        self.owed_rows = 0
        self.unread_rows = 0
        self.results = array("q")

    @property
    def is_finished(self) -> bool:
        """Whether nothing is owed and nothing waits to be read."""
        return not self.owed_rows and not self.unread_rows

    def add_result(self, position: int, rows: int) -> None:
        """Count a result block that waits to be read at this place of the feed."""
        self.unread_rows += rows
        self.results.append(position)

    def free_results(self, position: int, rows: int) -> None:
        """Count the blocks up to a place no more, which have so many rows."""
        self.unread_rows -= rows
        del self.results[: bisect_right(self.results, position)]

    def open_chunks(self) -> list[StoredChunk]:
        """Return the chunks with rows owed."""
        return [chunk for chunk in self.chunks if chunk is not None]


class BatchStore:
    """Every batch that isn't finished, with totals over all of them. Each method moves rows between places, whole."""

    def __init__(self) -> None:
        self._batches: dict[int, StoredBatch] = {}
        self._last_number = 0
        self.cancel_keys = CancelKeyIndex()
        self.owed_rows = 0
        self.owed_bytes = 0
        self.leased_rows = 0
        self.scheduled_rows = 0

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[StoredBatch]:
        return iter(self._batches.values())

    def let_go(self) -> None:
        """Take apart what refers to each other, a batch and its chunks, once nobody works on any: the totals stay."""
        for batch in self:
            batch.chunks.clear()
        self._batches.clear()

    def take_number(self) -> int:
        """Return the number of the next batch; each is given once."""
        self._last_number += 1
        return self._last_number

    def note_number(self, number: int) -> None:
        """Be told of a number that was given before this process."""
        self._last_number = max(self._last_number, number)

    def add(self, number: int, record: BatchRecord, chunks: Sequence[NewChunk]) -> StoredBatch:
        """Keep a batch, all its rows ready."""
        batch = StoredBatch(number, record)
        for new in chunks:
            batch.positions |= rowsets.from_ranges(read_positions(new))
            batch.chunks.append(StoredChunk(batch, len(batch.chunks), new))
        self.keep(batch)
        return batch

    def keep(self, batch: StoredBatch) -> None:
        """Count a batch, and keep it until it is finished."""
        open_chunks = batch.open_chunks()
        batch.owed_rows = sum(chunk.owed.bit_count() for chunk in open_chunks)
        self.owed_rows += batch.owed_rows
        self.owed_bytes += sum(chunk.stored_bytes for chunk in open_chunks)
        for chunk in open_chunks:
            self.cancel_keys.add(chunk)
        self.note_number(batch.number)
        if not batch.is_finished:
            self._batches[batch.number] = batch

    def get_batch(self, number: int) -> StoredBatch:
        """Return a batch that isn't finished. Raises KeyError."""
        return self._batches[number]

    def find_batch(self, number: int) -> StoredBatch | None:
        """Return a batch, or None once it is finished."""
        return self._batches.get(number)

    def find_chunk(self, batch: int, chunk: int) -> StoredChunk | None:
        """Return a chunk, or None once all its rows are settled. Raises KeyError for one that never was."""
        stored = self._batches.get(batch)
        if stored is not None:
            return stored.chunks[chunk]
        if not 0 < batch <= self._last_number:
            raise KeyError(batch)
        return None

    def lease(self, chunk: StoredChunk, rows: int) -> None:
        """Move ready rows to leased."""
        chunk.leased |= rows
        self.leased_rows += rows.bit_count()

    def unlease(self, chunk: StoredChunk, rows: int) -> None:
        """Move those of ``rows`` that are leased to ready."""
        returned = chunk.leased & rows
        chunk.leased &= ~returned
        self.leased_rows -= returned.bit_count()

    def schedule(self, chunk: StoredChunk, rows: int) -> None:
        """Move ready rows to scheduled."""
        chunk.scheduled |= rows
        self.scheduled_rows += rows.bit_count()

    def make_ready(self, chunk: StoredChunk, rows: int) -> int:
        """Move those of ``rows`` that are scheduled to ready, and return them."""
        due = chunk.scheduled & rows
        chunk.scheduled &= ~due
        self.scheduled_rows -= due.bit_count()
        return due

    def settle(self, chunk: StoredChunk, rows: int) -> int:
        """Move those of ``rows`` that are owed to settled, and return them; the chunk's bytes go with its last row."""
        settled = rows & chunk.owed
        self.unlease(chunk, settled)
        self.make_ready(chunk, settled)
        chunk.owed &= ~settled
        chunk.batch.owed_rows -= settled.bit_count()
        self.owed_rows -= settled.bit_count()
        if settled and chunk.is_finished:
            self.owed_bytes -= chunk.stored_bytes
            chunk.stored = b""
            chunk.batch.chunks[chunk.number] = None
            self.cancel_keys.drop(chunk)
        return settled

    def drop_finished(self, batch: StoredBatch) -> bool:
        """Forget a batch if it is finished, and return whether it is."""
        if batch.is_finished:
            self._batches.pop(batch.number, None)
        return batch.is_finished
