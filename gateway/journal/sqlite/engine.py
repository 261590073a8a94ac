"""The embedded engine: memory knows where every row is, one SQLite file holds what must survive.

How a call goes: it decides in memory, has the change committed, and lets others see it only then. What was decided
can't fail afterwards without ending the process (see `writer`), so memory never has to be set back. Two decisions wait
for their commit: a batch can't be leased, and a result can't be read, before it is durable.

Rows that are sent soon after they came are taken from a cache of their chunks; a long backlog costs memory for its
heads alone, some 300 bytes for a hundred rows.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import trio

from gateway.clock import Clock, lead_ms
from gateway.journal.books import rowsets
from gateway.journal.books.store import StoredBatch, StoredChunk
from gateway.journal.books.whole_calls import whole
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
from gateway.journal.leases import SOLE_LEASE, Lease
from gateway.journal.sqlite.admission import admit
from gateway.journal.sqlite.dead_tokens import SqliteDeadTokens
from gateway.journal.sqlite.disk import schema
from gateway.journal.sqlite.disk.change import Change
from gateway.journal.sqlite.disk.files import FolderLock, prepare_folder
from gateway.journal.sqlite.starting import close_files, start
from gateway.journal.sqlite.state import JournalState, key_of
from gateway.journal.sqlite.withdrawals import Withdrawals
from gateway.journal.statistics import EngineStatistics

DAY_SECONDS = 86_400.0
WEEK_SECONDS = 7 * DAY_SECONDS
MIB = 1024 * 1024
GIB = 1024 * MIB


class SqliteEngine:
    """See the module text, and :class:`gateway.journal.engine.Engine` for the methods.

    Every call that changes something raises JournalFailedError once a write has failed: the process must end.
    ``most_bytes`` bounds what the journal takes on the disk (see `room`).
    """

    def __init__(
        self,
        folder: Path,
        clock: Clock,
        *,
        most_bytes: int = 4 * GIB,
        idempotency_window_seconds: float = DAY_SECONDS,
        idempotency_bytes: int = 256 * MIB,
        results_kept_seconds: float = WEEK_SECONDS,
    ) -> None:
        self._folder = folder
        self._most_bytes = most_bytes
        self._lock = FolderLock(folder)
        self._state = JournalState(
            clock,
            idempotency_window_seconds=idempotency_window_seconds,
            idempotency_bytes=idempotency_bytes,
            results_kept_seconds=results_kept_seconds,
        )
        self._withdrawals = Withdrawals(self._state)

    def __repr__(self) -> str:
        return f"<SqliteEngine in {self._folder}: {self._state.store.owed_rows} rows owed>"

    @property
    def dead_tokens(self) -> SqliteDeadTokens:
        """What settled results say of destinations."""
        return self._state.dead_tokens

    async def recover(self) -> int:
        """Open the journal and make ready what an earlier process left. Raises JournalError."""
        prepare_folder(self._folder)
        self._lock.take()
        try:
            await start(self._state, self._withdrawals, self._folder, self._most_bytes)
        except BaseException:
            self._lock.release()
            raise
        return self._state.store.owed_rows

    async def watch(self) -> None:
        """Wait until the journal can't be written any more, and raise JournalFailedError."""
        await self._state.writer.watch()

    async def aclose(self) -> None:
        """Commit what waits and close the files."""
        try:
            await close_files(self._state)
        finally:
            self._state.store.let_go()
            self._lock.release()

    # Acceptance

    async def reserve(
        self, principal: str, batch_id: str, fingerprint: bytes, *, is_named: bool = True
    ) -> Reservation | Answered | Conflicting:
        """Take the idempotency key, or say who has it."""
        return await self._state.keys.reserve(principal, batch_id, fingerprint, is_named=is_named)

    async def release(self, reservation: Reservation) -> None:
        """Give a reservation back unused."""
        self._state.keys.release(reservation)
        await trio.lowlevel.cancel_shielded_checkpoint()

    @whole
    async def append(
        self,
        reservation: Reservation,
        batch: BatchRecord,
        chunks: Sequence[NewChunk],
        answer: bytes,
        dead: Sequence[DeadOnArrival] = (),
    ) -> int:
        """Accept a batch. Raises JournalFullError when there is no room for it."""
        self._state.keys.hold(reservation, len(answer))
        number = self._state.store.take_number()
        feed = self._state.results.get_feed(batch.principal)
        change = admit(number, feed, reservation, batch, chunks, answer=answer)
        suspects = self._state.dead_tokens.note_arrivals(change, batch, dead)
        await self._state.commit(change)
        feed.is_stored = True
        stored = self._state.store.add(number, batch, chunks)
        stored.lead_ms = lead_ms(self._state.clock)
        self._state.keys.take(reservation, stored.number, answer)
        for chunk, new in zip(stored.open_chunks(), chunks, strict=True):
            chunk.stored = b""
            self._state.cache.put(key_of(chunk), new.stored)
            self._state.deadlines.push(chunk.expires_at_ms + stored.lead_ms, chunk)
            if new.not_before_ms:
                self._state.books.note_due(key_of(chunk), chunk.owed, new.not_before_ms)
            self._state.work.put(chunk, chunk.owed, new.not_before_ms)
        self._state.dead_tokens.put_arrivals(suspects)
        return number

    # Delivery

    async def lease(self, max_rows: int) -> list[ChunkRef]:
        """Wait for work and take it. A lease is not written down: it ends with the process, the only one there is."""
        return await self._state.work.lease(max_rows)

    async def renew(self) -> Lease:
        """Have nothing to put off: the folder's lock keeps every other handle out."""
        await trio.lowlevel.checkpoint()
        return SOLE_LEASE

    async def answer_recalls(self) -> None:
        """Wait for ever: there is no other handle."""
        await trio.sleep_forever()

    async def read(self, refs: Sequence[ChunkRef]) -> list[bytes | None]:
        """Return stored chunks. The rows of one that is damaged end as failed, and it is None."""
        await trio.lowlevel.checkpoint()
        chunks = [self._state.store.find_chunk(ref.batch, ref.chunk) for ref in refs]
        found = await self._state.read_chunks(
            {key_of(chunk): chunk for chunk in chunks if chunk is not None}, _find_asked_for(refs)
        )
        return [None if chunk is None else found.get(key_of(chunk)) for chunk in chunks]

    @whole
    async def mark_started(self, lease: int, batch: int, chunk: int, rows: Sequence[int]) -> None:
        """Commit that rows are about to be sent."""
        del lease
        stored = self._state.store.find_chunk(batch, chunk)
        if stored is None:
            return
        self._state.books.note_started(key_of(stored), rowsets.from_ranges(rows) & stored.owed)
        change = Change()
        self._state.add_places(change, {key_of(stored): stored})
        await self._state.commit(change)

    @whole
    async def settle(self, lease: int, settlements: Sequence[Settlement]) -> None:
        """Commit final results."""
        del lease
        found = [self._state.store.find_chunk(settlement.batch, settlement.chunk) for settlement in settlements]
        pairs = [(chunk, word) for chunk, word in zip(found, settlements, strict=True) if chunk is not None]
        await self._state.settle(pairs)

    @whole
    async def schedule(self, lease: int, postponements: Sequence[Postponement]) -> None:
        """Give leased rows back until a time."""
        del lease
        touched: dict[int, StoredChunk] = {}
        for postponement in postponements:
            stored = self._state.store.find_chunk(postponement.batch, postponement.chunk)
            returned = 0 if stored is None else rowsets.from_ranges(postponement.rows) & stored.leased
            if stored is not None and returned:
                stored.note_attempts(returned, postponement.attempts, postponement.uncertain_attempts)
                self._state.store.unlease(stored, returned)
                self._state.books.note_due(key_of(stored), returned, postponement.due_at_ms)
                self._state.work.put(stored, returned, postponement.due_at_ms)
                touched[key_of(stored)] = stored
        if touched:
            change = Change()
            self._state.add_places(change, touched)
            await self._state.commit(change)

    def set_recall(self, recall: Recall) -> None:
        """Say who can let go of leased rows."""
        self._state.recall = recall

    # Withdrawal

    @whole
    async def cancel(self, principal: str, batch_id: str, indexes: Sequence[int] | None, now_ms: int) -> CancelCount:
        """Settle as cancelled what isn't leased; answered after the commit."""
        return await self._withdrawals.cancel(principal, batch_id, indexes, now_ms)

    @whole
    async def cancel_ids(self, principal: str, batch_id: str, ids: Sequence[str], now_ms: int) -> CancelCount:
        """Settle as cancelled what isn't leased; answered after the commit."""
        return await self._withdrawals.cancel_ids(principal, batch_id, ids, now_ms)

    @whole
    async def cancel_key(self, principal: str, app: str, key: str, now_ms: int) -> CancelCount:
        """Settle as cancelled what isn't leased; answered after the commit."""
        return await self._withdrawals.cancel_key(principal, app, key, now_ms)

    async def wait_overdue(self) -> None:
        """Wait for a deadline."""
        await self._state.deadlines.wait_due()

    @whole
    async def expire(self, now_ms: int) -> int:
        """Settle as expired what isn't leased and has passed its deadline."""
        return await self._withdrawals.expire(now_ms)

    # Results

    async def feed(self, principal: str, cursor: int, max_rows: int) -> FeedPage:
        """Return results after a cursor."""
        return await self._state.results.read(principal, cursor, max_rows)

    async def wait_feed(self, principal: str, cursor: int) -> None:
        """Wait until there are results after a cursor."""
        await self._state.results.wait(principal, cursor)

    @whole
    async def acknowledge(self, principal: str, cursor: int) -> None:
        """Free results up to a cursor."""
        self._free(await self._state.results.acknowledge(principal, cursor))

    @whole
    async def open_subscription(self, principal: str, name: str) -> int | None:
        """Return where a named reader goes on; a new one is kept before that."""
        return await self._state.readers.open(principal, name)

    @whole
    async def acknowledge_subscription(self, principal: str, name: str, cursor: int) -> None:
        """Note how far a named reader is."""
        self._free(await self._state.readers.acknowledge(principal, name, cursor))

    @whole
    async def close_subscription(self, principal: str, name: str) -> bool:
        """Forget a named reader."""
        is_closed, freed = await self._state.readers.close(principal, name)
        self._free(freed)
        return is_closed

    def _free(self, batches: Iterable[StoredBatch]) -> None:
        for batch in batches:
            self._state.drop_finished(batch)
        self._state.change.unpark_all()

    def set_results_kept(self, principal: str, kept: bool) -> None:
        """Choose whether a principal's new results are kept."""
        self._state.results.get_feed(principal).is_kept = kept

    async def wait_change(self) -> None:
        """Wait until rows were settled or results freed."""
        await self._state.change.park()

    def statistics(self) -> EngineStatistics:
        """Return the counts now, at a cost that grows with the principals only."""
        unread = self._state.results.unread
        return EngineStatistics(
            owed_rows=self._state.store.owed_rows,
            owed_bytes=self._state.store.owed_bytes,
            leased_rows=self._state.store.leased_rows,
            scheduled_rows=self._state.store.scheduled_rows,
            unread_rows=sum(results.rows for results in unread.values()),
            unread=unread,
            batches=len(self._state.store),
            keys=self._state.keys.statistics(),
        )


def _find_asked_for(refs: Sequence[ChunkRef]) -> dict[int, int]:
    """Return the rows of each chunk, by its key."""
    rows: dict[int, int] = {}
    for ref in refs:
        key = schema.chunk_key(ref.batch, ref.chunk)
        rows[key] = rows.get(key, 0) | ((1 << ref.stop - ref.start) - 1) << ref.start
    return rows
