"""Reads committed data on a connection and a thread of its own: reading never waits for writing, nor the other way."""

import sqlite3
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import trio

from gateway.journal.encoding import DamagedError
from gateway.journal.errors import JournalFailedError
from gateway.journal.sqlite.disk.opening import connect

Value = TypeVar("Value")


class Reader:
    """One connection that one worker thread at a time uses.

    It can't write: were it the last to close, a writing one would move the log into the file, whatever had failed
    before.
    """

    def __init__(self, database: Path) -> None:
        self._database = database
        self._connection: sqlite3.Connection | None = None
        self._limiter = trio.CapacityLimiter(1)

    async def run(self, query: Callable[[sqlite3.Connection], Value]) -> Value:
        """Return what ``query`` returns; it is called in a worker thread. Raises JournalFailedError."""
        return await trio.to_thread.run_sync(self._call, query, limiter=self._limiter)

    def _call(self, query: Callable[[sqlite3.Connection], Value]) -> Value:
        if self._connection is None:
            self._connection = connect(self._database, can_write=False)
        try:
            return query(self._connection)
        except (sqlite3.Error, DamagedError) as error:
            raise JournalFailedError(
                f"{self._database}: can't be read: {error}; stop here and see `pushmill journal check`"
            ) from error

    async def aclose(self) -> None:
        """Close the connection."""
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(self._close, limiter=self._limiter)

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()


class ChunkCache:
    """The chunks that were written last: what is sent soon after it came needs not be read back."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._bytes = 0
        self._chunks: OrderedDict[int, bytes] = OrderedDict()

    def put(self, key: int, stored: bytes) -> None:
        """Keep a chunk, and let go of the oldest beyond the limit."""
        self._chunks[key] = stored
        self._bytes += len(stored)
        while self._bytes > self._limit_bytes:
            _, oldest = self._chunks.popitem(last=False)
            self._bytes -= len(oldest)

    def find(self, key: int) -> bytes | None:
        """Return a chunk if it is kept."""
        return self._chunks.get(key)

    def drop(self, key: int) -> None:
        """Forget a chunk."""
        stored = self._chunks.pop(key, None)
        if stored is not None:
            self._bytes -= len(stored)


def select_chunks(connection: sqlite3.Connection, keys: Sequence[int]) -> dict[int, bytes]:
    """Return stored chunks by their keys; those that are gone, or on a page that is damaged, are missing."""
    try:
        return _select_chunks(connection, keys)
    except sqlite3.DatabaseError as error:
        if not is_damage(error):
            raise
    found: dict[int, bytes] = {}
    for key in keys:
        try:
            found |= _select_chunks(connection, [key])
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
    return found


def _select_chunks(connection: sqlite3.Connection, keys: Sequence[int]) -> dict[int, bytes]:
    marks = ",".join("?" * len(keys))
    # The marks are ours; the values are bound.
    rows = connection.execute(f"SELECT key, stored FROM chunk WHERE key IN ({marks})", list(keys))  # noqa: S608
    return dict(rows.fetchall())


def is_damage(error: sqlite3.DatabaseError) -> bool:
    """Whether SQLite found a page that isn't what it wrote; a failed read is another matter."""
    return error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_CORRUPT
