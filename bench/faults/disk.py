"""What a disk may hold after the power went: legal images of a folder, from a trace of what was done to it.

A file's bytes stand as they were at its last flush. Of what was done to it since, any part may have reached the disk,
in any order: each sector of each write by itself, each change of its length by itself. Names (new files, renames,
removals) stand as they were at the last flush of the folder; of those since, any beginning may have reached the disk.
"""

import random
from collections.abc import Callable, Iterable
from pathlib import Path

from bench.faults.trace import ALLOCATE, CREATE, FOLDER, RENAME, SYNC, TRUNCATE, UNLINK, WRITE, Event

Choice = Callable[[random.Random], bool]
"""Decides of a sector, a length or a name whether it reached the disk."""


class TracedFile:
    """One file: its bytes at the last flush, and what was done since."""

    def __init__(self) -> None:
        self.flushed = bytearray()
        self.pending: list[Event] = []

    def flush(self) -> None:
        """Make everything so far stand."""
        for event in self.pending:
            apply_to(self.flushed, event)
        self.pending.clear()


def apply_to(content: bytearray, event: Event) -> None:
    """Do to some bytes what was done to the file."""
    if event.kind == WRITE:
        _lengthen(content, event.offset)
        content[event.offset : event.offset + len(event.data)] = event.data
    elif event.kind == ALLOCATE:
        _lengthen(content, event.offset)
    else:
        del content[event.offset :]
        _lengthen(content, event.offset)


def _lengthen(content: bytearray, length: int) -> None:
    content.extend(bytes(max(0, length - len(content))))


class Disk:
    """A folder on a disk while a trace is played. ``ignored`` are names that no image needs."""

    def __init__(self, ignored: Iterable[str] = ()) -> None:
        self._ignored = frozenset(ignored)
        self._names: dict[str, TracedFile] = {}
        self._flushed_names: dict[str, TracedFile] = {}
        self._states_of_names: list[dict[str, TracedFile]] = []
        self._lost_names: set[str] = set()

    def play(self, event: Event) -> None:
        """Take the next event of the trace; what failed did nothing.

        A failed flush does harm: the kernel takes what it could not write for written, and no later flush writes it.
        With names it is the same, until they are changed again.
        """
        if event.name in self._ignored:
            return
        if event.error:
            if event.kind == SYNC and event.name == FOLDER:
                self._lose_names()
            elif event.kind == SYNC and event.name in self._names:
                self._names[event.name].pending.clear()
            return
        if event.kind in {WRITE, TRUNCATE, ALLOCATE}:
            self._names.setdefault(event.name, TracedFile()).pending.append(event)
        elif event.kind == SYNC:
            self._flush(event.name)
        elif event.kind in {CREATE, RENAME, UNLINK}:
            self._change_names(event)

    def _flush(self, name: str) -> None:
        if name == FOLDER:
            self._flushed_names = self._find_lasting_names()
            self._states_of_names.clear()
        elif name in self._names:
            self._names[name].flush()

    def _lose_names(self) -> None:
        either = self._names.keys() | self._flushed_names.keys()
        self._lost_names |= {name for name in either if self._names.get(name) is not self._flushed_names.get(name)}
        self._states_of_names.clear()

    def _find_lasting_names(self) -> dict[str, TracedFile]:
        before = {name: file for name, file in self._flushed_names.items() if name in self._lost_names}
        return before | {name: file for name, file in self._names.items() if name not in self._lost_names}

    def _change_names(self, event: Event) -> None:
        self._lost_names -= {event.name, event.data.decode()} if event.kind == RENAME else {event.name}
        if event.kind == CREATE:
            self._names[event.name] = TracedFile()
        elif event.name in self._names:
            file = self._names.pop(event.name)
            if event.kind == RENAME:
                self._names[event.data.decode()] = file
        self._states_of_names.append(self._find_lasting_names())

    def write_image(self, folder: Path, dice: random.Random, reaches: Choice, sector_bytes: int) -> None:
        """Write the folder as it may be after the power went now."""
        folder.mkdir()
        states = [self._flushed_names, *self._states_of_names]
        kept = 0
        while kept + 1 < len(states) and reaches(dice):
            kept += 1
        for name, file in states[kept].items():
            (folder / name).write_bytes(_after_power_loss(file, dice, reaches, sector_bytes))


def _after_power_loss(file: TracedFile, dice: random.Random, reaches: Choice, sector_bytes: int) -> bytes:
    content = bytearray(file.flushed)
    for event in file.pending:
        if event.kind == WRITE:
            _apply_torn(content, event, dice, reaches, sector_bytes)
        elif reaches(dice):
            apply_to(content, event)
    return bytes(content)


def _apply_torn(content: bytearray, event: Event, dice: random.Random, reaches: Choice, sector_bytes: int) -> None:
    """Let some sectors of a write reach the disk; leaving out a later write of a sector is what reordering comes to."""
    at, end = event.offset, event.offset + len(event.data)
    while at < end:
        stop = min(end, (at // sector_bytes + 1) * sector_bytes)
        if reaches(dice):
            _lengthen(content, at)
            content[at:stop] = event.data[at - event.offset : stop - event.offset]
        at = stop
