"""One handle of the engine that keeps everything in memory: as durable as the process, and the measure for the others.

Changes happen between two checkpoints, so no other task sees half of one. A call looks for cancellation before it
changes anything and from then on finishes, shielded: done or undone, never half. Where a call may touch very many
chunks (cancel, expire) it goes in slices with shielded checkpoints between them, and each slice is whole.
"""

from collections.abc import Sequence

import trio

from gateway.clock import Clock, lead_ms
from gateway.journal.books import rowsets
from gateway.journal.books.cancelling import IdSearch, KeySearch, PositionSearch, count_nothing
from gateway.journal.engine import (
    Answered,
    BatchRecord,
    CancelCount,
    ChunkRef,
    Conflicting,
    DeadOnArrival,
    FeedPage,
    NewChunk,
    Postponement,
    Recall,
    Reservation,
    Settlement,
)
from gateway.journal.leases import Lease
from gateway.journal.memory.dead_tokens import MemoryDeadTokens
from gateway.journal.memory.store import DAY_SECONDS, MIB, WEEK_SECONDS, MemoryStore
from gateway.journal.memory.withdrawals import CHUNKS_A_SLICE, MemoryWithdrawals
from gateway.journal.statistics import EngineStatistics


class MemoryEngine:
    """See the module text, and :class:`gateway.journal.engine.Engine` for the methods.

    ``store`` is what it shares with other handles, and closed by whoever made it. Without one it has a store of its
    own, with the bounds given (see :class:`MemoryStore`).
    """

    def __init__(
        self,
        clock: Clock,
        *,
        store: MemoryStore | None = None,
        idempotency_window_seconds: float = DAY_SECONDS,
        idempotency_bytes: int = 256 * MIB,
        results_kept_seconds: float = WEEK_SECONDS,
    ) -> None:
        self._clock = clock
        self._is_store_shared = store is not None
        self._store = store or MemoryStore(
            clock,
            idempotency_window_seconds=idempotency_window_seconds,
            idempotency_bytes=idempotency_bytes,
            results_kept_seconds=results_kept_seconds,
        )
        self._withdrawals = MemoryWithdrawals(self._store)
        self._lease = 0  # the id of the last one it had

    def __repr__(self) -> str:
        return f"<MemoryEngine with lease {self._lease} of {self._store!r}>"

    @property
    def dead_tokens(self) -> MemoryDeadTokens:
        """What settled results say of destinations."""
        return self._store.dead_tokens

    async def recover(self) -> int:
        """Return what other handles have accepted; alone it finds nothing, as memory ended with its process."""
        await trio.lowlevel.checkpoint()
        return self._store.batches.owed_rows

    async def watch(self) -> None:
        """Wait for ever: nothing is written that could fail."""
        await trio.sleep_forever()

    async def aclose(self) -> None:
        """Leave to other handles what this one has; have nothing to flush."""
        if self._is_store_shared:
            self._withdrawals.let_go(self._lease)
        else:
            self._store.let_go()
        await trio.lowlevel.cancel_shielded_checkpoint()

    async def reserve(
        self, principal: str, batch_id: str, fingerprint: bytes, *, is_named: bool = True
    ) -> Reservation | Answered | Conflicting:
        """Take the idempotency key, or say who has it."""
        return await self._store.keys.reserve(principal, batch_id, fingerprint, is_named=is_named)

    async def release(self, reservation: Reservation) -> None:
        """Give a reservation back unused."""
        self._store.keys.release(reservation)
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
        self._store.keys.hold(reservation, len(answer))
        stored = self._store.batches.add(self._store.batches.take_number(), batch, chunks)
        self._store.archive.put(stored, reservation.fingerprint, answer)
        stored.lead_ms = lead_ms(self._clock)
        self._store.keys.take(reservation, stored.number, answer)
        self._store.dead_tokens.note_arrivals(batch, dead)
        for chunk, new in zip(stored.open_chunks(), chunks, strict=True):
            self._store.deadlines.push(chunk.expires_at_ms + stored.lead_ms, chunk)
            self._store.work.put(chunk, chunk.owed, new.not_before_ms)
        await trio.lowlevel.cancel_shielded_checkpoint()
        return stored.number

    async def lease(self, max_rows: int) -> list[ChunkRef]:
        """Wait for work and take it."""
        await trio.lowlevel.checkpoint_if_cancelled()
        while not (refs := self._take(max_rows)):
            await self._store.work.wait(self._store.leases.next_end_at - self._clock.monotonic())
        await trio.lowlevel.cancel_shielded_checkpoint()
        return refs

    def _take(self, max_rows: int) -> list[ChunkRef]:
        lease = self._renew()
        refs = self._store.work.take(max_rows, lease)
        for ref in refs:
            chunk = self._store.batches.find_chunk(ref.batch, ref.chunk)
            if chunk is not None:
                self._store.leases.hold(lease.id, chunk, rowsets.from_ranges((ref.start, ref.stop)))
        return refs

    def _renew(self) -> Lease:
        lease = self._store.renew(self._lease)
        self._lease = lease.id
        return lease

    def _get_lease(self) -> int:
        """Return the lease that this handle has; a new one where it has none."""
        self._store.end_due_leases()
        return self._lease if self._store.leases.is_held(self._lease) else self._renew().id

    async def renew(self) -> Lease:
        """Put off the end of the lease."""
        await trio.lowlevel.checkpoint_if_cancelled()
        lease = self._renew()
        await trio.lowlevel.cancel_shielded_checkpoint()
        return lease

    async def answer_recalls(self) -> None:
        """Let go of rows for other handles."""
        while True:
            for question in self._store.recalls.take(self._lease):
                self._withdrawals.answer(question)
            await self._store.recalls.wait()

    async def read(self, refs: Sequence[ChunkRef]) -> list[bytes | None]:
        """Return stored chunks."""
        await trio.lowlevel.checkpoint()
        chunks = [self._store.batches.find_chunk(ref.batch, ref.chunk) for ref in refs]
        return [None if chunk is None else chunk.stored for chunk in chunks]

    async def mark_started(self, lease: int, batch: int, chunk: int, rows: Sequence[int]) -> None:
        """Note the rows for whoever takes over."""
        await trio.lowlevel.checkpoint_if_cancelled()
        self._store.check(lease)
        stored = self._store.batches.find_chunk(batch, chunk)
        if stored is not None:
            self._store.leases.mark(lease, stored, rowsets.from_ranges(rows))
        await trio.lowlevel.cancel_shielded_checkpoint()

    async def settle(self, lease: int, settlements: Sequence[Settlement]) -> None:
        """Commit final results."""
        await trio.lowlevel.checkpoint_if_cancelled()
        self._store.check(lease)
        found = [self._store.batches.find_chunk(settlement.batch, settlement.chunk) for settlement in settlements]
        for chunk, settlement in zip(found, settlements, strict=True):
            if chunk is not None:
                rows = rowsets.from_ranges(settlement.rows)
                self._store.let_go_of(lease, chunk, rows & self._store.leases.held(lease, chunk))
                self._store.settle(chunk, settlement)
        self._store.change.unpark_all()
        await trio.lowlevel.cancel_shielded_checkpoint()

    async def schedule(self, lease: int, postponements: Sequence[Postponement]) -> None:
        """Give leased rows back until a time."""
        await trio.lowlevel.checkpoint_if_cancelled()
        self._store.check(lease)
        for postponement in postponements:
            stored = self._store.batches.find_chunk(postponement.batch, postponement.chunk)
            if stored is None:
                continue
            if returned := rowsets.from_ranges(postponement.rows) & self._store.leases.held(lease, stored):
                stored.note_attempts(returned, postponement.attempts, postponement.uncertain_attempts)
                self._store.let_go_of(lease, stored, returned)
                self._store.work.put(stored, returned, postponement.due_at_ms)
        await trio.lowlevel.cancel_shielded_checkpoint()

    def set_recall(self, recall: Recall) -> None:
        """Say who can let go of leased rows."""
        self._withdrawals.recall = recall

    async def cancel(self, principal: str, batch_id: str, indexes: Sequence[int] | None, now_ms: int) -> CancelCount:
        """Settle as cancelled what isn't leased."""
        await trio.lowlevel.checkpoint_if_cancelled()
        batch = await self._store.keys.find_batch(principal, batch_id)
        if batch is None:
            return count_nothing(indexes)
        search = PositionSearch(batch, indexes)
        return search.count(await self._withdrawals.cancel(self._get_lease(), batch.open_chunks(), search, now_ms))

    async def cancel_ids(self, principal: str, batch_id: str, ids: Sequence[str], now_ms: int) -> CancelCount:
        """Settle as cancelled what isn't leased."""
        await trio.lowlevel.checkpoint_if_cancelled()
        batch = await self._store.keys.find_batch(principal, batch_id)
        if batch is None:
            return count_nothing(ids)
        search = IdSearch(ids)
        cancelled = await self._withdrawals.cancel(self._get_lease(), batch.open_chunks(), search, now_ms)
        feed = self._store.get_feed(principal)
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
        for chunks in self._store.batches.cancel_keys.find(principal, app, key):
            cancelled += await self._withdrawals.cancel(self._get_lease(), chunks, search, now_ms)
            await trio.lowlevel.cancel_shielded_checkpoint()
        return search.count(cancelled)

    async def wait_overdue(self) -> None:
        """Wait for a deadline."""
        await self._store.deadlines.wait_due()

    async def expire(self, now_ms: int) -> int:
        """Settle as expired what isn't leased and has passed its deadline."""
        await trio.lowlevel.checkpoint_if_cancelled()
        return await self._withdrawals.expire(self._get_lease(), now_ms)

    async def feed(self, principal: str, cursor: int, max_rows: int) -> FeedPage:
        """Return results after a cursor."""
        await trio.lowlevel.checkpoint()
        return self._store.get_feed(principal).read(cursor, max_rows)

    async def wait_feed(self, principal: str, cursor: int) -> None:
        """Wait until there are results after a cursor."""
        await trio.lowlevel.checkpoint()
        feed = self._store.get_feed(principal)
        while not feed.has_after(cursor):
            await feed.arrival.park()

    async def acknowledge(self, principal: str, cursor: int) -> None:
        """Free results up to a cursor."""
        await trio.lowlevel.checkpoint_if_cancelled()
        self._store.free(principal, cursor)
        await trio.lowlevel.cancel_shielded_checkpoint()

    async def open_subscription(self, principal: str, name: str) -> int | None:
        """Return where a named reader goes on."""
        await trio.lowlevel.checkpoint()
        position = self._store.subscriptions.find(principal, name)
        if position is None:
            if not self._store.subscriptions.has_room(principal):
                return None
            position = 0
            self._store.subscriptions.put(principal, name, position)
        return position if position >= self._store.get_feed(principal).acknowledged else 0

    async def acknowledge_subscription(self, principal: str, name: str, cursor: int) -> None:
        """Note how far a named reader is."""
        await trio.lowlevel.checkpoint_if_cancelled()
        self._store.get_feed(principal).check_ahead(cursor)
        if self._store.subscriptions.find(principal, name) is not None:
            self._store.free(principal, self._store.subscriptions.acknowledge(principal, name, cursor))
        await trio.lowlevel.cancel_shielded_checkpoint()

    async def close_subscription(self, principal: str, name: str) -> bool:
        """Forget a named reader."""
        await trio.lowlevel.checkpoint_if_cancelled()
        is_open = self._store.subscriptions.find(principal, name) is not None
        unneeded = self._store.subscriptions.drop(principal, name)
        if unneeded is not None:
            self._store.free(principal, unneeded)
        await trio.lowlevel.cancel_shielded_checkpoint()
        return is_open

    def set_results_kept(self, principal: str, kept: bool) -> None:
        """Choose whether a principal's new results are kept."""
        self._store.get_feed(principal).is_kept = kept

    async def wait_change(self) -> None:
        """Wait until rows were settled or results freed."""
        await self._store.change.park()

    def statistics(self) -> EngineStatistics:
        """Return the counts now, at a cost that grows with the principals only."""
        return self._store.statistics()


async def _pause_after_slice(done: int) -> None:
    if done % CHUNKS_A_SLICE == 0:
        await trio.lowlevel.cancel_shielded_checkpoint()
