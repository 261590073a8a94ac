"""What the sink counts, in a page its watcher shares: looking costs the sink nothing and needs no answer from it."""

import mmap
import os
import tempfile
from typing import NamedTuple, Self


class SinkCounters(NamedTuple):
    """Totals since the sink started; Counters in server_session.pxd has the same fields in the same order."""

    requests: int
    body_bytes: int
    received_bytes: int
    connections: int
    refused_streams: int
    protocol_errors: int
    deferred: int


class SharedCounters:
    """A page of int64 numbers behind a file descriptor, which a child process inherits. Close it in either process."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._page = mmap.mmap(descriptor, mmap.PAGESIZE)
        self.numbers = memoryview(self._page).cast("q")

    @classmethod
    def create(cls) -> Self:
        """Make a fresh page with every number at zero."""
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
        os.ftruncate(descriptor, mmap.PAGESIZE)
        return cls(descriptor)

    def read(self) -> SinkCounters:
        """Return the numbers as they stand; each is exact, together they may be a few requests apart."""
        return SinkCounters(*self.numbers[: len(SinkCounters._fields)])

    @property
    def requests(self) -> int:
        """How many requests have been answered."""
        return self.numbers[0]

    def close(self) -> None:
        """Unmap the page and close the descriptor."""
        self.numbers.release()
        self._page.close()
        os.close(self.descriptor)
