"""When the rows of each chunk are too old to be sent, and a wait for the first that are."""

from math import inf

import trio

from gateway.clock import Clock
from gateway.journal.books.store import StoredChunk
from gateway.journal.books.waiting_rows import DueHeap


class Deadlines(DueHeap[StoredChunk]):
    """Chunks with rows owed by their earliest deadline, in milliseconds of the steady clock."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(lambda chunk: not chunk.is_finished)
        self._clock = clock
        self._arrival = trio.lowlevel.ParkingLot()

    def push(self, due_at_ms: int, item: StoredChunk) -> None:
        """Keep a chunk until then."""
        super().push(due_at_ms, item)
        if self.next_due_at_ms == due_at_ms:
            self._arrival.unpark_all()

    async def wait_due(self) -> None:
        """Wait until the earliest deadline has come, for ever while there is none. A checkpoint."""
        await trio.lowlevel.checkpoint()
        while (seconds := self._seconds_left()) > 0:
            with trio.move_on_after(seconds):
                await self._arrival.park()

    def _seconds_left(self) -> float:
        due_at_ms = self.next_due_at_ms
        return inf if due_at_ms is None else due_at_ms / 1000 - self._clock.steady()
