"""The embedded engine: memory knows where every row is, one SQLite file holds what must survive.

How a call goes: it decides in memory, has the change committed, and lets others see it only then. What was decided
can't fail afterwards without ending the process (see `writer`), so memory never has to be set back. Two decisions wait
for their commit: a batch can't be leased, and a result can't be read, before it is durable.

Rows that are sent soon after they came are taken from a cache of their chunks; a long backlog costs memory for its
heads alone, some 300 bytes for a hundred rows.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import trio

from gateway.clock import Clock
from gateway.journal import rowsets
from gateway.journal.engine import (
    Answered,
    BatchRecord,
    CancelCount,
    ChunkRef,
    Conflicting,
    EngineStatistics,
    FeedPage,
    NewChunk,
    Postponement,
    Recall,
    Reservation,
    Settlement,
)
from gateway.journal.idempotency import IdempotencyKeys
from gateway.journal.sqlite import schema
from gateway.journal.sqlite.admission import admit
from gateway.journal.sqlite.books import ChunkBooks
from gateway.journal.sqlite.encoding import (
    open_chunk,
)
from gateway.journal.sqlite.feeds import Feed
from gateway.journal.sqlite.files import FolderLock, Reserve, prepare_folder
from gateway.journal.sqlite.opening import connect, open_journal
from gateway.journal.sqlite.reader import ChunkCache, Reader, select_chunks
from gateway.journal.sqlite.recovery import Recovered, load
from gateway.journal.sqlite.results import Results
from gateway.journal.sqlite.writer import Change, Writer
from gateway.journal.store import BatchStore, StoredBatch, StoredChunk
from gateway.journal.waiting_rows import DueHeap
from gateway.journal.withdrawal import (
    Withdrawal,
    earliest_deadline_ms,
    find_expired,
    find_positions,
    keep_all,
    keep_rows,
    settle_unattempted,
)
from gateway.journal.work_queue import WorkQueue
from protocol.chunks import decode_chunk, pack_ranges
from protocol.outcomes import Outcome
from protocol.reasons import Reason

Value = TypeVar("Value")

DAY_SECONDS = 86_400.0
CACHE_BYTES = 32 * 1024 * 1024
CHUNKS_A_SLICE = 25  # read, decoded and settled at once: about half a millisecond of the loop
LOOK_AGAIN_MS = 1000  # overdue rows that are leased are their holder's to end; they may still be given back


class SqliteEngine:
    """See the module text, and :class:`gateway.journal.engine.Engine` for the methods.

    Every call that changes something raises JournalFailedError once a write has failed: the process must end.
    """

    def __init__(
        self,
        folder: Path,
        clock: Clock,
        *,
        idempotency_window_seconds: float = DAY_SECONDS,
        idempotency_keys: int = 1_000_000,
    ) -> None:
        self._folder = folder
        self._clock = clock
        self._lock = FolderLock(folder)
        self._store = BatchStore()
        self._forgotten: list[tuple[int]] = []
        self._keys = IdempotencyKeys(
            clock, idempotency_window_seconds, idempotency_keys, lambda batch: self._forgotten.append((batch,))
        )
        self._work = WorkQueue(self._store, clock)
        self._recall: Recall = keep_all
        self._books = ChunkBooks()
        self._cache = ChunkCache(CACHE_BYTES)
        self._deadlines = DueHeap[StoredChunk](lambda chunk: not chunk.is_finished)
        self._change = trio.lowlevel.ParkingLot()
        # Made by ``recover``, once the files are known to be ours.
        self._writer: Writer
        self._reader: Reader
        self._results: Results

    def __repr__(self) -> str:
        return f"<SqliteEngine in {self._folder}: {self._store.owed_rows} rows owed>"

    async def recover(self) -> int:
        """Open the journal and make ready what an earlier process left. Raises JournalError."""
        prepare_folder(self._folder)
        self._lock.take()
        try:
            database = await trio.to_thread.run_sync(open_journal, self._folder)
            reserve = Reserve(self._folder)
            await trio.to_thread.run_sync(reserve.restore)
            self._reader = Reader(lambda: connect(database))
            found = await self._reader.run(load)
        except BaseException:
            self._lock.release()
            raise
        self._results = Results(found.feeds, self._store, self._reader, self._commit)
        self._writer = Writer(database, lambda: connect(database), reserve)
        self._writer.start()
        await self._take_over(found)
        return self._store.owed_rows

    async def aclose(self) -> None:
        """Commit what waits and close the files."""
        await self._writer.aclose()
        await self._reader.aclose()
        self._lock.release()

    # Acceptance

    async def reserve(self, principal: str, batch_id: str, fingerprint: bytes) -> Reservation | Answered | Conflicting:
        """Take the idempotency key, or say who has it."""
        return await self._keys.reserve(principal, batch_id, fingerprint)

    async def release(self, reservation: Reservation) -> None:
        """Give a reservation back unused."""
        self._keys.release(reservation)
        await trio.lowlevel.cancel_shielded_checkpoint()

    async def append(
        self, reservation: Reservation, batch: BatchRecord, chunks: Sequence[NewChunk], answer: bytes
    ) -> int:
        """Accept a batch. Raises JournalFullError when there is no room for it."""
        await trio.lowlevel.checkpoint_if_cancelled()
        self._keys.get_reserved(reservation)
        number = self._store.take_number()
        feed = self._results.get_feed(batch.principal)
        change = admit(number, feed, reservation, batch, chunks, answer=answer)
        await self._commit(change)
        feed.is_stored = True
        stored = self._store.add(number, batch, chunks)
        self._keys.take(reservation, stored, answer)
        for chunk, new in zip(stored.open_chunks(), chunks, strict=True):
            chunk.stored = b""
            self._cache.put(_key_of(chunk), new.stored)
            self._deadlines.push(chunk.expires_at_ms, chunk)
            if new.not_before_ms:
                self._books.note_due(_key_of(chunk), chunk.owed, new.not_before_ms)
            self._work.put(chunk, chunk.owed, new.not_before_ms)
        return number

    # Delivery

    async def lease(self, max_rows: int) -> list[ChunkRef]:
        """Wait for work and take it. A lease is not written down: it ends with the process."""
        return await self._work.lease(max_rows)

    async def read(self, refs: Sequence[ChunkRef]) -> list[bytes]:
        """Return stored chunks. Raises KeyError for one whose rows are all settled, DamagedChunkError."""
        await trio.lowlevel.checkpoint()
        chunks = [self._store.get_chunk(ref.batch, ref.chunk) for ref in refs]
        found = await self._read_chunks(chunks)
        return [found[_key_of(chunk)] for chunk in chunks]

    async def _read_chunks(self, chunks: Sequence[StoredChunk]) -> dict[int, bytes]:
        found: dict[int, bytes] = {}
        missing: list[StoredChunk] = []
        for chunk in chunks:
            cached = self._cache.find(_key_of(chunk))
            if cached is None:
                missing.append(chunk)
            else:
                found[_key_of(chunk)] = cached
        if missing:
            keys = [_key_of(chunk) for chunk in missing]
            sealed = await self._reader.run(lambda connection: select_chunks(connection, keys))
            for chunk in missing:
                if (data := sealed.get(_key_of(chunk))) is not None:
                    found[_key_of(chunk)] = open_chunk(chunk.batch.number, chunk.number, data)
        return found

    def batch(self, number: int) -> BatchRecord:
        """Return the record of a batch."""
        return self._store.get_batch(number).record

    async def mark_started(self, batch: int, chunk: int, rows: Sequence[int]) -> None:
        """Commit that rows are about to be sent."""
        await trio.lowlevel.checkpoint_if_cancelled()
        stored = self._store.find_chunk(batch, chunk)
        if stored is None:
            return
        self._books.note_started(_key_of(stored), rowsets.from_ranges(rows) & stored.owed)
        change = Change()
        self._add_progress(change, stored)
        await self._commit(change)

    async def settle(self, settlements: Sequence[Settlement]) -> None:
        """Commit final results."""
        await trio.lowlevel.checkpoint_if_cancelled()
        found = [self._store.find_chunk(settlement.batch, settlement.chunk) for settlement in settlements]
        pairs = [(chunk, word) for chunk, word in zip(found, settlements, strict=True) if chunk is not None]
        await self._settle(pairs)

    async def schedule(self, postponements: Sequence[Postponement]) -> None:
        """Give leased rows back until a time."""
        await trio.lowlevel.checkpoint_if_cancelled()
        touched: dict[int, StoredChunk] = {}
        for postponement in postponements:
            stored = self._store.find_chunk(postponement.batch, postponement.chunk)
            returned = 0 if stored is None else rowsets.from_ranges(postponement.rows) & stored.leased
            if stored is not None and returned:
                stored.note_attempts(returned, postponement.attempts, postponement.uncertain_attempts)
                self._store.unlease(stored, returned)
                self._books.note_due(_key_of(stored), returned, postponement.due_at_ms)
                self._work.put(stored, returned, postponement.due_at_ms)
                touched[_key_of(stored)] = stored
        if touched:
            change = Change()
            self._add_places(change, touched)
            await self._commit(change)

    def set_recall(self, recall: Recall) -> None:
        """Say who can let go of leased rows."""
        self._recall = recall

    # Withdrawal

    async def cancel(self, principal: str, batch_id: str, indexes: Sequence[int] | None, now_ms: int) -> CancelCount:
        """Settle as cancelled what isn't leased; answered after the commit."""
        await trio.lowlevel.checkpoint_if_cancelled()
        batch = self._keys.find_batch(principal, batch_id)
        if batch is None:
            return CancelCount(cancelled=0, too_late=0, not_found=1 if indexes is None else len(set(indexes)))
        wanted = None if indexes is None else rowsets.from_ranges(pack_ranges(sorted(set(indexes))))
        accepted = batch.positions if wanted is None else batch.positions & wanted
        withdrawal = Withdrawal(Outcome.CANCELLED, Reason.CANCELLED, now_ms)
        cancelled = 0
        for chunks in _slices(batch.open_chunks()):
            stored = await self._read_chunks(chunks)
            blocks: list[tuple[StoredChunk, Settlement]] = []
            for chunk in chunks:
                if chunk.is_finished:
                    continue
                content = decode_chunk(stored[_key_of(chunk)])
                rows = self._get_back(chunk, find_positions(content, chunk.owed, wanted))
                blocks += ((chunk, block) for block in settle_unattempted(chunk, content, rows, withdrawal))
            cancelled += sum(block.count for _, block in blocks if block.outcome is Outcome.CANCELLED)
            await self._settle(blocks)
        return CancelCount(
            cancelled=cancelled,
            too_late=accepted.bit_count() - cancelled,
            not_found=0 if wanted is None else (wanted & ~accepted).bit_count(),
        )

    async def expire(self, now_ms: int) -> int:
        """Settle as expired what isn't leased and has passed its deadline."""
        await trio.lowlevel.checkpoint_if_cancelled()
        withdrawal = Withdrawal(Outcome.EXPIRED, Reason.EXPIRED, now_ms)
        expired = 0
        for chunks in _slices(list(self._deadlines.take_due(now_ms))):
            stored = await self._read_chunks(chunks)
            blocks: list[tuple[StoredChunk, Settlement]] = []
            for chunk in chunks:
                if chunk.is_finished:
                    continue
                content = decode_chunk(stored[_key_of(chunk)])
                rows = self._get_back(chunk, find_expired(content, chunk.owed, now_ms))
                blocks += ((chunk, block) for block in settle_unattempted(chunk, content, rows, withdrawal))
                expired += rows.bit_count()
                if left := chunk.owed & ~rows:
                    self._deadlines.push(max(earliest_deadline_ms(content, left), now_ms + LOOK_AGAIN_MS), chunk)
            await self._settle(blocks)
        return expired

    # Results

    async def feed(self, principal: str, cursor: int, max_rows: int) -> FeedPage:
        """Return results after a cursor."""
        return await self._results.read(principal, cursor, max_rows)

    async def wait_feed(self, principal: str, cursor: int) -> None:
        """Wait until there are results after a cursor."""
        await self._results.wait(principal, cursor)

    async def acknowledge(self, principal: str, cursor: int) -> None:
        """Free results up to a cursor."""
        for batch in await self._results.acknowledge(principal, cursor):
            self._drop_finished(batch)
        self._change.unpark_all()

    def set_results_kept(self, principal: str, kept: bool) -> None:
        """Choose whether a principal's new results are kept."""
        self._results.get_feed(principal).is_kept = kept

    async def wait_change(self) -> None:
        """Wait until rows were settled or results freed."""
        await self._change.park()

    def statistics(self) -> EngineStatistics:
        """Return the counts now, at a cost that grows with the principals only."""
        unread = self._results.unread_rows
        return EngineStatistics(
            owed_rows=self._store.owed_rows,
            owed_bytes=self._store.owed_bytes,
            leased_rows=self._store.leased_rows,
            scheduled_rows=self._store.scheduled_rows,
            unread_rows=sum(unread.values()),
            unread_rows_by_principal=unread,
            batches=len(self._store),
        )

    # What the calls above have in common

    def _get_back(self, chunk: StoredChunk, rows: int) -> int:
        """Return those of ``rows`` that are not leased, after asking for those that are."""
        if rows & chunk.leased:
            let_go = self._recall(chunk.batch.number, chunk.number, rows & chunk.leased)
            self._store.unlease(chunk, let_go)
        return rows & ~chunk.leased

    async def _settle(self, pairs: Iterable[tuple[StoredChunk, Settlement]]) -> None:
        """Decide, commit, and let be read. No other task runs between deciding and queueing: the order is the same."""
        change = Change()
        touched: dict[int, StoredChunk] = {}
        promised: list[tuple[Feed, int]] = []
        for chunk, block in pairs:
            rows = rowsets.from_ranges(block.rows)
            settled = self._store.settle(chunk, rows)
            if settled:
                touched[_key_of(chunk)] = chunk
                kept = block if settled == rows else keep_rows(block, settled)
                promised += self._results.add(change, chunk.batch, kept)
        if not touched:
            await trio.lowlevel.cancel_shielded_checkpoint()
            return
        self._add_places(change, touched)
        await self._commit(change)
        for feed, position in promised:
            feed.publish(position)
        for chunk in touched.values():
            self._drop_finished(chunk.batch)
        self._change.unpark_all()

    def _add_places(self, change: Change, chunks: dict[int, StoredChunk]) -> None:
        """Add how far chunks have come; finished ones go."""
        finished = [key for key, chunk in chunks.items() if chunk.is_finished]
        for key in finished:
            self._books.forget(key)
            self._cache.drop(key)
            self._deadlines.leave_behind()
            self._work.leave_behind()
        if finished:
            change.add("DELETE FROM chunk WHERE key = ?", [(key,) for key in finished])
            change.add("DELETE FROM progress WHERE chunk = ?", [(key,) for key in finished])
        for chunk in chunks.values():
            if not chunk.is_finished:
                self._add_progress(change, chunk)

    def _add_progress(self, change: Change, chunk: StoredChunk) -> None:
        key = _key_of(chunk)
        change.add(
            "INSERT INTO progress (chunk, state) VALUES (?, ?) ON CONFLICT (chunk) DO UPDATE SET state = ?2",
            [(key, self._books.encode(key, chunk))],
        )

    async def _commit(self, change: Change) -> None:
        if self._forgotten:
            forgotten, self._forgotten = self._forgotten, []
            change.add("DELETE FROM batch WHERE number = ?", forgotten)
        await self._writer.put(change).wait()

    def _drop_finished(self, batch: StoredBatch) -> None:
        if self._store.drop_finished(batch):
            self._keys.note_finished(batch)

    async def _take_over(self, found: Recovered) -> None:
        now = self._clock.wall()
        for each in found.batches:
            self._store.keep(each.batch)
            age_seconds = now - each.batch.record.accepted_at_ms / 1000
            self._keys.restore(each.batch, each.fingerprint, each.answer, age_seconds=age_seconds)
        started: list[tuple[StoredChunk, int]] = []
        for chunk in found.chunks:
            self._deadlines.push(chunk.chunk.expires_at_ms, chunk.chunk)
            for due_at_ms, rows in chunk.due.items():
                self._books.note_due(_key_of(chunk.chunk), rows, due_at_ms)
                self._work.put(chunk.chunk, rows & ~chunk.started, due_at_ms)
            if chunk.started:
                started.append((chunk.chunk, chunk.started))
        await self._end_started(started)

    async def _end_started(self, started: Sequence[tuple[StoredChunk, int]]) -> None:
        """Settle as unknown what was about to be sent when the process before this one died (design, section 2)."""
        lost = Withdrawal(Outcome.UNKNOWN, Reason.LINK_LOST, int(self._clock.wall() * 1000))
        for part in _slices(started):
            stored = await self._read_chunks([chunk for chunk, _ in part])
            blocks: list[tuple[StoredChunk, Settlement]] = []
            for chunk, rows in part:
                for block in settle_unattempted(chunk, decode_chunk(stored[_key_of(chunk)]), rows, lost):
                    block.attempts += 1
                    block.uncertain_attempts += 1
                    blocks.append((chunk, block))
            await self._settle(blocks)


def _key_of(chunk: StoredChunk) -> int:
    return schema.chunk_key(chunk.batch.number, chunk.number)


def _slices(items: Sequence[Value]) -> Iterator[Sequence[Value]]:
    for at in range(0, len(items), CHUNKS_A_SLICE):
        yield items[at : at + CHUNKS_A_SLICE]
