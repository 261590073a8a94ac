"""How far named readers are, on disk: each acknowledgement is committed before what it frees is."""

from collections.abc import Awaitable, Callable

from gateway.journal.books.store import StoredBatch
from gateway.journal.books.subscriptions import Subscriptions
from gateway.journal.sqlite.disk.change import Change
from gateway.journal.sqlite.feeds import Feed
from gateway.journal.sqlite.results import Results

_PUT = (
    "INSERT INTO subscription (principal, name, acknowledged) VALUES (?, ?, ?) "
    "ON CONFLICT DO UPDATE SET acknowledged = max(acknowledged, excluded.acknowledged)"
)


class NamedReaders:
    """The subscriptions that a journal keeps. ``commit`` has a change committed."""

    def __init__(
        self, subscriptions: Subscriptions, results: Results, commit: Callable[[Change], Awaitable[None]]
    ) -> None:
        self._subscriptions = subscriptions
        self._results = results
        self._commit = commit

    async def open(self, principal: str, name: str) -> int | None:
        """See :meth:`gateway.journal.engine.Engine.open_subscription`."""
        feed = self._results.get_feed(principal)
        position = self._subscriptions.find(principal, name)
        if position is None:
            if not self._subscriptions.has_room(principal):
                return None
            position = 0
            self._subscriptions.put(principal, name, position)
            await self._put(feed, principal, name, position)
        return position if position >= feed.acknowledged else 0

    async def acknowledge(self, principal: str, name: str, cursor: int) -> list[StoredBatch]:
        """Return the batches whose results are freed by it. Raises CursorTooOldError."""
        feed = self._results.get_feed(principal)
        feed.check_ahead(cursor)
        position = self._subscriptions.find(principal, name)
        if position is None or cursor <= position:
            return []  # nothing moves: no commit for what can be said without an end
        unneeded = self._subscriptions.acknowledge(principal, name, cursor)
        await self._put(feed, principal, name, cursor)
        return await self._results.acknowledge(principal, unneeded)

    async def close(self, principal: str, name: str) -> tuple[bool, list[StoredBatch]]:
        """Return whether there was one, and the batches whose results are freed by it."""
        if self._subscriptions.find(principal, name) is None:
            return False, []
        unneeded = self._subscriptions.drop(principal, name)
        change = Change()
        feed = self._results.get_feed(principal)
        change.add("DELETE FROM subscription WHERE principal = ? AND name = ?", [(feed.number, name)])
        await self._commit(change)
        freed = [] if unneeded is None else await self._results.acknowledge(principal, unneeded)
        return True, freed

    async def free_read(self) -> list[StoredBatch]:
        """Free what all have acknowledged; a process that was killed may have noted that and got no further."""
        freed: list[StoredBatch] = []
        for principal, unneeded in self._subscriptions.find_unneeded().items():
            # Damage may have taken the last results away.
            end = self._results.get_feed(principal).end
            freed += await self._results.acknowledge(principal, min(unneeded, end))
        return freed

    async def _put(self, feed: Feed, principal: str, name: str, position: int) -> None:
        change = Change()
        feed.add_principal(change, principal)
        change.add(_PUT, [(feed.number, name, position)])
        await self._commit(change)
        feed.is_stored = True
