"""Reads what is left of a damaged journal, from a copy.

The log is laid over the copy page by page, without trust in its own checksums: every blob carries a checksum of its
own, which decides later. Tables are then read through SQLite; where a page of one can't be, reading goes on with the
next key that can. Chunks that SQLite can't reach any more are looked for by their mark.
"""

import shutil
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, BinaryIO

from gateway.journal.encoding import ENVELOPE_BYTES, MARK, is_intact, read_envelope
from gateway.journal.errors import JournalError
from gateway.journal.sqlite.disk import schema
from gateway.journal.sqlite.disk.commit_counter import CommitRecord, MissingCommits, find_missing_commits, read_record
from gateway.journal.sqlite.disk.log_scan import LogFrame, is_sound_frame, iterate_frames, log_path, read_log_header
from gateway.journal.sqlite.disk.opening import read_version

LARGEST_KEY = (1 << 63) - 1
SCAN_BYTES = 16 * 1024 * 1024

Row = tuple[Any, ...]


def lay_log_over(database: Path, copy: Path, template: Path) -> tuple[int, MissingCommits | None]:
    """Make a copy that has what the log holds; return its version, and which commits it doesn't hold any more.

    ``template`` is an empty journal, for a first page that is damaged; with it goes the word on an earlier version.
    """
    shutil.copyfile(database, copy)
    log = log_path(database)
    record = read_record(database.parent) or CommitRecord()
    missing = find_missing_commits(record, None, 0, 0)
    if log.exists():
        with log.open("rb") as source, copy.open("r+b") as target:
            missing = _apply_frames(source, target, record)
    try:
        version = read_version(copy)
    except JournalError:
        version = schema.VERSION
        _mend_first_page(copy, template)
    else:
        if version == schema.VERSION and _read_schema(copy) != _read_schema(template):
            _mend_first_page(copy, template)
    return version, missing


def lay_sound_log_over(database: Path, copy: Path) -> bool:
    """Make a copy without those pages of the log that are damaged: of each the version before stands there.

    Return whether there was one to leave out. What only a damaged page had is not in the copy.
    """
    log = log_path(database)
    if not log.exists():
        return False
    with log.open("rb") as source:
        header = read_log_header(source)
        if header is None or not header.is_valid or header.page_bytes != schema.PAGE_BYTES:
            return False
        frames = _find_committed(list(iterate_frames(source, header)))
        sound = [frame for frame in frames if is_sound_frame(source, header, frame)]
        if len(sound) == len(frames):
            return False
        shutil.copyfile(database, copy)
        with copy.open("r+b") as target:
            _lay_over(source, target, sound, max((frame.page for frame in sound), default=0))
    return True


def _apply_frames(source: BinaryIO, target: BinaryIO, record: CommitRecord) -> MissingCommits | None:
    header = read_log_header(source)
    if header is None or header.is_torn or header.page_bytes != schema.PAGE_BYTES:
        return find_missing_commits(record, header, 0, 0)
    frames = list(iterate_frames(source, header))
    committed = _find_committed(frames)
    commits = sum(frame.commits for frame in frames)
    if header.salts == record.salts and len(committed) < record.moved_frames:
        # All of them are in the database, with later ones that are missing here: they would set pages back.
        return find_missing_commits(record, None, 0, 0)
    target.seek(0, 2)
    most_pages = target.tell() // schema.PAGE_BYTES + len(frames)
    _lay_over(source, target, committed, most_pages)
    return find_missing_commits(record, header, len(committed), commits)


def _find_committed(frames: list[LogFrame]) -> list[LogFrame]:
    last_commit = max((at for at, frame in enumerate(frames) if frame.commits), default=-1)
    return frames[: last_commit + 1]


def _lay_over(source: BinaryIO, target: BinaryIO, frames: Iterable[LogFrame], most_pages: int) -> None:
    for frame in frames:
        if 0 < frame.page <= most_pages:
            source.seek(frame.at)
            target.seek((frame.page - 1) * schema.PAGE_BYTES)
            target.write(source.read(schema.PAGE_BYTES))


def _read_schema(path: Path) -> list[Row] | None:
    """Return what tables and roots the first page tells of, None where it can't be read."""
    with open_copy(path) as connection:
        try:
            return connection.execute("SELECT type, name, tbl_name, rootpage, sql FROM sqlite_schema").fetchall()
        except sqlite3.DatabaseError:
            return None


