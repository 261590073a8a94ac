"""The caller's log of an engine under test: what it was told, line by line, in the trace's own order.

Each mark is written by one call after the engine said so (``acknowledging``: before it was asked). Writing it goes
through the shim, so it stands in the trace between what was on the disk before and what came after.
"""

import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from bench.faults.trace import MARK, Event
from gateway.journal.books import rowsets

MarkKind = Literal["accepted", "settled", "acknowledging"]


class Mark(msgspec.Struct, frozen=True):
    """What an engine said of rows (flat ranges of positions) of one batch."""

    kind: MarkKind
    batch_id: str
    indexes: list[int]


class MarkWriter:
    """Appends marks to a file."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._encoder = msgspec.json.Encoder()

    def write(self, kind: MarkKind, batch_id: str, indexes: Sequence[int]) -> None:
        """Append one."""
        os.write(self._descriptor, self._encoder.encode(Mark(kind, batch_id, list(indexes))) + b"\n")

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)


class Promised:
    """What marks came to so far, as sets of positions by batch."""

    def __init__(self) -> None:
        self.accepted: dict[str, int] = {}
        self.settled: defaultdict[str, int] = defaultdict(int)
        self.acknowledged: defaultdict[str, int] = defaultdict(int)
        self.count = 0

    def add(self, mark: Mark) -> None:
        """Take the next one."""
        self.count += 1
        rows = rowsets.from_ranges(mark.indexes)
        if mark.kind == "accepted":
            self.accepted[mark.batch_id] = rows
        elif mark.kind == "settled":
            self.settled[mark.batch_id] |= rows
        else:
            self.acknowledged[mark.batch_id] |= rows

    def play(self, event: Event) -> None:
        """Take an event of a trace; only marks matter."""
        if event.kind == MARK:
            for mark in decode_marks(event.data):
                self.add(mark)


def decode_marks(data: bytes) -> Iterable[Mark]:
    """Return the marks in whole lines."""
    return msgspec.json.Decoder(Mark).decode_lines(data)
