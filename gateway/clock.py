"""Time as the gateway sees it, injected everywhere so that tests own it."""

import time
from typing import Protocol

import trio


class Clock(Protocol):
    """Wall time for what providers and callers read, monotonic time for what we wait for; both in seconds."""

    def wall(self) -> float:
        """Return UNIX time in seconds."""
        ...

    def monotonic(self) -> float:
        """Return seconds on the clock that trio waits by."""
        ...


class SystemClock:
    """The machine's own clocks."""

    def wall(self) -> float:
        """Return UNIX time in seconds."""
        return time.time()

    def monotonic(self) -> float:
        """Return trio's current time in seconds."""
        return trio.current_time()


class TrioClock:
    """Wall time that moves with trio's clock: under ``autojump_clock`` a test sees both jump together."""

    def __init__(self, wall_at_zero: float = 1_780_000_000.0) -> None:
        self._offset = wall_at_zero - trio.current_time()

    def wall(self) -> float:
        """Return UNIX time in seconds."""
        return self._offset + trio.current_time()

    def monotonic(self) -> float:
        """Return trio's current time in seconds."""
        return trio.current_time()