def _mend_first_page(copy: Path, template: Path) -> None:
    """Put in the first page of an empty journal: the roots of the tables are where they are in any other."""
    with template.open("rb") as source, copy.open("r+b") as target:
        page = bytearray(source.read(schema.PAGE_BYTES))
        target.seek(0, 2)
        pages = target.tell() // schema.PAGE_BYTES
        page[28:32] = pages.to_bytes(4, "big")
        target.seek(0)
        target.write(page)


def iterate_rows(
    connection: sqlite3.Connection, table: str, columns: str, gaps: list[tuple[int, int]] | None = None
) -> Iterator[Row]:
    """Yield what can be read of a table, by its integer key, which ``columns`` begins with.

    ``gaps`` gets the (last key before, first key after) of each stretch that can't be read.
    """
    gaps = [] if gaps is None else gaps
    sound, is_blank = -1, False
    for row in _read_rows(connection, table, columns, gaps):
        # No column may be null: pages of zeros, where a file ended too early, read as rows of nothing.
        if None in row:
            is_blank = True
            continue
        if is_blank:
            gaps.append((sound, row[0]))
        sound, is_blank = row[0], False
        yield row
    if is_blank:
        gaps.append((sound, LARGEST_KEY))


def _read_rows(connection: sqlite3.Connection, table: str, columns: str, gaps: list[tuple[int, int]]) -> Iterator[Row]:
    key = columns.split(",", 1)[0]
    # The names are ours.
    query = f"SELECT {columns} FROM {table} WHERE {key} > ? ORDER BY {key}"  # noqa: S608
    last = -1
    while True:
        try:
            for row in connection.execute(query, (last,)):
                last = row[0]
                yield row
        except sqlite3.DatabaseError:
            # The module reads a row ahead, so the one in front of the damage was not given out yet.
            alone = _read_alone(connection, query, last)
            if alone is not None:
                last = alone[0]
                yield alone
                continue
            after = _find_readable(connection, query, last)
            gaps.append((last, after))
            if after == LARGEST_KEY:
                return
            last = after - 1
        else:
            return


def _read_alone(connection: sqlite3.Connection, query: str, last: int) -> Row | None:
    try:
        row: Row | None = connection.execute(f"{query} LIMIT 1", (last,)).fetchone()
    except sqlite3.DatabaseError:
        return None
    return row


def _find_readable(connection: sqlite3.Connection, query: str, last: int) -> int:
    """Return a key behind a damaged page, close to it, from which reading goes on; the largest there is if none does.

    A page has keys that are near each other, so the step is doubled until one leads past it, then halved back.
    """
    low, step = last, 1
    while not _can_read(connection, query, low + step):
        low, step = low + step, step * 2
        if low + step >= LARGEST_KEY:
            return LARGEST_KEY
    high = low + step
    while high - low > 1:
        middle = (low + high) // 2
        if _can_read(connection, query, middle):
            high = middle
        else:
            low = middle
    return high


def _can_read(connection: sqlite3.Connection, query: str, start: int) -> bool:
    try:
        connection.execute(f"{query} LIMIT 1", (start - 1,)).fetchone()
    except sqlite3.DatabaseError:
        return False
    return True


def find_marked_chunks(copy: Path, gaps: list[tuple[int, int]]) -> dict[int, bytes]:
    """Return sealed chunks that stand in one piece anywhere in the file and whose keys are in one of the gaps."""
    found: dict[int, bytes] = {}
    if not gaps:
        return found
    with copy.open("rb") as file:
        for at in _find_marks(copy):
            file.seek(at)
            envelope = read_envelope(file.read(ENVELOPE_BYTES))
            if envelope is None:
                continue
            key = schema.chunk_key(envelope.batch, envelope.chunk)
            stored = file.read(envelope.size_bytes)
            if any(low < key < high for low, high in gaps) and is_intact(envelope, stored):
                file.seek(at)
                found[key] = file.read(ENVELOPE_BYTES + envelope.size_bytes)
    return found


def _find_marks(path: Path) -> Iterator[int]:
    with path.open("rb") as file:
        start, rest = 0, b""
        while data := file.read(SCAN_BYTES):
            block = rest + data
            at = block.find(MARK)
            while at >= 0:
                yield start - len(rest) + at
                at = block.find(MARK, at + 1)
            start += len(data)
            rest = block[-(len(MARK) - 1) :]


def open_copy(copy: Path) -> closing[sqlite3.Connection]:
    """Return a connection to the copy, for a block."""
    return closing(sqlite3.connect(copy, isolation_level=None))
