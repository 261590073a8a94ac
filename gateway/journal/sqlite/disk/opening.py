"""Opens a journal: makes it where there is none, and refuses one that this gateway must not touch.

What is wrong is found before anything is written: by the first bytes of the file, by its log, and by a connection that
can't write.
"""

import os
import sqlite3
import struct
from contextlib import closing
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import structlog

from gateway.journal.errors import JournalError
from gateway.journal.sqlite.disk import schema
from gateway.journal.sqlite.disk.commit_counter import (
    COUNTER,
    CommitRecord,
    MissingCommits,
    find_missing_commits,
    read_record,
)
from gateway.journal.sqlite.disk.files import DATABASE, create_private, flush_folder, prepare_folder
from gateway.journal.sqlite.disk.log_gauge import LogGauge
from gateway.journal.sqlite.disk.log_scan import count_commits, find_lost_frames, log_path, read_log_header, write_anew
from gateway.journal.sqlite.disk.statements import fetch, run
from gateway.journal.sqlite.disk.upgrading import AT_START_BYTES, OnProgress, Upgrade
from gateway.journal.sqlite.disk.versions import BATCH_COLUMNS

# How long a connection waits for another one of this process; nobody else has the lock on the folder.
BUSY_SECONDS = 30.0
NEW_SUFFIX = ".new"

# The head of the file, sqlite.org/fileformat2.html, 1.3.
_SQLITE = b"SQLite format 3\0"
_USER_VERSION_AT = 60
_APPLICATION_ID_AT = 68

_log: structlog.stdlib.BoundLogger = structlog.get_logger("journal")


def open_journal(folder: Path) -> Path:
    """Return the path of the database in ``folder``, made if missing and checked. Raises JournalError.

    The caller holds the folder's lock.
    """
    prepare_folder(folder)
    database = folder / DATABASE
    try:
        if not database.exists():
            _create(database)
        version = read_version(database)
        check_log(database)
        _settle_log(database)
        if version < schema.VERSION:
            _upgrade_at_start(database, version)
        with closing(connect(database, can_write=False)) as connection:
            (mode,) = fetch(connection, "PRAGMA journal_mode")
    except sqlite3.Error as error:
        raise JournalError(describe_failure(database, error)) from error
    except OSError as error:
        raise JournalError(f"{database}: {error.strerror}; nothing was changed, check journal.directory") from error
    if mode != "wal":
        raise JournalError(f"{database}: its journal mode is {mode}, not wal; something else has changed the file")
    return database


def connect(database: Path, *, can_write: bool = True) -> sqlite3.Connection:
    """Return a connection that commits durably, moves the log only when told, and knows no transactions of its own."""
    connection = sqlite3.connect(
        f"file:{quote(str(database))}?mode={'rw' if can_write else 'ro'}",
        uri=True,
        timeout=BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
    )
    run(connection, "PRAGMA synchronous = FULL")
    # The automatic checkpoint swallows errors of fsync and answers OK all the same: ours are explicit.
    run(connection, "PRAGMA wal_autocheckpoint = 0")
    return connection


def check_identity(database: Path) -> None:
    """See that a file is a journal of this version. Raises JournalError, OSError."""
    version = read_version(database)
    if version < schema.VERSION:
        raise JournalError(
            f"{database}: has version {version}, which this gateway upgrades to {schema.VERSION}: start it, or run "
            "`pushmill journal upgrade`"
        )


def read_version(database: Path) -> int:
    """Return the version of a journal that this gateway reads or upgrades. Raises JournalError, OSError.

    Called before the file is open anywhere in this process: closing it would drop SQLite's locks.
    """
    with database.open("rb") as file:
        head = file.read(100)
    if len(head) < 100 or not head.startswith(_SQLITE):
        raise JournalError(
            f"{database}: not a journal, or its beginning is damaged; nothing was changed: keep a copy of the folder "
            "and see `pushmill journal repair`"
        )
    version: int = struct.unpack_from(">I", head, _USER_VERSION_AT)[0]
    (application,) = struct.unpack_from(">I", head, _APPLICATION_ID_AT)
    if application != schema.APPLICATION_ID:
        raise JournalError(f"{database}: a database of another program; name another journal.directory")
    if version not in BATCH_COLUMNS:
        raise JournalError(
            f"{database}: has version {version}, this gateway reads up to {schema.VERSION}: a newer Pushmill wrote it. "
            "Run that one, or move the folder aside"
        )
    return version


def upgrade_journal(folder: Path, on_progress: OnProgress) -> Path | None:
    """Upgrade the journal in a folder, whatever its size; return where the old file is, None if it was no older one.

    The caller holds the folder's lock. Raises JournalError.
    """
    database = folder / DATABASE
    try:
        version = read_version(database)
        check_log(database)
        if version == schema.VERSION:
            return None
        _settle_log(database)
        upgrade = Upgrade(database, version, connect=connect, make_empty=make_empty, on_progress=on_progress)
        upgrade.run()
    except sqlite3.Error as error:
        raise JournalError(describe_failure(database, error)) from error
    return upgrade.kept


