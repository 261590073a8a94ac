"""Runs SQLite's statements to their end, so that what goes wrong at the end is heard.

Python's module takes one step of a statement, and the others as its rows are fetched. A PRAGMA without columns has
steps and no rows to fetch: the module resets it after the first one, which commits what that step did and drops the
error of the commit (a failed flush among them). A script is stepped to its end and its result is looked at.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


def run(connection: sqlite3.Connection, statement: str) -> None:
    """Run one statement, whose rows nobody wants, outside of a transaction. Raises sqlite3.Error.

    BEGIN is one. Inside of a transaction the module would commit that first: see :func:`transaction`.
    """
    connection.executescript(statement)


def fetch(connection: sqlite3.Connection, query: str) -> tuple[Any, ...]:
    """Run one statement and return its first row; there must be one. Raises sqlite3.Error."""
    row: tuple[Any, ...]
    row, *_ = connection.execute(query).fetchall()
    return row


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Commit at the end of the block, or undo it when it raises. Raises sqlite3.Error.

    For statements that change rows: each ends with its only step, and COMMIT with what the disk said to it.
    """
    run(connection, "BEGIN IMMEDIATE")
    try:
        yield connection
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
