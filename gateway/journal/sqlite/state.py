"""What all calls of the engine share: memory's word on every row, the way to the file, and how the two change together.

A change is decided in memory, committed, and seen by others only then. No other task runs between deciding and queueing
it for its commit, so both happen in the same order.
"""

from collections import deque
from collections.abc import Iterable, Mapping

import trio

from gateway.clock import Clock
from gateway.journal.books import rowsets
from gateway.journal.books.deadlines import Deadlines
from gateway.journal.books.idempotency import IdempotencyKeys
from gateway.journal.books.store import BatchStore, StoredBatch, StoredChunk
from gateway.journal.books.suspects import Suspect
from gateway.journal.books.withdrawal import forget_destinations, get_back, keep_all, keep_rows
from gateway.journal.books.work_queue import WorkQueue
from gateway.journal.encoding import DamagedChunkError, open_chunk
from gateway.journal.engine import Recall, Settlement
from gateway.journal.errors import JournalFullError
from gateway.journal.sqlite.archive import SqliteArchive
from gateway.journal.sqlite.books import ChunkBooks
from gateway.journal.sqlite.damage import settle_damaged
from gateway.journal.sqlite.dead_tokens import SqliteDeadTokens
from gateway.journal.sqlite.disk import schema
from gateway.journal.sqlite.disk.change import Change
from gateway.journal.sqlite.disk.writer import Writer
from gateway.journal.sqlite.feeds import Feed
from gateway.journal.sqlite.reader import ChunkCache, Reader, select_chunks
from gateway.journal.sqlite.recovery import Recovered
from gateway.journal.sqlite.results import Results
from gateway.journal.sqlite.subscriptions import NamedReaders

CACHE_BYTES = 32 * 1024 * 1024
# Batches whose keys are free go with the changes of others; a start may find very many of them.
FORGOTTEN_A_CHANGE = 100


