"""The one thread that owns the journal file: gathers what tasks want to change, and commits it in groups.

While one group is being flushed the next one gathers, so a slow disk makes groups larger and not the queue longer. A
change is committed whole or not at all. After the first failed write or flush nothing is written any more and every
caller gets the failure: what the kernel still holds of it is not known, and asking again would only hear "yes"
(DESIGN, P4). A full disk is the exception: new work is refused, and what ends old work is written all the same.
"""

import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path

import trio

from gateway.journal.sqlite.errors import JournalFailedError, JournalFullError
from gateway.journal.sqlite.files import Reserve, wal_bytes

GROUP_BYTES = 256 * 1024
# The log is moved into the file when it has grown to this; readers may hold that up, which costs disk and no more.
CHECKPOINT_BYTES = 16 * 1024 * 1024

Parameters = Sequence[object]


class Change:
    """Statements that are committed together. ``admits``: it takes on new work and may be refused for lack of room."""

    __slots__ = ("_done", "admits", "error", "size_bytes", "statements")

    def __init__(self, *, admits: bool = False) -> None:
        self.admits = admits
        self.statements: list[tuple[str, list[Parameters]]] = []
        self.size_bytes = 0
        self.error: Exception | None = None
        self._done = trio.Event()

    def add(self, statement: str, rows: Iterable[Parameters], size_bytes: int = 64) -> None:
        """Add one statement with its rows of parameters."""
        self.statements.append((statement, list(rows)))
        self.size_bytes += size_bytes

    async def wait(self) -> None:
        """Wait until it was committed. Raises what became of it otherwise."""
        with trio.CancelScope(shield=True):
            await self._done.wait()
        if self.error is not None:
            raise self.error

    def finish(self) -> None:
        """Wake who waits; in trio's own thread."""
        self._done.set()


class Writer:
    """See the module text. ``start`` and ``aclose`` are called in trio's thread, once each."""

    def __init__(self, path: Path, open_connection: Callable[[], sqlite3.Connection], reserve: Reserve) -> None:
        self._path = path
        self._open_connection = open_connection
        self._reserve = reserve
        self._queue: deque[Change] = deque()
        self._lock = threading.Condition()
        self._is_closing = False
        self._failure: JournalFailedError | None = None
        self._token: trio.lowlevel.TrioToken | None = None
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._ended = trio.Event()

    def __repr__(self) -> str:
        return f"<Writer of {self._path}, {len(self._queue)} changes waiting>"

    def start(self) -> None:
        """Begin; a running trio is needed from here on."""
        self._token = trio.lowlevel.current_trio_token()
        self._thread.start()

    async def aclose(self) -> None:
        """Commit what waits, move the log into the file, and close it."""
        if self._token is None:
            return
        with self._lock:
            self._is_closing = True
            self._lock.notify()
        with trio.CancelScope(shield=True):
            await self._ended.wait()
        self._thread.join()

    def put(self, change: Change) -> Change:
        """Have a change committed behind those before it; wait for it with :meth:`Change.wait`."""
        with self._lock:
            if self._failure is not None:
                raise self._failure
            self._queue.append(change)
            self._lock.notify()
        return change

    # The thread

    def _run(self) -> None:
        connection: sqlite3.Connection | None = None
        try:
            connection = self._open_connection()
            while group := self._take_group():
                self._commit_group(connection, group)
                self._checkpoint_if_due(connection)
            _move_log(connection, "TRUNCATE")
        except Exception as error:  # noqa: BLE001 - whatever it is, nothing may be promised any more
            self._fail(error)
        finally:
            if connection is not None:
                connection.close()
            self._call(self._ended.set)

    def _take_group(self) -> list[Change]:
        with self._lock:
            while not self._queue and not self._is_closing:
                self._lock.wait()
            group: list[Change] = []
            size_bytes = 0
            while self._queue and size_bytes < GROUP_BYTES:
                change = self._queue.popleft()
                size_bytes += change.size_bytes
                group.append(change)
            return group

    def _commit_group(self, connection: sqlite3.Connection, group: list[Change]) -> None:
        """Commit a group. Raises sqlite3.Error; then nothing of what waits is committed by this process any more."""
        try:
            _commit(connection, group)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_FULL:
                self._give_up(group, error)
                raise
            self._commit_one_by_one(connection, group)
        except sqlite3.Error as error:
            self._give_up(group, error)
            raise
        self._call(lambda: _finish(group))

    def _commit_one_by_one(self, connection: sqlite3.Connection, group: list[Change]) -> None:
        """Save what ends old work from a full disk; refuse what begins new work."""
        for at, change in enumerate(group):
            if change.admits:
                change.error = JournalFullError(f"{self._path}: the disk is full; free some room on it")
                continue
            try:
                self._reserve.release()
                _commit(connection, [change])
            except sqlite3.Error as error:
                self._give_up(group[at:], error)
                raise

    def _checkpoint_if_due(self, connection: sqlite3.Connection) -> None:
        if wal_bytes(self._path) >= CHECKPOINT_BYTES:
            _move_log(connection, "PASSIVE")
            self._reserve.restore()

    def _give_up(self, changes: Iterable[Change], error: Exception) -> None:
        failure = JournalFailedError(f"{self._path}: can't be written: {error}")
        for change in changes:
            change.error = failure
        self._call(lambda: _finish(changes))

    def _fail(self, error: Exception) -> None:
        with self._lock:
            self._failure = JournalFailedError(f"{self._path}: can't be written: {error}")
            left, self._queue = list(self._queue), deque()
        self._give_up(left, error)

    def _call(self, function: Callable[[], object]) -> None:
        assert self._token is not None  # noqa: S101 - the thread starts after it was taken
        # When trio has ended without waiting for us nobody is left to be told.
        with suppress(trio.RunFinishedError):
            self._token.run_sync_soon(function)


def _finish(changes: Iterable[Change]) -> None:
    for change in changes:
        change.finish()


def _commit(connection: sqlite3.Connection, group: Iterable[Change]) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        for change in group:
            for statement, rows in change.statements:
                connection.executemany(statement, rows)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _move_log(connection: sqlite3.Connection, mode: str) -> None:
    """Checkpoint. Raises sqlite3.Error: SQLite's own automatic checkpoint would swallow a failed flush."""
    connection.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()
