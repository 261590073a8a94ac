"""Upgrades a journal of an earlier version, into a new file that takes the place of the old one in one step.

The old file stays beside it, as it was. Until the new one is whole and flushed, and has its name, nothing of the old
one is changed, but that its log is moved into it: a process that is killed anywhere leaves a journal that is whole, in
the one version or the other, and the next one begins anew.

A new file and not a transaction in the old one: its tables stand where those of every new journal do, which is what
repair goes by, and the log need not hold the whole journal.
"""

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from gateway.journal.encoding import DamagedError
from gateway.journal.errors import JournalError
from gateway.journal.sqlite.disk import schema
from gateway.journal.sqlite.disk.commit_counter import forget_log
from gateway.journal.sqlite.disk.files import flush_folder
from gateway.journal.sqlite.disk.statements import fetch, run, transaction
from gateway.journal.sqlite.disk.versions import BATCH_COLUMNS, CONVERT_BATCH

# A start upgrades up to this size by itself: some seconds of copying. More is for an operator who watches.
AT_START_BYTES = 256 * 1024 * 1024
NEW_SUFFIX = ".upgraded"
KEPT_SUFFIX = ".version-"
ROWS_A_STEP = 200  # of up to 64 KiB each
SPARE_BYTES = 64 * 1024 * 1024  # beside the copy: what the machine's other work needs meanwhile

OnProgress = Callable[[str, int, int], None]
"""Called with a table, and how many of its rows are done and are there."""


def _tell_nobody(_table: str, _done: int, _rows: int) -> None:
    pass


class Upgrade:
    """One upgrade of the database at a path, whose folder's lock the caller holds and whose log was looked over.

    ``connect`` opens it; ``make_empty`` makes an empty journal at a path.
    """

    def __init__(
        self,
        database: Path,
        version: int,
        *,
        connect: Callable[[Path], sqlite3.Connection],
        make_empty: Callable[[Path], None],
        on_progress: OnProgress = _tell_nobody,
    ) -> None:
        self._database = database
        self._version = version
        self._connect = connect
        self._make_empty = make_empty
        self._on_progress = on_progress

    @property
    def kept(self) -> Path:
        """Where the old file stays."""
        return self._database.with_name(f"{self._database.name}{KEPT_SUFFIX}{self._version}")

    def run(self) -> None:
        """Upgrade. Raises JournalError, sqlite3.Error, OSError; nothing of what the journal holds is changed then."""
        self._check_room()
        self._fold_log()
        new = self._database.with_name(self._database.name + NEW_SUFFIX)
        self._make_empty(new)
        try:
            self._fill(new)
            _flush(new)
            self._put_in_place(new)
        finally:
            new.unlink(missing_ok=True)

    def _check_room(self) -> None:
        size_bytes = self._database.stat().st_size + SPARE_BYTES
        free_bytes = shutil.disk_usage(self._database.parent).free
        if free_bytes < size_bytes:
            raise JournalError(
                f"{self._database}: has version {self._version}, and upgrading it takes {size_bytes} bytes of room on "
                f"its disk, which has {free_bytes}; free some, or run the version that wrote it"
            )

    def _fold_log(self) -> None:
        """Move the log into the file, so that the file alone is the journal."""
        with closing(self._connect(self._database)) as connection:
            is_busy, frames, moved = fetch(connection, "PRAGMA wal_checkpoint(FULL)")
            if not is_busy and moved == frames:
                # The commit counter hears of it while the log is there still, or it would miss what that had.
                forget_log(self._database.parent)
                is_busy, *_ = fetch(connection, "PRAGMA wal_checkpoint(TRUNCATE)")
        if is_busy or moved < frames:
            raise JournalError(f"{self._database}: another process reads it; end that one, then start again")

    def _fill(self, new: Path) -> None:
        with closing(self._connect(self._database)) as source, closing(self._connect(new)) as target:
            # Without a log, as the file has no use before it is whole.
            run(target, "PRAGMA journal_mode = OFF")
            run(target, "PRAGMA synchronous = OFF")
            for table in _list_tables(source):
                self._copy_table(source, target, table)
            run(target, "PRAGMA journal_mode = WAL")

    def _copy_table(self, source: sqlite3.Connection, target: sqlite3.Connection, table: str) -> None:
        columns = BATCH_COLUMNS[self._version] if table == "batch" else _list_columns(source, table)
        kept_columns = BATCH_COLUMNS[schema.VERSION] if table == "batch" else columns
        # The names are ours.
        insert = f"INSERT INTO {table} ({kept_columns}) VALUES ({_marks(kept_columns)})"  # noqa: S608
        (rows,) = fetch(source, f"SELECT count(*) FROM {table}")  # noqa: S608
        found = source.execute(f"SELECT {columns} FROM {table}")  # noqa: S608
        done = 0
        while part := found.fetchmany(ROWS_A_STEP):
            with transaction(target):
                target.executemany(insert, self._convert(part) if table == "batch" else part)
            done += len(part)
            self._on_progress(table, done, rows)

    def _convert(self, rows: list[tuple[object, ...]]) -> list[tuple[object, ...]]:
        try:
            return [CONVERT_BATCH[self._version](row) for row in rows]
        except DamagedError as error:
            raise JournalError(
                f"{self._database}: damaged ({error}), so it can't be upgraded; nothing was changed: keep a copy of "
                "the folder and run `pushmill journal repair`"
            ) from error

    def _put_in_place(self, new: Path) -> None:
        # A second name for the old file, then the new one under its first: the journal's name is never without one.
        self.kept.unlink(missing_ok=True)
        os.link(self._database, self.kept)
        flush_folder(self._database.parent)
        for leftover in ("-wal", "-shm"):
            self._database.with_name(self._database.name + leftover).unlink(missing_ok=True)
            new.with_name(new.name + leftover).unlink(missing_ok=True)
        new.rename(self._database)
        flush_folder(self._database.parent)


def _list_tables(connection: sqlite3.Connection) -> list[str]:
    found = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    return [name for (name,) in found.fetchall()]


def _list_columns(connection: sqlite3.Connection, table: str) -> str:
    return ", ".join(name for _, name, *_ in connection.execute(f"PRAGMA table_info({table})"))


def _marks(columns: str) -> str:
    return ", ".join("?" * (columns.count(",") + 1))


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
