"""Opens a journal: makes it where there is none, and refuses one that this gateway must not touch."""

import sqlite3
from pathlib import Path

from gateway.journal.sqlite import schema
from gateway.journal.sqlite.errors import JournalError
from gateway.journal.sqlite.files import DATABASE, create_private, flush_folder, prepare_folder

# How long a connection waits for another one of this process; nobody else has the lock on the folder.
BUSY_SECONDS = 30.0


def open_journal(folder: Path) -> Path:
    """Return the path of the database in ``folder``, made if missing and checked. Raises JournalError.

    The caller holds the folder's lock.
    """
    prepare_folder(folder)
    database = folder / DATABASE
    is_new = create_private(database)
    try:
        connection = connect(database)
        try:
            if is_new or database.stat().st_size == 0:
                schema.create(connection)
                flush_folder(folder)
            _check(connection, database)
        finally:
            connection.close()
    except sqlite3.DatabaseError as error:
        raise JournalError(
            f"{database}: {error}; nothing was changed: see `pushmill journal check`, and keep a copy"
        ) from error
    return database


def connect(database: Path) -> sqlite3.Connection:
    """Return a connection that commits durably, moves the log only when told, and knows no transactions of its own."""
    connection = sqlite3.connect(database, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA synchronous = FULL")
    # The automatic checkpoint swallows errors of fsync and answers OK all the same: ours are explicit.
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA secure_delete = OFF")
    return connection


def _check(connection: sqlite3.Connection, database: Path) -> None:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application != schema.APPLICATION_ID:
        raise JournalError(f"{database}: a database of another program; name another journal.directory")
    if version != schema.VERSION:
        raise JournalError(
            f"{database}: has version {version}, this gateway reads {schema.VERSION}; run the version that wrote it "
            "until everything is sent, or move the folder aside"
        )
    (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
    if mode != "wal":
        raise JournalError(f"{database}: its journal mode is {mode}, not wal; something else has changed the file")
