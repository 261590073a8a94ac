"""The trace that the shim writes: every change of a folder's files in the order in which they were made."""

import struct
from pathlib import Path

import msgspec

_HEAD = struct.Struct("<BBHIQQ")  # record_t of shim.c

WRITE = "W"
TRUNCATE = "T"
ALLOCATE = "A"
SYNC = "S"
CREATE = "C"
RENAME = "R"
UNLINK = "U"
MARK = "M"

FOLDER = "."
"""The name under which the folder itself is flushed."""


class Event(msgspec.Struct, frozen=True, gc=False):
    """One call. ``offset`` is the length for truncating and allocating, ``data`` the new name for renaming.

    With an ``error`` (errno) nothing was done. ``at`` is in seconds of the monotonic clock.
    """

    kind: str
    name: str
    offset: int
    data: bytes
    error: int
    at: float


class TraceError(Exception):
    """A trace that isn't one."""


def read_trace(path: Path) -> list[Event]:
    """Return the events; a last one that was cut by the end of the process is left out. Raises TraceError."""
    whole = path.read_bytes()
    events: list[Event] = []
    at = 0
    while at + _HEAD.size <= len(whole):
        kind, error, name_bytes, data_bytes, at_ns, offset = _HEAD.unpack_from(whole, at)
        start = at + _HEAD.size
        middle, end = start + name_bytes, start + name_bytes + data_bytes
        if end > len(whole):
            break
        if chr(kind) not in "WTASCRUM":
            raise TraceError(f"{path}: no record at byte {at}")
        name = whole[start:middle].decode()
        events.append(Event(chr(kind), name, offset, whole[middle:end], error, at_ns / 1e9))
        at = end
    return events