class JournalState:
    """See the module text. What belongs to the open files is there from :meth:`attach` on."""

    writer: Writer
    reader: Reader
    results: Results
    readers: NamedReaders
    dead_tokens: SqliteDeadTokens

    def __init__(
        self, clock: Clock, *, idempotency_window_seconds: float, idempotency_bytes: int, results_kept_seconds: float
    ) -> None:
        self.clock = clock
        self._results_kept_ms = int(results_kept_seconds * 1000)
        self.store = BatchStore()
        self._forgotten: deque[int] = deque()
        self._archive = SqliteArchive()
        self.keys = IdempotencyKeys(
            clock,
            self.store,
            self._archive,
            window_seconds=idempotency_window_seconds,
            limit_bytes=idempotency_bytes,
            on_forgotten=self._forgotten.append,
        )
        self.work = WorkQueue(self.store, clock)
        self.books = ChunkBooks()
        self.cache = ChunkCache(CACHE_BYTES)
        self.deadlines = Deadlines(clock)
        self.change = trio.lowlevel.ParkingLot()
        self.recall: Recall = keep_all

    def attach(self, writer: Writer, reader: Reader, found: Recovered) -> None:
        """Work on open files from here on."""
        self.writer = writer
        self.reader = reader
        self._archive.reader = reader
        self.results = Results(found.feeds, self.store, reader, self.commit)
        self.readers = NamedReaders(found.subscriptions, self.results, self.commit)
        self.dead_tokens = SqliteDeadTokens(
            found.dead_tokens, self.results.get_feed, reader, self.commit, self._results_kept_ms
        )

    @property
    def now_ms(self) -> int:
        """The wall clock."""
        return int(self.clock.wall() * 1000)

    async def read_chunks(
        self, chunks: Mapping[int, StoredChunk], unsent: Mapping[int, int] | None = None
    ) -> dict[int, bytes]:
        """Return chunks' bytes by key. Those that are damaged are missing: their rows have ended by then.

        ``unsent`` are leased rows of whose holder this is the question; others that are on their way end by themselves.
        """
        found = {key: stored for key in chunks if (stored := self.cache.find(key)) is not None}
        missing = [key for key in chunks if key not in found]
        if missing:
            sealed = await self.reader.run(lambda connection: select_chunks(connection, missing))
            for key in missing:
                data = sealed.get(key, b"")
                try:
                    found[key] = open_chunk(*schema.split_chunk_key(key), data)
                except DamagedChunkError:
                    await self._bury(chunks[key], data, 0 if unsent is None else unsent[key])
        return found

    async def _bury(self, chunk: StoredChunk, sealed: bytes, unsent: int) -> None:
        """End the rows of a chunk that can't be read. One that was finished while we read has none."""
        if not chunk.is_finished:
            blocks = await settle_damaged(
                self.reader, chunk, sealed, self.now_ms, lambda: unsent | self.get_back(chunk, chunk.owed & ~unsent)
            )
            await self.settle((chunk, block) for block in blocks)

    def get_back(self, chunk: StoredChunk, rows: int) -> int:
        """See :func:`gateway.journal.books.withdrawal.get_back`."""
        return get_back(self.store, self.recall, chunk, rows)

    async def settle(self, pairs: Iterable[tuple[StoredChunk, Settlement]]) -> None:
        """Decide, commit, and let be read."""
        change = Change()
        touched: dict[int, StoredChunk] = {}
        promised: list[tuple[Feed, int]] = []
        suspects: list[Suspect] = []
        for chunk, block in pairs:
            rows = rowsets.from_ranges(block.rows)
            settled = self.store.settle(chunk, rows)
            if settled:
                touched[key_of(chunk)] = chunk
                kept = block if settled == rows else keep_rows(block, settled)
                promised += self.results.add(change, chunk.batch, forget_destinations(kept))
                if (suspect := self.dead_tokens.note(change, chunk.batch, kept)) is not None:
                    suspects.append(suspect)
        if not touched:
            await trio.lowlevel.cancel_shielded_checkpoint()
            return
        self.add_places(change, touched)
        await self.commit(change)
        for feed, position in promised:
            feed.publish(position)
        for suspect in suspects:
            self.dead_tokens.put(suspect)
        for chunk in touched.values():
            self.drop_finished(chunk.batch)
        self.change.unpark_all()

    def add_places(self, change: Change, chunks: dict[int, StoredChunk]) -> None:
        """Add how far chunks have come; finished ones go."""
        finished = [key for key, chunk in chunks.items() if chunk.is_finished]
        for key in finished:
            self.books.forget(key)
            self.cache.drop(key)
            self.deadlines.leave_behind()
            self.work.leave_behind()
        if finished:
            change.add("DELETE FROM chunk WHERE key = ?", [(key,) for key in finished])
            change.add("DELETE FROM progress WHERE chunk = ?", [(key,) for key in finished])
        change.add(
            "INSERT INTO progress (chunk, state) VALUES (?, ?) ON CONFLICT (chunk) DO UPDATE SET state = ?2",
            [(key, self.books.encode(key, chunk)) for key, chunk in chunks.items() if not chunk.is_finished],
        )

    async def commit(self, change: Change) -> None:
        """Have a change committed. Raises JournalFullError for one that admits, JournalFailedError."""
        forgotten = [self._forgotten.popleft() for _ in range(min(len(self._forgotten), FORGOTTEN_A_CHANGE))]
        change.add("DELETE FROM batch WHERE number = ?", [(number,) for number in forgotten])
        try:
            await self.writer.put(change).wait()
        except JournalFullError:
            self._forgotten.extend(forgotten)
            raise

    def drop_finished(self, batch: StoredBatch) -> None:
        """Forget a batch of which nothing is owed or unread, unless its key is still held."""
        if self.store.drop_finished(batch):
            self.keys.note_finished(batch)


def key_of(chunk: StoredChunk) -> int:
    """Return the key under which a chunk and its progress stand."""
    return schema.chunk_key(chunk.batch.number, chunk.number)
