"""Looks at SQLite's write-ahead log before SQLite does, which would take damage for the end of the log and go on.

A log ends where a checksum fails: usually in a transaction that was being written when the machine stopped, whose
frames may stand there in part and in any order. A transaction is begun only when the one before it was flushed. So a
frame that fails, followed by a commit on which another transaction was built, was flushed once: that is damage, and
what follows it was accepted. (Damage in the very last transaction can't be told from a torn end.)

That one was built on the other the checksums say: each goes on from the one before. Frames alone say nothing. A process
that is killed while it writes leaves the frames of a transaction that never was, a commit's among them, and those that
come after a restart have the same salts: of a longer one the end stands behind the shorter ones that are written next.

A frame's head may itself be torn where a sector ends inside it: then it has the new log's salts behind the page number
and the mark of a commit of an older frame at the same place. The mark of such a frame proves nothing.

Format: sqlite.org/fileformat2.html, section 4. Where the checksums stop to match SQLite itself says, through the
wal-index of a connection that can't write.
"""

import itertools
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from gateway.journal.sqlite.disk.schema import PAGE_BYTES

COPY_BYTES = 1024 * 1024
HEADER_BYTES = 32
FRAME_HEADER_BYTES = 24
_HEADER = struct.Struct(">8I")  # magic, version, page size, sequence, two salts, two checksums
_FRAME = struct.Struct(">6I")  # page, pages of the file after a commit or 0, two salts, two checksums
_SALTS_AT = 8
SECTOR_BYTES = 512  # The least that a disk writes whole; larger ones end at multiples of it.
_MAGIC_BIG_ENDIAN = 0x377F0683
_WORDS = 0xFFFFFFFF


class LogFrame(NamedTuple):
    """A frame that says it belongs to the log; its checksum was not looked at. ``at`` is where its page stands."""

    number: int
    page: int
    commits: bool
    at: int


class LogHeader(NamedTuple):
    """The head of a log file. Of one that is not valid the salts are the first frame's, the page size a journal's."""

    page_bytes: int
    salts: tuple[int, int]
    is_valid: bool
    is_torn: bool


def log_path(database: Path) -> Path:
    """Return the log's file."""
    return database.with_name(f"{database.name}-wal")


def read_log_header(log: BinaryIO) -> LogHeader | None:
    """Return the head of a log, None when it has no frames at all."""
    log.seek(0)
    data = log.read(HEADER_BYTES + FRAME_HEADER_BYTES)
    if len(data) < HEADER_BYTES + FRAME_HEADER_BYTES or not any(data):
        return None
    fields = _HEADER.unpack_from(data)
    first = _FRAME.unpack_from(data, HEADER_BYTES)
    if _checksum(fields) == fields[6:]:
        return LogHeader(fields[2], (fields[4], fields[5]), is_valid=True, is_torn=False)
    salts = (first[2], first[3])
    return LogHeader(PAGE_BYTES, salts, is_valid=False, is_torn=_is_torn(fields, salts))


def _is_torn(fields: tuple[int, ...], salts: tuple[int, int]) -> bool:
    """Whether a bad head is half of a new one over half of the old, whose frames follow it still.

    A log begins anew with its sequence and its first salt one higher, flushed before its first frame is written.
    """
    if fields[4] == salts[0] + 1 & _WORDS:
        return True
    before = (*fields[:3], fields[3] - 1 & _WORDS, *salts, *fields[6:])
    return _checksum(before) == fields[6:]


def _checksum(fields: tuple[int, ...]) -> tuple[int, int]:
    """Return the checksum of a head's first 24 bytes (section 4.2)."""
    return _add_up((0, 0), struct.pack(">6I", *fields[:6]), is_big_endian=fields[0] == _MAGIC_BIG_ENDIAN)


def _add_up(before: tuple[int, int], data: bytes, *, is_big_endian: bool) -> tuple[int, int]:
    """Return a checksum that goes on from another one; ``data`` is a multiple of 8 bytes."""
    words = struct.unpack(f"{'>' if is_big_endian else '<'}{len(data) // 4}I", data)
    first, second = before
    for even, odd in zip(words[::2], words[1::2], strict=True):
        first = first + even + second & _WORDS
        second = second + odd + first & _WORDS
    return first, second


def is_sound_frame(log: BinaryIO, header: LogHeader, frame: LogFrame) -> bool:
    """Whether a frame has what was written: its checksum goes on from the one that stands in the frame before it.

    Unlike SQLite, which ends at the first that fails, this tells of a frame behind damage too.
    """
    log.seek(0)
    magic = _HEADER.unpack(log.read(HEADER_BYTES))
    at, before = frame.at - FRAME_HEADER_BYTES, magic[6:]
    if frame.number:
        log.seek(at - header.page_bytes - FRAME_HEADER_BYTES)
        before = _FRAME.unpack(log.read(FRAME_HEADER_BYTES))[4:]
    log.seek(at)
    head, page = log.read(FRAME_HEADER_BYTES), log.read(header.page_bytes)
    is_big_endian = magic[0] == _MAGIC_BIG_ENDIAN
    checksum = _add_up((before[0], before[1]), head[:_SALTS_AT] + page, is_big_endian=is_big_endian)
    return checksum == _FRAME.unpack(head)[4:]


def iterate_frames(log: BinaryIO, header: LogHeader) -> Iterator[LogFrame]:
    """Yield the frames with the salts of the log, others left out."""
    step = FRAME_HEADER_BYTES + header.page_bytes
    log.seek(0, 2)
    for number, at in enumerate(range(HEADER_BYTES, log.tell() - step + 1, step)):
        log.seek(at)
        page, pages, *salts = _FRAME.unpack(log.read(FRAME_HEADER_BYTES))[:4]
        if tuple(salts) == header.salts:
            yield LogFrame(number, page, pages != 0, at + FRAME_HEADER_BYTES)


def count_commits(log: BinaryIO, header: LogHeader, valid_frames: int) -> int:
    """Return how many commits the valid frames are."""
    frames = itertools.takewhile(lambda frame: frame.number < valid_frames, iterate_frames(log, header))
    return sum(frame.commits for frame in frames)


def write_anew(log: BinaryIO) -> None:
    """Write a log's own bytes over itself and flush them: it was opened for reading and writing.

    What the last process wrote may stand in the kernel's memory and nowhere else, also after a flush that failed: the
    kernel takes it for written then, and only what is written again is flushed again. What follows it would be lost.
    """
    log.seek(0)
    at = 0
    while data := log.read(COPY_BYTES):
        log.seek(at)
        log.write(data)
        at += len(data)
        log.seek(at)
    log.flush()
    os.fsync(log.fileno())


def find_lost_frames(log: BinaryIO, header: LogHeader, valid_frames: int) -> int:
    """Return how many frames stand behind the valid ones that were flushed once and can't be had any more."""
    rest = [frame for frame in iterate_frames(log, header) if frame.number >= valid_frames]
    for frame, after in itertools.pairwise(rest):
        may_follow = frame.commits and after.number == frame.number + 1
        if may_follow and not _may_have_torn_head(frame) and is_sound_frame(log, header, after):
            return len(rest)
    return 0


def _may_have_torn_head(frame: LogFrame) -> bool:
    """Whether a sector ends between the mark of a commit and the salts, so that they may be of two logs."""
    return (frame.at - FRAME_HEADER_BYTES + _SALTS_AT) % SECTOR_BYTES == 0
