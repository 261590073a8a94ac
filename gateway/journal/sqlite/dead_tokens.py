"""Dead tokens on disk: suspects that wait beside the results they came with, and released ones in feeds of their own.

Their table is called ``verdict`` in the file. What must be known of waiting suspects stands in memory too; their
destinations stand in the file alone. Releasing moves them inside it, by number.
"""

import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import msgspec
import trio

from gateway.journal.books.dead_tokens import DeadTokenPage, HeldDeadTokens
from gateway.journal.books.store import StoredBatch
from gateway.journal.books.suspects import Suspect, SuspectBlock, SuspectBook, SuspectHead
from gateway.journal.books.whole_calls import whole
from gateway.journal.encoding import seal, unseal
from gateway.journal.engine import BatchRecord, DeadOnArrival, Settlement
from gateway.journal.sqlite.disk import schema
from gateway.journal.sqlite.disk.change import Change
from gateway.journal.sqlite.feeds import Feed
from gateway.journal.sqlite.reader import Reader
from protocol.dead_tokens import DeadToken

BLOCKS_A_QUERY = 256

_encoder = msgspec.msgpack.Encoder()
_heads = msgspec.msgpack.Decoder(SuspectHead)
_blocks = msgspec.msgpack.Decoder(SuspectBlock)


class RecoveredSuspects(msgspec.Struct):
    """What an earlier process left: suspects in the order of coming, and the feeds by principal."""

    suspects: list[Suspect]
    feeds: dict[str, Feed]


class SqliteDeadTokens:
    """See :class:`gateway.journal.books.dead_tokens.DeadTokens`. ``commit`` has a change committed."""

    def __init__(
        self,
        found: RecoveredSuspects,
        get_results: Callable[[str], Feed],
        reader: Reader,
        commit: Callable[[Change], Awaitable[None]],
        kept_ms: int,
    ) -> None:
        self._book = SuspectBook(kept_ms)
        self._book.restore(found.suspects)
        self._feeds = found.feeds
        self._get_results = get_results
        self._reader = reader
        self._commit = commit
        self._kept_ms = kept_ms

    def note(self, change: Change, batch: StoredBatch, block: Settlement) -> Suspect | None:
        """Count results, and add what they say of destinations to the change that commits them.

        Returns what is to be given to :meth:`put` once that is committed.
        """
        noted = self._book.note(batch.record, block)
        if noted is None:
            return None
        _store(change, [noted])
        return noted[0]

    def note_arrivals(self, change: Change, batch: BatchRecord, dead: Sequence[DeadOnArrival]) -> list[Suspect]:
        """Add what was dead on arrival to the change that accepts its batch.

        Returns what is to be given to :meth:`put_arrivals` once that is committed.
        """
        drafted = self._book.draft(batch, dead)
        _store(change, drafted)
        return [suspect for suspect, _ in drafted]

    def put_arrivals(self, suspects: Sequence[Suspect]) -> None:
        """Count committed suspects on arrivals, and let them wait."""
        for suspect in suspects:
            self._book.put_drafted(suspect)

    def put(self, suspect: Suspect) -> None:
        """Let a committed suspect wait."""
        self._book.put(suspect)

    @whole
    async def release(self, now_ms: int) -> list[HeldDeadTokens]:
        """Release, hold, drop, in one commit."""
        decisions = self._book.decide(now_ms)
        change = Change()
        change.add(
            "UPDATE verdict SET head = ? WHERE number = ?",
            [(_seal_head(suspect), suspect.number) for suspect in decisions.held],
        )
        change.add("DELETE FROM verdict WHERE number = ?", [(suspect.number,) for suspect in decisions.dropped])
        await self._drop_old(now_ms - self._kept_ms)
        await self._release(change, decisions.released, now_ms)
        return decisions.alarms

    @whole
    async def confirm(self, principal: str, app: str, now_ms: int) -> int:
        """Release what is held of an app."""
        confirmed = self._book.confirm(principal, app)
        await self._release(Change(), confirmed, now_ms)
        return sum(suspect.head.rows for suspect in confirmed)

    async def read(self, principal: str, cursor: int, max_rows: int) -> DeadTokenPage:
        """Return released suspects."""
        await trio.lowlevel.checkpoint()
        feed = self._get_feed(principal)
        start, end = feed.check(cursor), feed.end
        if start == end:
            return DeadTokenPage([], start)
        return await self._reader.run(partial(_select, feed=feed.number, start=start, end=end, max_rows=max_rows))

    async def wait(self, principal: str, cursor: int) -> None:
        """Wait for released suspects."""
        await trio.lowlevel.checkpoint()
        feed = self._get_feed(principal)
        while feed.end <= feed.check(cursor):
            await feed.arrival.park()

    async def _release(self, change: Change, suspects: list[Suspect], now_ms: int) -> None:
        promised: list[tuple[Feed, int]] = []
        moves: list[tuple[int, int, int]] = []
        for suspect in suspects:
            feed = self._get_feed(suspect.head.principal)
            position = feed.promise(suspect.head.rows)
            promised.append((feed, position))
            moves.append((schema.result_key(feed.number, position), now_ms, suspect.number))
        change.add(
            "INSERT INTO dead_token (key, at_ms, number, packed) SELECT ?, ?, number, packed FROM verdict "
            "WHERE number = ?",
            moves,
        )
        change.add("DELETE FROM verdict WHERE number = ?", [(number,) for _, _, number in moves])
        if change.statements:
            await self._commit(change)
        for feed, position in promised:
            feed.publish(position)

    async def _drop_old(self, until_ms: int) -> None:
        for feed in self._feeds.values():
            if feed.unread_rows:
                position = await self._reader.run(partial(_find_last_before, feed=feed.number, until_ms=until_ms))
                if position > feed.acknowledged:
                    await self._drop(feed, position)

    async def _drop(self, feed: Feed, position: int) -> None:
        change = Change()
        bounds = (schema.result_key(feed.number, 0), schema.result_key(feed.number, position))
        change.add("DELETE FROM dead_token WHERE key > ? AND key <= ?", [bounds])
        change.add("UPDATE principal SET dead_tokens_dropped = ? WHERE id = ?", [(position, feed.number)])
        await self._commit(change)
        feed.acknowledged = position

    def _get_feed(self, principal: str) -> Feed:
        feed = self._feeds.get(principal)
        if feed is None:
            feed = self._feeds[principal] = Feed(self._get_results(principal).number)
        return feed


