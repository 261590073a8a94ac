"""The engine that keeps everything in memory: as durable as the process, and the measure for every other engine.

Changes happen between two checkpoints, so no other task sees half of one. A call looks for cancellation before it
changes anything and from then on finishes, shielded: done or undone, never half. Where a call may touch very many
chunks (cancel, expire) it goes in slices with shielded checkpoints between them, and each slice is whole.
"""

from collections.abc import Iterable, Sequence

import trio

from gateway.clock import Clock, lead_ms
from gateway.journal.books import rowsets
from gateway.journal.books.cancelling import IdSearch, KeySearch, PositionSearch, RowSearch, count_nothing
from gateway.journal.books.deadlines import Deadlines
from gateway.journal.books.feed import ResultFeed
from gateway.journal.books.idempotency import IdempotencyKeys
from gateway.journal.books.store import BatchStore, StoredBatch, StoredChunk
from gateway.journal.books.subscriptions import Subscriptions
from gateway.journal.books.withdrawal import (
    Withdrawal,
    earliest_deadline_ms,
    find_expired,
    forget_destinations,
    get_back,
    keep_all,
    keep_rows,
    settle_unattempted,
)
from gateway.journal.books.work_queue import WorkQueue
from gateway.journal.engine import (
    Answered,
    BatchRecord,
    CancelCount,
    ChunkRef,
    Conflicting,
    DeadOnArrival,
    EngineStatistics,
    FeedPage,
    NewChunk,
    Postponement,
    Recall,
    Reservation,
    Settlement,
)
from gateway.journal.memory.archive import MemoryArchive
from gateway.journal.memory.dead_tokens import MemoryDeadTokens
from protocol.chunks import decode_chunk
from protocol.outcomes import Outcome
from protocol.reasons import Reason

DAY_SECONDS = 86_400.0
WEEK_SECONDS = 7 * DAY_SECONDS
MIB = 1024 * 1024
CHUNKS_A_SLICE = 25  # read and settled at about 20 µs each: half a millisecond of the loop
LOOK_AGAIN_MS = 1000  # overdue rows that are leased are their holder's to end; they may still be given back


