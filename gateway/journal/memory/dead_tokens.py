"""Dead tokens as the engine in memory keeps them."""

from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple

import trio

from gateway.journal.books.dead_tokens import DeadTokenPage, HeldDeadTokens
from gateway.journal.books.store import StoredBatch
from gateway.journal.books.suspects import Suspect, SuspectBlock, SuspectBook
from gateway.journal.engine import BatchRecord, CursorTooOldError, DeadOnArrival, Settlement


class _Released(NamedTuple):
    position: int
    at_ms: int
    block: SuspectBlock


class _Feed:
    """One principal's released suspects; ``oldest`` is the position up to which they were dropped."""

    def __init__(self) -> None:
        self.released: list[_Released] = []
        self.oldest = 0
        self.end = 0
        self.arrival = trio.lowlevel.ParkingLot()

    def append(self, block: SuspectBlock, now_ms: int) -> None:
        self.end += len(block.destinations)
        self.released.append(_Released(self.end, now_ms, block))
        self.arrival.unpark_all()

    def check(self, cursor: int) -> int:
        if cursor == 0:
            return self.oldest
        if not self.oldest <= cursor <= self.end:
            raise CursorTooOldError(self.oldest)
        return cursor

    def drop_until(self, at_ms: int) -> None:
        stop = bisect_right(self.released, at_ms, key=lambda each: each.at_ms)
        if stop:
            self.oldest = self.released[stop - 1].position
            del self.released[:stop]


class MemoryDeadTokens:
    """See :class:`gateway.journal.books.dead_tokens.DeadTokens`."""

    def __init__(self, kept_ms: int) -> None:
        self._kept_ms = kept_ms
        self._book = SuspectBook(kept_ms)
        self._blocks: dict[int, SuspectBlock] = {}
        self._feeds: dict[str, _Feed] = {}

    def note(self, batch: StoredBatch, block: Settlement) -> None:
        """Count results, and keep what they say of destinations."""
        noted = self._book.note(batch.record, block)
        if noted is not None:
            suspect, self._blocks[noted[0].number] = noted
            self._book.put(suspect)

    def note_arrivals(self, batch: BatchRecord, dead: Sequence[DeadOnArrival]) -> None:
        """Keep what was dead on arrival."""
        for suspect, block in self._book.draft(batch, dead):
            self._blocks[suspect.number] = block
            self._book.put_drafted(suspect)

    async def release(self, now_ms: int) -> list[HeldDeadTokens]:
        """Release, hold, drop."""
        await trio.lowlevel.checkpoint_if_cancelled()
        decisions = self._book.decide(now_ms)
        self._release(decisions.released, now_ms)
        for suspect in decisions.dropped:
            del self._blocks[suspect.number]
        for feed in self._feeds.values():
            feed.drop_until(now_ms - self._kept_ms)
        await trio.lowlevel.cancel_shielded_checkpoint()
        return decisions.alarms

    async def confirm(self, principal: str, app: str, now_ms: int) -> int:
        """Release what is held of an app."""
        await trio.lowlevel.checkpoint_if_cancelled()
        confirmed = self._book.confirm(principal, app)
        self._release(confirmed, now_ms)
        await trio.lowlevel.cancel_shielded_checkpoint()
        return sum(suspect.head.rows for suspect in confirmed)

    async def read(self, principal: str, cursor: int, max_rows: int) -> DeadTokenPage:
        """Return released suspects."""
        await trio.lowlevel.checkpoint()
        feed = self._get_feed(principal)
        start = feed.check(cursor)
        page = DeadTokenPage([], start)
        for each in feed.released[bisect_right(feed.released, start, key=lambda each: each.position) :]:
            if page.tokens and each.position - start > max_rows:
                break
            page = DeadTokenPage(page.tokens + each.block.expand(), each.position)
        return page

    async def wait(self, principal: str, cursor: int) -> None:
        """Wait for released suspects."""
        await trio.lowlevel.checkpoint()
        feed = self._get_feed(principal)
        while feed.end <= feed.check(cursor):
            await feed.arrival.park()

    def _release(self, suspects: list[Suspect], now_ms: int) -> None:
        for suspect in suspects:
            self._get_feed(suspect.head.principal).append(self._blocks.pop(suspect.number), now_ms)

    def _get_feed(self, principal: str) -> _Feed:
        return self._feeds.setdefault(principal, _Feed())
