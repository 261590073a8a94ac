"""Rows that wait for a moment: by the moment in which they come due, packed, so that millions of retries fit in memory.

Retries are due in whole seconds and come back row by row, so one object for each would cost more than the row itself.
Here each run of rows of a chunk takes 12 bytes in the buffer of its moment. Rows that were settled meanwhile leave
their entry behind; those are swept out a moment at a time when they may be more than half of all.
"""

import heapq
from collections import deque
from collections.abc import Iterator
from struct import Struct

from gateway.journal.books import rowsets
from gateway.journal.books.store import BatchStore
from gateway.journal.books.waiting_rows import SWEEP_FROM, Waiting

_ENTRY = Struct("<QHBB")  # batch, chunk, first row, one after the last row: a chunk has CHUNK_ROWS rows at most


class Schedule:
    """Scheduled rows of a store, by when they are due (UNIX milliseconds)."""

    def __init__(self, store: BatchStore) -> None:
        self._store = store
        self._moments: list[int] = []  # a heap of those in which something is due
        self._entries: dict[int, bytearray] = {}
        self._count = 0
        self._left_behind = 0
        self._to_sweep: deque[int] = deque()

    def __len__(self) -> int:
        return self._count

    def __repr__(self) -> str:
        return f"<Schedule {self._count} entries in {len(self._moments)} moments>"

    @property
    def next_due_at_ms(self) -> int | None:
        """The earliest moment, None when there is none."""
        return self._moments[0] if self._moments else None

    def push(self, due_at_ms: int, batch: int, chunk: int, rows: int) -> None:
        """Keep rows until their moment; they are scheduled in the store."""
        entries = self._entries.get(due_at_ms)
        if entries is None:
            entries = self._entries[due_at_ms] = bytearray()
            heapq.heappush(self._moments, due_at_ms)
        ranges = rowsets.to_ranges(rows)
        for at in range(0, len(ranges), 2):
            entries += _ENTRY.pack(batch, chunk, ranges[at], ranges[at + 1])
        self._count += len(ranges) // 2

    def take_due(self, now_ms: int, most: int) -> Iterator[Waiting]:
        """Remove ``most`` entries at most whose moment has come, earliest first; yield those that still wait."""
        while most and self._moments and self._moments[0] <= now_ms:
            entries = self._entries.get(self._moments[0], bytearray())
            taken = bytes(entries[: most * _ENTRY.size])
            del entries[: len(taken)]
            if not entries:
                self._entries.pop(heapq.heappop(self._moments), None)
            count = len(taken) // _ENTRY.size
            most -= count
            self._count -= count
            yield from self._find_live(taken)

    def leave_behind(self) -> None:
        """Be told that entries may have lost their rows."""
        self._left_behind += 1
        if not self._to_sweep and self._left_behind > max(SWEEP_FROM, self._count // 2):
            self._left_behind = 0
            self._to_sweep.extend(self._entries)
        if self._to_sweep:
            self._sweep(self._to_sweep.popleft())
            if not self._to_sweep:
                self._moments = sorted(self._entries)

    def _sweep(self, moment: int) -> None:
        entries = bytes(self._entries.pop(moment, b""))
        kept = b"".join(entry for entry in _split(entries) if next(self._find_live(entry), None))
        self._count -= (len(entries) - len(kept)) // _ENTRY.size
        if kept:
            self._entries[moment] = bytearray(kept)

    def _find_live(self, entries: bytes) -> Iterator[Waiting]:
        for batch, number, start, stop in _ENTRY.iter_unpack(entries):
            chunk = self._store.find_chunk(batch, number)
            rows = 0 if chunk is None else ((1 << stop - start) - 1) << start & chunk.scheduled
            if chunk is not None and rows:
                yield Waiting(chunk, rows)


def _split(entries: bytes) -> Iterator[bytes]:
    for at in range(0, len(entries), _ENTRY.size):
        yield entries[at : at + _ENTRY.size]
