"""The tables of a journal, and the version that says which gateway may read them.

Rows are chunks and blocks, never single notifications. What changes often (``progress``) stands apart from the chunks:
a bitmap inside a big row would cost the whole row in the log each time. Numbers of chunks and results are packed into
one integer key, so that each table is one tree and ranges of it are read and deleted in order.
"""

import sqlite3

from gateway.journal.sqlite.disk.statements import run, transaction

APPLICATION_ID = 0x5055_4D4C  # "PUML": this is a journal of Pushmill
VERSION = 2
PAGE_BYTES = 32 * 1024
CHUNK_BITS = 16  # of a chunk's key: a batch has far fewer chunks than 65,536
POSITION_BITS = 44  # of a result's key: at 100,000 a second good for five years

_TABLES = """
CREATE TABLE principal (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    acknowledged INTEGER NOT NULL DEFAULT 0,
    dead_tokens_dropped INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE subscription (
    principal INTEGER NOT NULL REFERENCES principal (id),
    name TEXT NOT NULL,
    acknowledged INTEGER NOT NULL,
    PRIMARY KEY (principal, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE batch (
    number INTEGER PRIMARY KEY,
    principal INTEGER NOT NULL REFERENCES principal (id),
    batch_id TEXT NOT NULL,
    accepted_at_ms INTEGER NOT NULL,
    is_named INTEGER NOT NULL,
    record BLOB NOT NULL,
    positions BLOB NOT NULL,
    answer BLOB NOT NULL
) STRICT;
CREATE TABLE chunk (
    key INTEGER PRIMARY KEY,
    head BLOB NOT NULL,
    stored BLOB NOT NULL
) STRICT;
CREATE TABLE progress (
    chunk INTEGER PRIMARY KEY,
    state BLOB NOT NULL
) STRICT;
CREATE TABLE result (
    key INTEGER PRIMARY KEY,
    batch INTEGER NOT NULL,
    rows INTEGER NOT NULL,
    packed BLOB NOT NULL
) STRICT;
CREATE TABLE verdict (
    number INTEGER PRIMARY KEY,
    head BLOB NOT NULL,
    packed BLOB NOT NULL
) STRICT;
CREATE TABLE dead_token (
    key INTEGER PRIMARY KEY,
    at_ms INTEGER NOT NULL,
    number INTEGER NOT NULL,
    packed BLOB NOT NULL
) STRICT;
"""
# Has a row while nobody has the journal open: the last who had closed it properly.
_CLOSING = "CREATE TABLE IF NOT EXISTS closing (id INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL) STRICT"
CLOSING_ID = 1


def chunk_key(batch: int, chunk: int) -> int:
    """Return the key of a chunk."""
    return batch << CHUNK_BITS | chunk


def split_chunk_key(key: int) -> tuple[int, int]:
    """Return batch and chunk number of a key."""
    return key >> CHUNK_BITS, key & (1 << CHUNK_BITS) - 1


def result_key(principal: int, position: int) -> int:
    """Return the key of a result block by its principal and the last position in it."""
    return principal << POSITION_BITS | position


def split_result_key(key: int) -> tuple[int, int]:
    """Return principal and position of a key."""
    return key >> POSITION_BITS, key & (1 << POSITION_BITS) - 1


def complete(connection: sqlite3.Connection) -> None:
    """Make the table that journals had not from the beginning, where it is missing."""
    connection.execute(_CLOSING)


def create(connection: sqlite3.Connection) -> None:
    """Make the tables in an empty file."""
    run(connection, f"PRAGMA page_size = {PAGE_BYTES}")
    run(connection, "PRAGMA auto_vacuum = INCREMENTAL")
    run(connection, "PRAGMA journal_mode = WAL")
    with transaction(connection):
        for statement in _TABLES.split(";"):
            if statement.strip():
                connection.execute(statement)
        complete(connection)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {VERSION}")
