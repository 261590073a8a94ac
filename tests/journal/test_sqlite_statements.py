"""SQLite's statements are run to their end, and what goes wrong there is raised."""

import os
import sqlite3
from contextlib import closing

import pytest

from gateway.journal.sqlite.disk import schema
from gateway.journal.sqlite.disk.files import LOCK, create_private
from gateway.journal.sqlite.disk.journal_file import FREE_BYTES_KEPT, VACUUM_PAGES, JournalFile
from gateway.journal.sqlite.disk.opening import connect, make_empty
from gateway.journal.sqlite.disk.statements import fetch, run, transaction


@pytest.fixture
def database(tmp_path):
    path = tmp_path / "journal.db"
    make_empty(path)
    create_private(tmp_path / LOCK)
    return path


@pytest.fixture
def connection(database):
    connection = connect(database)
    yield connection
    connection.close()


def count_free(connection):
    return fetch(connection, "PRAGMA freelist_count")[0]


def fill_and_free(connection, pages):
    with transaction(connection):
        rows = [(key, b"", os.urandom(schema.PAGE_BYTES - 2000)) for key in range(pages)]
        connection.executemany("INSERT INTO chunk (key, head, stored) VALUES (?, ?, ?)", rows)
    with transaction(connection):
        connection.execute("DELETE FROM chunk")


def test_space_goes_back_in_steps_of_whole_megabytes(database, connection):
    fill_and_free(connection, FREE_BYTES_KEPT // schema.PAGE_BYTES + 3 * VACUUM_PAGES)
    file = JournalFile(database)
    before = count_free(connection)
    assert file.give_space_back()
    assert count_free(connection) == before - VACUUM_PAGES
    while file.give_space_back():
        pass
    assert count_free(connection) * schema.PAGE_BYTES <= FREE_BYTES_KEPT
    file.close(is_sound=True)


def test_the_error_of_a_statement_that_returns_no_rows_is_raised(database, connection):
    fill_and_free(connection, 40)
    with (
        closing(connect(database, can_write=False)) as reader,
        pytest.raises(sqlite3.OperationalError, match="readonly"),
    ):
        run(reader, f"PRAGMA incremental_vacuum({VACUUM_PAGES})")


def test_a_transaction_that_fails_leaves_nothing(connection):
    create = "INSERT INTO principal (name) VALUES (?)"
    with pytest.raises(sqlite3.IntegrityError), transaction(connection):
        connection.executemany(create, [("a",), ("a",)])
    assert not connection.in_transaction
    assert fetch(connection, "SELECT count(*) FROM principal") == (0,)


def test_a_statement_without_its_row_is_a_fault(connection):
    with pytest.raises(ValueError, match="unpack"):
        fetch(connection, "SELECT id FROM principal")
