"""What several handles of the engine in memory share: every book of one store, and nothing of a handle's own.

The leases have an end only where there is more than one handle to take over. That of a store with a single handle never
ends: whoever stops then stops with everything.
"""

from collections.abc import Iterable
from math import inf

import trio

from gateway.clock import Clock
from gateway.journal.books import rowsets
from gateway.journal.books.deadlines import Deadlines
from gateway.journal.books.feed import ResultFeed
from gateway.journal.books.idempotency import IdempotencyKeys
from gateway.journal.books.store import BatchStore, StoredBatch, StoredChunk
from gateway.journal.books.subscriptions import Subscriptions
from gateway.journal.books.withdrawal import Withdrawal, forget_destinations, keep_rows, settle_unattempted
from gateway.journal.books.work_queue import WorkQueue
from gateway.journal.engine import Settlement
from gateway.journal.leases import Lease
from gateway.journal.memory.archive import MemoryArchive
from gateway.journal.memory.dead_tokens import MemoryDeadTokens
from gateway.journal.memory.leases import GivenUp, LeaseBook
from gateway.journal.memory.recalls import RecallBoard
from gateway.journal.statistics import EngineStatistics
from protocol.chunks import decode_chunk
from protocol.outcomes import Outcome
from protocol.reasons import Reason

DAY_SECONDS = 86_400.0
WEEK_SECONDS = 7 * DAY_SECONDS
MIB = 1024 * 1024


class MemoryStore:
    """See the module text.

    A batch's idempotency key is held ``idempotency_window_seconds``, longer while its results are unread.
    ``idempotency_bytes`` bounds what all keys take: at the bound new ones are refused. A lease lasts ``lease_seconds``
    from its last renewal on.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        idempotency_window_seconds: float = DAY_SECONDS,
        idempotency_bytes: int = 256 * MIB,
        results_kept_seconds: float = WEEK_SECONDS,
        lease_seconds: float = inf,
    ) -> None:
        self.clock = clock
        self.batches = BatchStore()
        self.archive = MemoryArchive()
        self.keys = IdempotencyKeys(
            clock,
            self.batches,
            self.archive,
            window_seconds=idempotency_window_seconds,
            limit_bytes=idempotency_bytes,
            on_forgotten=self.archive.drop,
        )
        self._feeds: dict[str, ResultFeed] = {}
        self.subscriptions = Subscriptions()
        self.dead_tokens = MemoryDeadTokens(int(results_kept_seconds * 1000))
        self.work = WorkQueue(self.batches, clock)
        self.deadlines = Deadlines(clock)
        self.change = trio.lowlevel.ParkingLot()
        self.leases = LeaseBook(lease_seconds)
        self.recalls = RecallBoard()

    def __repr__(self) -> str:
        return f"<MemoryStore: {self.batches.owed_rows} rows owed, {self.leases!r}>"

    def let_go(self) -> None:
        """Take apart what refers to each other, once no handle works on it."""
        self.batches.let_go()

    # Leases

    def renew(self, lease: int) -> Lease:
        """Put off the end of a lease, and return it; a new one where it has ended."""
        self.end_due_leases()
        return self.leases.renew(lease, self.clock.monotonic())

    def check(self, lease: int) -> None:
        """Raise LeaseEndedError unless the lease is held now."""
        self.end_due_leases()
        self.leases.check(lease)

    def end_due_leases(self) -> None:
        """Have the rows of leases whose end has come given up."""
        now = self.clock.monotonic()
        if self.leases.next_end_at <= now:
            self.give_up(self.leases.end_due(now))

    def give_up(self, holdings: Iterable[GivenUp]) -> None:
        """Make rows due again that their holder may have sent; those that it had marked end as unknown."""
        for chunk, rows, started in holdings:
            self.batches.unlease(chunk, rows)
            chunk.doubt(rows & ~started)
            if started:
                self._end_started(chunk, started)
            if rows & ~started:
                self.work.put(chunk, rows & ~started, 0)

    def _end_started(self, chunk: StoredChunk, rows: int) -> None:
        withdrawal = Withdrawal(Outcome.UNKNOWN, Reason.LINK_LOST, int(self.clock.wall() * 1000))
        for block in settle_unattempted(chunk, decode_chunk(chunk.stored), rows, withdrawal):
            block.attempts += 1
            block.uncertain_attempts += 1
            self.settle(chunk, block)
        self.work.leave_behind()
        self.change.unpark_all()

    def let_go_of(self, lease: int, chunk: StoredChunk, rows: int) -> None:
        """Move rows from leased to ready; they are the caller's to settle or to queue before anybody else runs."""
        self.leases.drop(lease, chunk, rows)
        self.batches.unlease(chunk, rows)

    # Results

    def get_feed(self, principal: str) -> ResultFeed:
        """Return a principal's feed, a new one at first sight."""
        feed = self._feeds.get(principal)
        if feed is None:
            feed = self._feeds[principal] = ResultFeed()
        return feed

    def free(self, principal: str, cursor: int) -> None:
        """Free results up to a cursor. Raises CursorTooOldError."""
        for batch in self.get_feed(principal).acknowledge(cursor):
            self._drop_finished(batch)
        self.change.unpark_all()

    def settle(self, chunk: StoredChunk, settlement: Settlement) -> None:
        """Commit one block, of rows that no lease has any more."""
        rows = rowsets.from_ranges(settlement.rows)
        settled = self.batches.settle(chunk, rows & ~chunk.leased)
        if not settled:
            return
        if settled != rows:
            settlement = keep_rows(settlement, settled)
        self.dead_tokens.note(chunk.batch, settlement)
        self.get_feed(chunk.batch.record.principal).append(chunk.batch, forget_destinations(settlement))
        if chunk.is_finished:
            self.deadlines.leave_behind()
            self._drop_finished(chunk.batch)

    def _drop_finished(self, batch: StoredBatch) -> None:
        if self.batches.drop_finished(batch):
            self.keys.note_finished(batch)

    def statistics(self) -> EngineStatistics:
        """Return the counts now, at a cost that grows with the principals only."""
        self.end_due_leases()
        unread = {principal: feed.unread for principal, feed in self._feeds.items()}
        return EngineStatistics(
            owed_rows=self.batches.owed_rows,
            owed_bytes=self.batches.owed_bytes,
            leased_rows=self.batches.leased_rows,
            scheduled_rows=self.batches.scheduled_rows,
            unread_rows=sum(results.rows for results in unread.values()),
            unread=unread,
            batches=len(self.batches),
            keys=self.keys.statistics(),
        )
