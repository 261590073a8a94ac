"""Counts commits in a file beside the journal, so that a log that lost its end is told from one that never had it.

SQLite takes the end of its log for whatever the log ends with. Of a commit that was never flushed that is right. Of a
log that was cut short, removed, or taken from an older copy it is a loss without a word. So the number of each commit
is written beside the journal, after the commit was flushed, and without a flush of its own:

- A power loss leaves the counter behind the log, by any number of commits, or leaves none: that says nothing.
- It is never ahead of the log, or the log was touched. A commit that was torn while it was written isn't counted.
- The log begins anew, with its first salt one higher, when all of it was moved into the database and flushed; a counter
  of an older log says nothing either.
- The log is emptied only when the gateway ends, and the counter is flushed before that.

The record is smaller than a sector, so that a disk has it whole, or the one before.
"""

import errno
import os
import struct
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import msgspec

from gateway.journal.sqlite.disk.log_gauge import LogGauge
from gateway.journal.sqlite.disk.log_scan import LogHeader

COUNTER = "commits"
_MAGIC = b"PMcount1"
# Last commit, last one in the database, two salts, commits in the log, frames moved, wall clock in milliseconds.
_FIELDS = struct.Struct("<QQIIIIQ")
_CHECKSUM = struct.Struct("<I")
_RECORD_BYTES = len(_MAGIC) + _FIELDS.size + _CHECKSUM.size
# A counter that is behind on the disk is so by seconds; a log of nobody's is taken for a later one by chance otherwise.
_MOST_LOGS_BEHIND = 1 << 16


class CommitRecord(msgspec.Struct, array_like=True, frozen=True):
    """The counter as it was last written. Commits are numbered from 1."""

    last: int = 0
    """The last commit."""
    in_database: int = 0
    """The last one that is certainly in the database itself, flushed."""
    salt: int = 0
    other_salt: int = 0
    log_commits: int = 0
    """How many of them the log with these salts has, from its beginning."""
    moved_frames: int = 0
    """How many frames of that log were moved into the database."""
    last_at_ms: int = 0

    @property
    def salts(self) -> tuple[int, int]:
        """What tells one log from the next."""
        return self.salt, self.other_salt


class MissingCommits(msgspec.Struct, frozen=True):
    """Commits that were flushed once and aren't in the log. ``last_at_ms`` is when the last one was made."""

    first: int
    last: int
    last_at_ms: int

    def __str__(self) -> str:
        moment = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(self.last_at_ms / 1000))
        return f"commits {self.first} to {self.last}, the last of them made at {moment} UTC"


def read_record(folder: Path) -> CommitRecord | None:
    """Return what the counter says; None when there is none, or not a whole one. Raises OSError."""
    try:
        data = (folder / COUNTER).read_bytes()
    except FileNotFoundError:
        return None
    body, checksum = data[: -_CHECKSUM.size], data[-_CHECKSUM.size :]
    if len(data) != _RECORD_BYTES or not data.startswith(_MAGIC) or _CHECKSUM.pack(zlib.crc32(body)) != checksum:
        return None
    return CommitRecord(*_FIELDS.unpack_from(body, len(_MAGIC)))


def _encode(record: CommitRecord) -> bytes:
    body = _MAGIC + _FIELDS.pack(*msgspec.structs.astuple(record))
    return body + _CHECKSUM.pack(zlib.crc32(body))


def find_missing_commits(
    record: CommitRecord, header: LogHeader | None, valid_frames: int, valid_commits: int
) -> MissingCommits | None:
    """Return which commits the counter knows and a log doesn't have. ``header`` is None where there is no frame."""
    if header is not None and header.is_torn:
        return None
    found = record.in_database
    if header is not None and header.is_valid:
        if header.salts == record.salts:
            # Frames that were moved hide what is newer in the database when later ones are missing.
            is_short = valid_frames < record.moved_frames
            held = record.last - record.log_commits + valid_commits
            found = held if is_short else max(found, held)
        elif 0 < header.salts[0] - record.salt & 0xFFFFFFFF <= _MOST_LOGS_BEHIND:
            return None
    return MissingCommits(found + 1, record.last, record.last_at_ms) if found < record.last else None


def forget_log(folder: Path) -> None:
    """Note, flushed, that a database without a log has all there is, after a repair. Raises OSError."""
    record = read_record(folder)
    if record is not None:
        with (folder / COUNTER).open("r+b", buffering=0) as file:
            file.write(_encode(CommitRecord(last=record.last, in_database=record.last, last_at_ms=record.last_at_ms)))
            os.fsync(file.fileno())


class CommitCounter:
    """Told of each commit by the journal's thread. Every method raises OSError, but for a disk that is full."""

    def __init__(self, folder: Path, log: LogGauge, log_commits: int, wall: Callable[[], float] = time.time) -> None:
        """Go on from what stands there; ``log_commits`` are in the log as it was found, and is sound."""
        self._path = folder / COUNTER
        self._log = log
        self._wall = wall
        self._descriptor: int | None = None
        self._seen = (log.read_salts(), log.count_frames())
        self._record = self._go_on_from(read_record(folder) or CommitRecord(), log_commits)
        self._write()

    def _go_on_from(self, record: CommitRecord, log_commits: int) -> CommitRecord:
        salts = self._log.read_salts()
        is_same = log_commits > 0 and salts == record.salts
        before = record.last - record.log_commits if is_same else record.last
        return CommitRecord(
            last=before + log_commits,
            in_database=record.in_database if is_same else record.last,
            salt=salts[0],
            other_salt=salts[1],
            log_commits=log_commits,
            moved_frames=record.moved_frames if is_same else 0,
            last_at_ms=record.last_at_ms,
        )

    def note_commit(self) -> None:
        """Count a commit that was flushed, unless it changed nothing: SQLite writes no frame then."""
        record, salts = self._record, self._log.read_salts()
        frames = self._log.count_frames()
        if (salts, frames) == self._seen:
            return
        self._seen = (salts, frames)
        is_same = salts == record.salts
        self._record = CommitRecord(
            last=record.last + 1,
            in_database=record.in_database if is_same else record.last,
            salt=salts[0],
            other_salt=salts[1],
            log_commits=record.log_commits + 1 if is_same else 1,
            moved_frames=record.moved_frames if is_same else 0,
            last_at_ms=int(self._wall() * 1000),
        )
        self._write()

    def note_moved(self, frames: int, *, all_of_them: bool) -> None:
        """Note how much of the log is in the database, flushed."""
        in_database = self._record.last if all_of_them else self._record.in_database
        self._record = msgspec.structs.replace(self._record, in_database=in_database, moved_frames=frames)
        self._write()

    def flush(self) -> None:
        """Flush the counter: before the log is emptied."""
        if self._descriptor is not None:
            os.fsync(self._descriptor)

    def close(self) -> None:
        """Close the file."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _write(self) -> None:
        try:
            if self._descriptor is None:
                self._descriptor = os.open(self._path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            os.pwrite(self._descriptor, _encode(self._record), 0)
        except OSError as error:
            # A counter that is behind says nothing wrong, and this one can't be had before there is room.
            if error.errno != errno.ENOSPC:
                raise