def _upgrade_at_start(database: Path, version: int) -> None:
    size_bytes = database.stat().st_size
    if size_bytes > AT_START_BYTES:
        raise JournalError(
            f"{database}: has version {version} and {size_bytes} bytes, too many to be upgraded to {schema.VERSION} "
            "at a start; run `pushmill journal upgrade`, which tells how far it is, then start again"
        )
    upgrade = Upgrade(database, version, connect=connect, make_empty=make_empty)
    upgrade.run()
    _log.warning(
        "journal_upgraded",
        from_version=version,
        to_version=schema.VERSION,
        kept_as=str(upgrade.kept),
        what_to_do="remove the old file when all is well: it is as large as the journal was",
    )


def check_log(database: Path) -> None:
    """See that the log ends where it was written to. Raises JournalError, sqlite3.Error, OSError."""
    state = examine_log(database)
    if state.lost_frames:
        raise JournalError(
            f"{log_path(database)}: damaged, and {state.lost_frames} pages behind the damage would be lost; nothing "
            "was changed: keep a copy of the folder and run `pushmill journal repair`"
        )
    if state.missing is not None:
        raise JournalError(
            f"{log_path(database)}: cut short, removed or replaced: {state.missing}, are not in it; nothing was "
            "changed: put the log back, or keep a copy of the folder and run `pushmill journal repair` to go on without"
        )


class LogState(NamedTuple):
    """What of the log was flushed once and can't be had: frames behind damage, commits it ended with."""

    lost_frames: int
    missing: MissingCommits | None


def examine_log(database: Path) -> LogState:
    """Compare a log with itself and with the count of commits. Raises sqlite3.Error, OSError."""
    record = read_record(database.parent) or CommitRecord()
    try:
        log = log_path(database).open("rb")
    except FileNotFoundError:
        return LogState(0, find_missing_commits(record, None, 0, 0))
    with log:
        header = read_log_header(log)
        if header is None or header.is_torn:
            return LogState(0, find_missing_commits(record, header, 0, 0))
        frames = _count_valid_frames(database) if header.is_valid else 0
        missing = find_missing_commits(record, header, frames, count_commits(log, header, frames))
        return LogState(find_lost_frames(log, header, frames), missing)


def _settle_log(database: Path) -> None:
    """See that what the log has is on the disk, whatever became of the process that wrote it. Raises OSError."""
    path = log_path(database)
    if path.exists() and path.stat().st_size:
        with path.open("r+b") as log:
            write_anew(log)


def _count_valid_frames(database: Path) -> int:
    with closing(connect(database, can_write=False)) as connection:
        (page_bytes,) = fetch(connection, "PRAGMA page_size")
        fetch(connection, "SELECT count(*) FROM sqlite_schema")
        with closing(LogGauge(database, page_bytes)) as gauge:
            return gauge.count_frames()


def describe_failure(database: Path, error: sqlite3.Error) -> str:
    """Return what went wrong with the next step."""
    match error.sqlite_errorcode & 0xFF:
        case sqlite3.SQLITE_FULL:
            return f"{database}: the disk is full; free some room on it, or move journal.directory to another one"
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_PERM:
            return f"{database}: {error}; nothing was changed: check who owns its files, and journal.directory"
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return f"{database}: {error}; nothing was changed: keep a copy of the folder, see `pushmill journal check`"
        case _:
            return f"{database}: {error}; nothing was changed: look after the disk"


def _create(database: Path) -> None:
    """Make a journal under another name first: half of one must never be found under its own."""
    if log_path(database).exists() and log_path(database).stat().st_size:
        raise JournalError(
            f"{database}: missing, but its log {log_path(database).name} is there and may hold accepted work; "
            "put both back together, or move the folder aside"
        )
    record = read_record(database.parent)
    if record is not None and record.last:
        raise JournalError(
            f"{database}: missing, though {record.last} commits were made in it, as {COUNTER} beside it says; put it "
            "back together with its log, or move the folder aside to begin with nothing"
        )
    new = database.with_name(database.name + NEW_SUFFIX)
    make_empty(new)
    new.rename(database)
    try:
        flush_folder(database.parent)
    except OSError:
        # A name that may be lost: the next start makes the journal, and its name, anew.
        database.unlink()
        raise


def make_empty(path: Path) -> None:
    """Make an empty journal at a path, flushed and without a log. Raises sqlite3.Error."""
    for leftover in (path, log_path(path), path.with_name(f"{path.name}-shm")):
        leftover.unlink(missing_ok=True)
    create_private(path)
    try:
        with closing(connect(path)) as connection:
            schema.create(connection)
            run(connection, "PRAGMA wal_checkpoint(TRUNCATE)")
    except BaseException:
        path.unlink()
        raise
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
