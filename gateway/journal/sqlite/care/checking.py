"""Looks a journal over that no gateway has open: its log, SQLite's own structure, the checksum of everything in it."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import msgspec

from gateway.journal.encoding import (
    BatchHead,
    DamagedError,
    decode_head,
    decode_positions,
    decode_progress,
    decode_record,
    decode_settlement,
    open_chunk,
    unseal,
)
from gateway.journal.sqlite.disk import schema
from gateway.journal.sqlite.disk.opening import connect, examine_log, read_version
from gateway.journal.sqlite.disk.versions import BATCH_COLUMNS, CONVERT_BATCH

FAULTS_SHOWN = 100  # of SQLite's own, which may go on for every page


class Finding(msgspec.Struct, frozen=True):
    """One thing that is wrong, and where."""

    place: str
    detail: str


class CheckReport(msgspec.Struct, frozen=True, kw_only=True):
    """What was looked at and what was found. A sound journal has no findings."""

    chunks: int
    batches: int
    results: int
    findings: list[Finding]


def check_journal(database: Path) -> CheckReport:
    """Look everything over, in whatever version; nothing is changed. The caller holds the folder's lock.

    Raises JournalError for what is no journal, sqlite3.Error, OSError.
    """
    findings: list[Finding] = []
    version = read_version(database)
    log = examine_log(database)
    if log.lost_frames:
        findings.append(Finding("log", f"damaged: {log.lost_frames} pages behind the damage can't be read"))
    if log.missing is not None:
        findings.append(Finding("log", f"cut short, removed or replaced: {log.missing}, are not in it"))
    with closing(connect(database, can_write=False)) as connection:
        findings += _check_structure(connection)
        counts = {}
        checks = _CHECKS | {"batch": (BATCH_COLUMNS[version], partial(_check_batch, version))}
        for table, (columns, check) in checks.items():
            counts[table], found = _check_table(connection, table, columns, check)
            findings += found
    return CheckReport(chunks=counts["chunk"], batches=counts["batch"], results=counts["result"], findings=findings)


def _check_structure(connection: sqlite3.Connection) -> Iterator[Finding]:
    try:
        for (line,) in connection.execute(f"PRAGMA integrity_check({FAULTS_SHOWN})").fetchall():
            if line != "ok":
                yield Finding("structure", line)
    except sqlite3.DatabaseError as error:
        yield Finding("structure", str(error))


def _check_table(
    connection: sqlite3.Connection, table: str, columns: str, check: Callable[..., object]
) -> tuple[int, list[Finding]]:
    findings: list[Finding] = []
    count = 0
    try:
        # The names are ours.
        for row in connection.execute(f"SELECT {columns} FROM {table}"):  # noqa: S608
            count += 1
            try:
                check(*row)
            except DamagedError as error:
                findings.append(Finding(table, str(error)))
    except sqlite3.DatabaseError as error:
        findings.append(Finding(table, f"can't be read to its end: {error}"))
    return count, findings


def _check_batch(version: int, *columns: object) -> None:
    number, _, batch_id, accepted_at_ms, is_named, record, positions, answer = CONVERT_BATCH[version](columns)
    decode_record(number, BatchHead(batch_id, accepted_at_ms, is_named), record)
    decode_positions(number, positions)
    unseal(number, answer)


def _check_chunk(key: int, head: bytes, stored: bytes) -> None:
    decode_head(key, head)
    open_chunk(*schema.split_chunk_key(key), stored)


def _check_suspect(number: int, head: bytes, packed: bytes) -> None:
    unseal(number, head)
    unseal(number, packed)


_CHECKS: dict[str, tuple[str, Callable[..., object]]] = {
    "chunk": ("key, head, stored", _check_chunk),
    "progress": ("chunk, state", decode_progress),
    "result": ("key, packed", decode_settlement),
    "verdict": ("number, head, packed", _check_suspect),
}
