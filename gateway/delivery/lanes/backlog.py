"""The chunks of one lane that are leased and not taken in hand: who goes next, and what may still be taken back.

Fresh work and retries wait in one fair order, in which retries have the smallest share: they take every turn that
fresh work leaves, and never more than that share of the others. A retry also needs the lane's budget; one that it does
not grant yet waits aside and holds nobody up (docs/operations.md#retries).

Retries come row by row, each at its moment, and in an outage millions of them wait here. So those of one chunk with the
same history wait together behind the reference that came first.
"""

import msgspec

from gateway.delivery.lanes.fair_queue import FairQueue
from gateway.delivery.pacing.retry_budget import RetryBudget
from gateway.journal.books.rowsets import rows_of, take_first, to_ranges
from gateway.journal.engine import ChunkRef, Recalled

History = tuple[int, int, int, int]  # batch, chunk, attempts, uncertain attempts


class Backlog:
    """Chunk references by turn. Rows that are recalled leave at once; their reference is cut when its turn comes."""

    def __init__(self, budget: RetryBudget) -> None:
        self._budget = budget
        self._queue = FairQueue()
        self._unpaid: list[ChunkRef] = []  # retries whose turn has come before their budget
        self._retries: dict[History, int] = {}  # the rows behind each reference to retries, as bits
        self._rows: dict[tuple[int, int], int] = {}  # (batch, chunk) → the rows that wait here, as bits
        self._tried: dict[tuple[int, int], dict[int, int]] = {}  # attempts by row, of rows that came back
        self._count = 0

    def __bool__(self) -> bool:
        return bool(self._rows)

    def __repr__(self) -> str:
        return f"<Backlog {self._count} rows>"

    @property
    def rows(self) -> int:
        """Rows that wait."""
        return self._count

    def push(self, ref: ChunkRef) -> None:
        """Queue leased rows."""
        key = (ref.batch, ref.chunk)
        self._rows[key] = self._rows.get(key, 0) | _rows_of(ref)
        self._count += ref.stop - ref.start
        if ref.is_retry:
            history = _history_of(ref)
            waiting = self._retries.get(history, 0)
            self._retries[history] = waiting | _rows_of(ref)
            if waiting:
                return
        self._queue.push(ref)

    def pop(self, now: float) -> list[ChunkRef]:
        """Take what goes next: the parts of one reference that are left of it; nothing when retries must wait.

        ``now`` is monotonic.
        """
        while self._unpaid or self._queue:
            ref = self._unpaid.pop(0) if self._is_granted(now) else self._pop_fresh()
            if ref is None:
                return []
            if parts := self._take(ref, self._pay(ref, now) if ref.is_retry else _rows_of(ref)):
                return parts
        return []

    def take_all(self) -> list[ChunkRef]:
        """Take everything that waits, whatever the budget says: it is not to be sent now."""
        taken: list[ChunkRef] = []
        while self._unpaid or self._queue:
            ref = self._unpaid.pop(0) if self._unpaid else self._queue.pop()
            taken += self._take(ref, self._retries.pop(_history_of(ref)) if ref.is_retry else _rows_of(ref))
        return taken

    def let_go_of_all(self) -> int:
        """Forget everything that waits, as its lease has ended; return how many rows that were."""
        rows, self._count = self._count, 0
        self._queue = FairQueue()
        for waiting in (self._unpaid, self._retries, self._rows, self._tried):
            waiting.clear()
        return rows

    def seconds_until_retry(self, now: float) -> float | None:
        """Return how long until the budget grants a retry that waits for it; None when none does."""
        return self._budget.seconds_until_one(now) if self._unpaid else None

    def take_back(self, ref: ChunkRef) -> None:
        """Queue rows again that were tried meanwhile, perhaps; the engine hears of it when they are recalled."""
        if ref.attempts:
            tried = self._tried.setdefault((ref.batch, ref.chunk), {})
            tried.update(dict.fromkeys(range(ref.start, ref.stop), ref.attempts))
        self.push(ref)

    def recall(self, batch: int, chunk: int, rows: int) -> Recalled:
        """Let go of those of ``rows`` (bits) that wait here, and return them."""
        key = (batch, chunk)
        waiting = self._rows.get(key, 0)
        found = waiting & rows
        tried = self._tried.get(key, {})
        attempts = {row: tried[row] for row in rows_of(found) if row in tried} if tried else {}
        if found:
            self._count -= found.bit_count()
            self._leave(key, waiting & ~found)
        return Recalled(found, attempts)

    def _is_granted(self, now: float) -> bool:
        return bool(self._unpaid) and self._budget.seconds_until_one(now) <= 0.0

    def _pop_fresh(self) -> ChunkRef | None:
        """Return the next reference that is no retry or may be paid for; those that can't be stand aside."""
        while self._queue:
            ref = self._queue.pop()
            if not ref.is_retry or not self._unpaid:
                return ref
            self._unpaid.append(ref)
        return None

    def _pay(self, ref: ChunkRef, now: float) -> int:
        """Return as many rows of a retry as the budget grants; the rest stands aside, first in line."""
        history = _history_of(ref)
        rows = self._retries.pop(history) & self._rows.get((ref.batch, ref.chunk), 0)
        granted = take_first(rows, self._budget.spend(rows.bit_count(), now))
        if left := rows & ~granted:
            self._retries[history] = left
            self._unpaid.insert(0, ref)
        return granted

    def _take(self, ref: ChunkRef, rows: int) -> list[ChunkRef]:
        """Return what is left of ``rows``, as one reference like ``ref`` for each run of them."""
        key = (ref.batch, ref.chunk)
        waiting = self._rows.get(key, 0)
        left = rows & waiting
        self._count -= left.bit_count()
        self._leave(key, waiting & ~left)
        if left == _rows_of(ref):
            return [ref]
        ranges = to_ranges(left)
        return [msgspec.structs.replace(ref, start=ranges[at], stop=ranges[at + 1]) for at in range(0, len(ranges), 2)]

    def _leave(self, key: tuple[int, int], rows: int) -> None:
        if rows:
            self._rows[key] = rows
        else:
            self._rows.pop(key, None)
            self._tried.pop(key, None)


def _rows_of(ref: ChunkRef) -> int:
    return ((1 << ref.stop - ref.start) - 1) << ref.start


def _history_of(ref: ChunkRef) -> History:
    return ref.batch, ref.chunk, ref.attempts, ref.uncertain_attempts