def load_suspects(connection: sqlite3.Connection, names: dict[int, str]) -> RecoveredSuspects:
    """Return what a journal holds. Raises DamagedError."""
    suspects = [
        Suspect(number, _heads.decode(unseal(number, head)))
        for number, head in connection.execute("SELECT number, head FROM verdict ORDER BY number")
    ]
    feeds: dict[str, Feed] = {}
    for number, dropped in connection.execute("SELECT id, dead_tokens_dropped FROM principal"):
        bounds = (schema.result_key(number, 0), schema.result_key(number + 1, 0))
        (last,) = connection.execute("SELECT max(key) FROM dead_token WHERE key > ? AND key < ?", bounds).fetchone()
        end = dropped if last is None else schema.split_result_key(last)[1]
        feeds[names[number]] = Feed(number, acknowledged=dropped, end=end)
    return RecoveredSuspects(suspects, feeds)


def _select(connection: sqlite3.Connection, feed: int, start: int, end: int, max_rows: int) -> DeadTokenPage:
    found = connection.execute(
        "SELECT key, number, packed FROM dead_token WHERE key > ? AND key <= ? ORDER BY key LIMIT ?",
        (schema.result_key(feed, start), schema.result_key(feed, end), BLOCKS_A_QUERY),
    )
    tokens: list[DeadToken] = []
    cursor = start
    for key, number, packed in found:
        position = schema.split_result_key(key)[1]
        if tokens and position - start > max_rows:
            break
        tokens += _blocks.decode(unseal(number, packed)).expand()
        cursor = position
    return DeadTokenPage(tokens, cursor)


def _find_last_before(connection: sqlite3.Connection, feed: int, until_ms: int) -> int:
    """Return up to where a feed is older than a moment; 0 where it isn't. It is in the order of time."""
    found = connection.execute(
        "SELECT key, at_ms FROM dead_token WHERE key > ? AND key < ? ORDER BY key LIMIT ?",
        (schema.result_key(feed, 0), schema.result_key(feed + 1, 0), BLOCKS_A_QUERY),
    )
    last = 0
    for key, at_ms in found:
        if at_ms > until_ms:
            break
        last = schema.split_result_key(key)[1]
    return last


def _store(change: Change, noted: Sequence[tuple[Suspect, SuspectBlock]]) -> None:
    rows = [
        (suspect.number, _seal_head(suspect), seal(suspect.number, _encoder.encode(columns)))
        for suspect, columns in noted
    ]
    change.add(
        "INSERT INTO verdict (number, head, packed) VALUES (?, ?, ?)", rows, sum(len(packed) for _, _, packed in rows)
    )


def _seal_head(suspect: Suspect) -> bytes:
    return seal(suspect.number, _encoder.encode(suspect.head))
