"""Ready and scheduled rows of an engine's store, and those who wait for them to become due."""

from collections.abc import Iterable
from math import inf

import trio

from gateway.clock import Clock, lead_ms
from gateway.journal.books import rowsets
from gateway.journal.books.schedule import Schedule
from gateway.journal.books.store import BatchStore, StoredChunk
from gateway.journal.books.waiting_rows import ReadyQueue
from gateway.journal.engine import ChunkRef
from gateway.journal.leases import SOLE_LEASE, Lease

# Entries that come due, and refs given out, between two checkpoints: retries come row by row, at some 2 µs each.
MOST_AT_ONCE = 500
LONGEST_SLEEP_SECONDS = 60.0  # the wall clock may be set forward while we sleep on another one


class WorkQueue:
    """Hands out rows that are due, oldest first."""

    def __init__(self, store: BatchStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._ready = ReadyQueue()
        self._scheduled = Schedule(store)
        self._arrival = trio.lowlevel.ParkingLot()

    def put(self, chunk: StoredChunk, rows: int, due_at_ms: int) -> None:
        """Queue ready rows, or keep them out of the queue until their time."""
        if due_at_ms > self._clock.wall() * 1000:
            self._store.schedule(chunk, rows)
            # A wall clock that is set back after this does not make them wait for longer.
            self._scheduled.push(due_at_ms + lead_ms(self._clock), chunk.batch.number, chunk.number, rows)
        else:
            self._ready.push(chunk, rows)
        self._arrival.unpark_all()

    def leave_behind(self) -> None:
        """Be told that rows which waited may be settled now."""
        self._ready.leave_behind()
        self._scheduled.leave_behind()

    async def lease(self, max_rows: int) -> list[ChunkRef]:
        """Wait for rows that are due, and take them for the one handle there is."""
        await trio.lowlevel.checkpoint_if_cancelled()
        while not (refs := self.take(max_rows, SOLE_LEASE)):
            await self.wait(inf)
        await trio.lowlevel.cancel_shielded_checkpoint()
        return refs

    def take(self, max_rows: int, lease: Lease) -> list[ChunkRef]:
        """Return rows that are due, leased: one ref at least where there are any, else ``max_rows`` at most."""
        for chunk, rows in self._scheduled.take_due(int(self._clock.steady() * 1000), MOST_AT_ONCE):
            self._ready.push(chunk, self._store.make_ready(chunk, rows))
        refs: list[ChunkRef] = []
        taken = 0
        while (waiting := self._ready.find_first()) is not None:
            chunk, rows = waiting
            taken += rows.bit_count()
            if refs and (taken > max_rows or len(refs) >= MOST_AT_ONCE):
                break
            self._ready.take_first()
            self._store.lease(chunk, rows)
            refs += _make_refs(chunk, rows, lease)
        return refs

    async def wait(self, longest_seconds: float) -> None:
        """Wait until rows may be due that were not."""
        seconds = min(longest_seconds, LONGEST_SLEEP_SECONDS)
        if self._scheduled.next_due_at_ms is not None:
            seconds = min(seconds, self._scheduled.next_due_at_ms / 1000 - self._clock.steady())
        with trio.move_on_after(max(0.0, seconds)):
            await self._arrival.park()


def _make_refs(chunk: StoredChunk, rows: int, lease: Lease) -> Iterable[ChunkRef]:
    """Yield leased rows as refs, one for each run of rows with the same history."""
    for tried in chunk.split_by_attempts(rows):
        ranges = rowsets.to_ranges(tried.rows)
        for at in range(0, len(ranges), 2):
            yield ChunkRef(
                lease=lease,
                record=chunk.batch.record,
                batch=chunk.batch.number,
                chunk=chunk.number,
                start=ranges[at],
                stop=ranges[at + 1],
                lane=chunk.lane,
                queue=chunk.queue,
                stored_bytes=chunk.stored_bytes,
                lead_ms=chunk.batch.lead_ms,
                account=chunk.account,
                attempts=tried.attempts,
                uncertain_attempts=tried.uncertain_attempts,
                is_doubted=tried.is_doubted,
            )