class MemoryEngine:
    """See the module text, and :class:`gateway.journal.engine.Engine` for the methods.

    A batch's idempotency key is held ``idempotency_window_seconds``, longer while its results are unread.
    ``idempotency_bytes`` bounds what all keys take: at the bound new ones are refused.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        idempotency_window_seconds: float = DAY_SECONDS,
        idempotency_bytes: int = 256 * MIB,
        results_kept_seconds: float = WEEK_SECONDS,
    ) -> None:
        self._clock = clock
        self._store = BatchStore()
        self._archive = MemoryArchive()
        self._keys = IdempotencyKeys(
            clock,
            self._store,
            self._archive,
            window_seconds=idempotency_window_seconds,
            limit_bytes=idempotency_bytes,
            on_forgotten=self._archive.drop,
        )
        self._feeds: dict[str, ResultFeed] = {}
        self._subscriptions = Subscriptions()
        self._dead_tokens = MemoryDeadTokens(int(results_kept_seconds * 1000))
        self._work = WorkQueue(self._store, clock)
        self._recall: Recall = keep_all
        self._deadlines = Deadlines(clock)
        self._change = trio.lowlevel.ParkingLot()

    def __repr__(self) -> str:
        return f"<MemoryEngine: {self._store.owed_rows} rows owed, {self._store.leased_rows} of them leased>"

    @property
    def dead_tokens(self) -> MemoryDeadTokens:
        """What settled results say of destinations."""
        return self._dead_tokens

    async def recover(self) -> int:
        """Find nothing: memory ended with the process that had it."""
        await trio.lowlevel.checkpoint()
        return 0

    async def watch(self) -> None:
        """Wait for ever: nothing is written that could fail."""
        await trio.sleep_forever()

    async def aclose(self) -> None:
        """Have nothing to flush."""
        self._store.let_go()
        await trio.lowlevel.checkpoint()

    async def reserve(
        self, principal: str, batch_id: str, fingerprint: bytes, *, is_named: bool = True
    ) -> Reservation | Answered | Conflicting:
        """Take the idempotency key, or say who has it."""
        return await self._keys.reserve(principal, batch_id, fingerprint, is_named=is_named)

    async def release(self, reservation: Reservation) -> None:
        """Give a reservation back unused."""
        self._keys.release(reservation)
        await trio.lowlevel.cancel_shielded_checkpoint()

    async def append(
        self,
        reservation: Reservation,
        batch: BatchRecord,
        chunks: Sequence[NewChunk],
        answer: bytes,
        dead: Sequence[DeadOnArrival] = (),
    ) -> int:
        """Accept a batch."""
        await trio.lowlevel.checkpoint_if_cancelled()
        self._keys.hold(reservation, len(answer))
        stored = self._store.add(self._store.take_number(), batch, chunks)
        self._archive.put(stored, reservation.fingerprint, answer)
        stored.lead_ms = lead_ms(self._clock)
        self._keys.take(reservation, stored.number, answer)
        self._dead_tokens.note_arrivals(batch, dead)
        for chunk, new in zip(stored.open_chunks(), chunks, strict=True):
            self._deadlines.push(chunk.expires_at_ms + stored.lead_ms, chunk)
            self._work.put(chunk, chunk.owed, new.not_before_ms)
        await trio.lowlevel.cancel_shielded_checkpoint()
        return stored.number

    async def lease(self, max_rows: int) -> list[ChunkRef]:
        """Wait for work and take it."""
        return await self._work.lease(max_rows)

    async def read(self, refs: Sequence[ChunkRef]) -> list[bytes | None]:
        """Return stored chunks."""
        await trio.lowlevel.checkpoint()
        chunks = [self._store.find_chunk(ref.batch, ref.chunk) for ref in refs]
        return [None if chunk is None else chunk.stored for chunk in chunks]

    def batch(self, number: int) -> BatchRecord:
        """Return the record of a batch."""
        return self._store.get_batch(number).record

    async def mark_started(self, batch: int, chunk: int, rows: Sequence[int]) -> None:
        """Have nothing to note: the mark is for the process after this one, and memory has none."""
        del batch, chunk, rows
        await trio.lowlevel.checkpoint()

    async def settle(self, settlements: Sequence[Settlement]) -> None:
        """Commit final results."""
        await trio.lowlevel.checkpoint_if_cancelled()
        found = [self._store.find_chunk(settlement.batch, settlement.chunk) for settlement in settlements]
        for chunk, settlement in zip(found, settlements, strict=True):
            if chunk is not None:
                self._settle(chunk, settlement)
        self._change.unpark_all()
        await trio.lowlevel.cancel_shielded_checkpoint()

    async def schedule(self, postponements: Sequence[Postponement]) -> None:
        """Give leased rows back until a time."""
        await trio.lowlevel.checkpoint_if_cancelled()
        for postponement in postponements:
            stored = self._store.find_chunk(postponement.batch, postponement.chunk)
            returned = 0 if stored is None else rowsets.from_ranges(postponement.rows) & stored.leased
            if stored is not None and returned:
                stored.note_attempts(returned, postponement.attempts, postponement.uncertain_attempts)
                self._store.unlease(stored, returned)
                self._work.put(stored, returned, postponement.due_at_ms)
        await trio.lowlevel.cancel_shielded_checkpoint()

    def set_recall(self, recall: Recall) -> None:
        """Say who can let go of leased rows."""
        self._recall = recall

    async def cancel(self, principal: str, batch_id: str, indexes: Sequence[int] | None, now_ms: int) -> CancelCount:
        """Settle as cancelled what isn't leased."""
        await trio.lowlevel.checkpoint_if_cancelled()
        batch = await self._keys.find_batch(principal, batch_id)
        if batch is None:
            return count_nothing(indexes)
        search = PositionSearch(batch, indexes)
        return search.count(await self._cancel(batch.open_chunks(), search, now_ms))

    async def cancel_ids(self, principal: str, batch_id: str, ids: Sequence[str], now_ms: int) -> CancelCount:
        """Settle as cancelled what isn't leased."""
        await trio.lowlevel.checkpoint_if_cancelled()
        batch = await self._keys.find_batch(principal, batch_id)
        if batch is None:
            return count_nothing(ids)
        search = IdSearch(ids)
        cancelled = await self._cancel(batch.open_chunks(), search, now_ms)
        feed = self._get_feed(principal)
        for done, position in enumerate(tuple(batch.results), start=1):
            if not search.missing:
                break
            search.note_results(feed.find_ids(position))
            await _pause_after_slice(done)
        return search.count(cancelled)

    async def cancel_key(self, principal: str, app: str, key: str, now_ms: int) -> CancelCount:
        """Settle as cancelled what isn't leased."""
        await trio.lowlevel.checkpoint_if_cancelled()
        search = KeySearch(key)
        cancelled = 0
        for chunks in self._store.cancel_keys.find(principal, app, key):
            cancelled += await self._cancel(chunks, search, now_ms)
            await trio.lowlevel.cancel_shielded_checkpoint()
        return search.count(cancelled)

    async def _cancel(self, chunks: Iterable[StoredChunk], search: RowSearch, now_ms: int) -> int:
        """Settle what may be cancelled of what is searched; return how many rows were certainly never taken."""
        cancelled = 0
        for done, stored in enumerate(chunks, start=1):
            if not stored.is_finished:
                cancelled += self._cancel_rows(stored, search, now_ms)
            await _pause_after_slice(done)
        return cancelled

    async def wait_overdue(self) -> None:
        """Wait for a deadline."""
        await self._deadlines.wait_due()

    async def expire(self, now_ms: int) -> int:
        """Settle as expired what isn't leased and has passed its deadline."""
        await trio.lowlevel.checkpoint_if_cancelled()
        expired = 0
        for done, chunk in enumerate(self._deadlines.take_due(now_ms), start=1):
            expired += self._expire_rows(chunk, now_ms)
            await _pause_after_slice(done)
        return expired

    async def feed(self, principal: str, cursor: int, max_rows: int) -> FeedPage:
        """Return results after a cursor."""
        await trio.lowlevel.checkpoint()
        return self._get_feed(principal).read(cursor, max_rows)

    async def wait_feed(self, principal: str, cursor: int) -> None:
        """Wait until there are results after a cursor."""
        await trio.lowlevel.checkpoint()
        feed = self._get_feed(principal)
        while not feed.has_after(cursor):
            await feed.arrival.park()

    async def acknowledge(self, principal: str, cursor: int) -> None:
        """Free results up to a cursor."""
        await trio.lowlevel.checkpoint_if_cancelled()
        self._free(principal, cursor)
        await trio.lowlevel.cancel_shielded_checkpoint()

    async def open_subscription(self, principal: str, name: str) -> int | None:
        """Return where a named reader goes on."""
        await trio.lowlevel.checkpoint()
        position = self._subscriptions.find(principal, name)
        if position is None:
            if not self._subscriptions.has_room(principal):
                return None
            position = 0
            self._subscriptions.put(principal, name, position)
        return position if position >= self._get_feed(principal).acknowledged else 0

    async def acknowledge_subscription(self, principal: str, name: str, cursor: int) -> None:
        """Note how far a named reader is."""
        await trio.lowlevel.checkpoint_if_cancelled()
        self._get_feed(principal).check_ahead(cursor)
        if self._subscriptions.find(principal, name) is not None:
            self._free(principal, self._subscriptions.acknowledge(principal, name, cursor))
        await trio.lowlevel.cancel_shielded_checkpoint()

    async def close_subscription(self, principal: str, name: str) -> bool:
        """Forget a named reader."""
        await trio.lowlevel.checkpoint_if_cancelled()
        is_open = self._subscriptions.find(principal, name) is not None
        unneeded = self._subscriptions.drop(principal, name)
        if unneeded is not None:
            self._free(principal, unneeded)
        await trio.lowlevel.cancel_shielded_checkpoint()
        return is_open

    def _free(self, principal: str, cursor: int) -> None:
        for batch in self._get_feed(principal).acknowledge(cursor):
            self._drop_finished(batch)
        self._change.unpark_all()

    def set_results_kept(self, principal: str, kept: bool) -> None:
        """Choose whether a principal's new results are kept."""
        self._get_feed(principal).is_kept = kept

    async def wait_change(self) -> None:
        """Wait until rows were settled or results freed."""
        await self._change.park()

    def statistics(self) -> EngineStatistics:
        """Return the counts now, at a cost that grows with the principals only."""
        unread = {principal: feed.unread for principal, feed in self._feeds.items()}
        return EngineStatistics(
            owed_rows=self._store.owed_rows,
            owed_bytes=self._store.owed_bytes,
            leased_rows=self._store.leased_rows,
            scheduled_rows=self._store.scheduled_rows,
            unread_rows=sum(results.rows for results in unread.values()),
            unread=unread,
            batches=len(self._store),
            keys=self._keys.statistics(),
        )

    def _get_feed(self, principal: str) -> ResultFeed:
        feed = self._feeds.get(principal)
        if feed is None:
            feed = self._feeds[principal] = ResultFeed()
        return feed

    def _settle(self, chunk: StoredChunk, settlement: Settlement) -> int:
        """Commit one block and return how many rows it settled."""
        rows = rowsets.from_ranges(settlement.rows)
        settled = self._store.settle(chunk, rows)
        if not settled:
            return 0
        if settled != rows:
            settlement = keep_rows(settlement, settled)
        self._dead_tokens.note(chunk.batch, settlement)
        self._get_feed(chunk.batch.record.principal).append(chunk.batch, forget_destinations(settlement))
        if chunk.is_finished:
            self._deadlines.leave_behind()
            self._drop_finished(chunk.batch)
        return settled.bit_count()

    def _drop_finished(self, batch: StoredBatch) -> None:
        if self._store.drop_finished(batch):
            self._keys.note_finished(batch)

    def _cancel_rows(self, stored: StoredChunk, search: RowSearch, now_ms: int) -> int:
        chunk = decode_chunk(stored.stored)
        rows = get_back(self._store, self._recall, stored, search.find(stored, chunk))
        cancellation = Withdrawal(Outcome.CANCELLED, Reason.CANCELLED, now_ms)
        blocks = settle_unattempted(stored, chunk, rows, cancellation)
        self._withdraw(stored, blocks)
        return sum(block.count for block in blocks if block.outcome is Outcome.CANCELLED)

    def _expire_rows(self, stored: StoredChunk, now_ms: int) -> int:
        """Settle what has expired in one chunk, note when to look at the rest, and return how many rows it was."""
        chunk = decode_chunk(stored.stored)
        rows = get_back(
            self._store, self._recall, stored, find_expired(chunk, stored.owed, now_ms - stored.batch.lead_ms)
        )
        expiry = Withdrawal(Outcome.EXPIRED, Reason.EXPIRED, now_ms - lead_ms(self._clock))
        self._withdraw(stored, settle_unattempted(stored, chunk, rows, expiry))
        if not stored.is_finished:
            earliest_ms = earliest_deadline_ms(chunk, stored.owed) + stored.batch.lead_ms
            deadline = max(earliest_ms, now_ms + LOOK_AGAIN_MS)
            self._deadlines.push(deadline, stored)
        return rows.bit_count()

    def _withdraw(self, stored: StoredChunk, blocks: Iterable[Settlement]) -> None:
        for block in blocks:
            self._settle(stored, block)
        self._work.leave_behind()
        self._change.unpark_all()


async def _pause_after_slice(done: int) -> None:
    if done % CHUNKS_A_SLICE == 0:
        await trio.lowlevel.cancel_shielded_checkpoint()
