"""The results of all principals on disk: written with the settlements, read by cursor, freed when acknowledged."""

from collections.abc import Awaitable, Callable
from functools import partial

import trio

from gateway.journal.books.cancelling import IdSearch
from gateway.journal.books.store import BatchStore, StoredBatch
from gateway.journal.encoding import encode_settlement
from gateway.journal.engine import FeedEntry, FeedPage, Settlement
from gateway.journal.sqlite.disk import schema
from gateway.journal.sqlite.disk.change import Change
from gateway.journal.sqlite.feeds import Feed, plan_step, select_blocks, select_ids
from gateway.journal.sqlite.reader import Reader
from gateway.journal.statistics import UnreadResults

# Blocks of ids decoded in one query: about a millisecond of the reader's thread.
SEARCHED_A_QUERY = 64


class Results:
    """Feeds by principal. ``commit`` has a change committed."""

    def __init__(
        self, feeds: dict[str, Feed], store: BatchStore, reader: Reader, commit: Callable[[Change], Awaitable[None]]
    ) -> None:
        self._feeds = feeds
        self._store = store
        self._reader = reader
        self._commit = commit

    @property
    def unread(self) -> dict[str, UnreadResults]:
        """Results committed and not acknowledged, by principal."""
        return {principal: feed.unread for principal, feed in self._feeds.items()}

    def get_feed(self, principal: str) -> Feed:
        """Return a principal's feed, a new one at first sight."""
        feed = self._feeds.get(principal)
        if feed is None:
            # Not every feed that was ever asked for is stored, so numbers may have gaps.
            number = 1 + max((other.number for other in self._feeds.values()), default=0)
            feed = self._feeds[principal] = Feed(number)
        return feed

    def add(self, change: Change, batch: StoredBatch, block: Settlement) -> list[tuple[Feed, int]]:
        """Add a block to a change; return the feed and the position to publish when that is committed, if any."""
        feed = self.get_feed(batch.record.principal)
        if not feed.is_kept:
            return []
        position = feed.promise(block.count)
        key = schema.result_key(feed.number, position)
        packed = encode_settlement(key, block)
        feed.count(len(packed), block.finished_at_ms)
        batch.add_result(position, block.count)
        change.add(
            "INSERT INTO result (key, batch, rows, packed) VALUES (?, ?, ?, ?)",
            [(key, batch.number, block.count, packed)],
            len(packed),
        )
        return [(feed, position)]

    async def read(self, principal: str, cursor: int, max_rows: int) -> FeedPage:
        """See :meth:`gateway.journal.engine.Engine.feed`."""
        await trio.lowlevel.checkpoint()
        feed = self.get_feed(principal)
        start, end = feed.check(cursor), feed.end
        entries: list[FeedEntry] = []
        while start < end and not entries:
            query = partial(select_blocks, feed=feed.number, start=start, end=end, max_rows=max_rows)
            blocks = await self._reader.run(query)
            if not blocks:
                break
            for position, number, block in blocks:
                batch = self._store.find_batch(number)
                # No batch: it was acknowledged while we read. No block: it is damaged.
                if batch is not None and block is not None:
                    entries.append(FeedEntry(position, batch.record, block))
            start = blocks[-1][0]
        return FeedPage(entries, start)

    async def search(self, batch: StoredBatch, search: IdSearch) -> None:
        """Show a search the ids in a batch's results that are kept, and nothing of other batches, until it has all."""
        feed = self.get_feed(batch.record.principal)
        keys = [schema.result_key(feed.number, position) for position in batch.results]
        for at in range(0, len(keys), SEARCHED_A_QUERY):
            if not search.missing:
                return
            search.note_results(await self._reader.run(partial(select_ids, keys=keys[at : at + SEARCHED_A_QUERY])))

    async def wait(self, principal: str, cursor: int) -> None:
        """See :meth:`gateway.journal.engine.Engine.wait_feed`."""
        await trio.lowlevel.checkpoint()
        feed = self.get_feed(principal)
        while feed.end <= feed.check(cursor):
            await feed.arrival.park()

    async def acknowledge(self, principal: str, cursor: int) -> list[StoredBatch]:
        """Free blocks up to ``cursor`` and return their batches. Raises CursorTooOldError."""
        feed = self.get_feed(principal)
        feed.check_ahead(cursor)
        async with feed.acknowledging:
            return await self._free(feed, cursor)

    async def _free(self, feed: Feed, cursor: int) -> list[StoredBatch]:
        freed: list[StoredBatch] = []
        while True:
            step = await self._reader.run(partial(plan_step, feed=feed.number, cursor=cursor))
            if step.position <= feed.acknowledged:
                return freed
            change = Change()
            first, last = schema.result_key(feed.number, 0), schema.result_key(feed.number, step.position)
            change.add("DELETE FROM result WHERE key > ? AND key <= ?", [(first, last)])
            change.add("UPDATE principal SET acknowledged = ? WHERE id = ?", [(step.position, feed.number)])
            await self._commit(change)
            feed.free(step.position, step.size_bytes, step.next_at_ms)
            for number, rows in step.rows_by_batch.items():
                batch = self._store.find_batch(number)
                if batch is not None:
                    batch.free_results(step.position, rows)
                    freed.append(batch)
