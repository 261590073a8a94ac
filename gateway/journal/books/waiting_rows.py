"""Where rows wait inside the memory engine: the queue of ready ones, and heaps of what comes due at a time.

Rows that are settled while they wait leave their entry behind: it is skipped when its turn comes. Entries left
behind are swept out when they may be more than half of all, so that none of these grows without bound.
"""

import heapq
from collections import deque
from collections.abc import Callable, Iterator
from itertools import count
from typing import Generic, NamedTuple, TypeVar

from gateway.journal.books.store import StoredChunk

Item = TypeVar("Item")
SWEEP_FROM = 64  # entries; below it a sweep saves nothing


class Waiting(NamedTuple):
    """Rows of one chunk that came to wait together."""

    chunk: StoredChunk
    rows: int


class ReadyQueue:
    """Ready rows in the order in which they became so."""

    def __init__(self) -> None:
        self._entries: deque[Waiting] = deque()
        self._left_behind = 0

    def __len__(self) -> int:
        return len(self._entries)

    def push(self, chunk: StoredChunk, rows: int) -> None:
        """Put rows at the end."""
        self._entries.append(Waiting(chunk, rows))

    def find_first(self) -> Waiting | None:
        """Return the rows of the first entry that are still ready, without taking them; None when there are none."""
        while self._entries:
            chunk, rows = self._entries[0]
            if rows & chunk.ready:
                return Waiting(chunk, rows & chunk.ready)
            self._entries.popleft()
        return None

    def take_first(self) -> None:
        """Remove what :meth:`find_first` returned."""
        self._entries.popleft()

    def leave_behind(self) -> None:
        """Be told that an entry may have lost its rows."""
        self._left_behind += 1
        if self._left_behind > max(SWEEP_FROM, len(self._entries) // 2):
            self._entries = deque(entry for entry in self._entries if entry.rows & entry.chunk.ready)
            self._left_behind = 0


class DueHeap(Generic[Item]):
    """Items by the moment (UNIX milliseconds) at which something is to be done about them."""

    def __init__(self, is_live: Callable[[Item], bool]) -> None:
        self._is_live = is_live
        self._entries: list[tuple[int, int, Item]] = []
        self._order = count()  # keeps equal moments in the order of coming
        self._left_behind = 0

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def next_due_at_ms(self) -> int | None:
        """The earliest moment, None when there is none."""
        return self._entries[0][0] if self._entries else None

    def push(self, due_at_ms: int, item: Item) -> None:
        """Keep an item until its moment."""
        heapq.heappush(self._entries, (due_at_ms, next(self._order), item))

    def take_due(self, now_ms: int) -> Iterator[Item]:
        """Remove and yield the items whose moment has come, earliest first. More may be pushed meanwhile."""
        while self._entries and self._entries[0][0] <= now_ms:
            item = heapq.heappop(self._entries)[2]
            if self._is_live(item):
                yield item

    def leave_behind(self) -> None:
        """Be told that an item may no longer be live."""
        self._left_behind += 1
        if self._left_behind > max(SWEEP_FROM, len(self._entries) // 2):
            self._entries = [entry for entry in self._entries if self._is_live(entry[2])]
            heapq.heapify(self._entries)
            self._left_behind = 0
