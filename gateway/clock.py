"""Time as the gateway sees it, injected everywhere so that tests own it."""

import time
from abc import ABC, abstractmethod
from math import inf
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

    def steady(self) -> float:
        """Return UNIX time in seconds that goes forward with the wall clock, and goes on when that is set back."""
        ...


def lead_ms(clock: Clock) -> int:
    """Return how far the steady clock is ahead of the wall clock, in milliseconds that are whole seconds.

    A moment that was read off the wall clock, or reckoned from it, is so much later on the steady one.
    """
    return 1000 * round(clock.steady() - clock.wall())


class Steadied(ABC):
    """Makes a steady clock of the other two. It is ahead from the first time that the wall clock was set back on."""

    _most_ahead = -inf  # of the wall clock, before the monotonic one

    @abstractmethod
    def wall(self) -> float:
        """Return UNIX time in seconds."""

    def monotonic(self) -> float:
        """Return trio's current time in seconds."""
        return trio.current_time()

    def steady(self) -> float:
        """Return UNIX time in seconds, never set back."""
        # In this order: what may pass between the two calls must not be taken for a clock that was set forward.
        wall = self.wall()
        monotonic = self.monotonic()
        self._most_ahead = max(self._most_ahead, wall - monotonic)
        return monotonic + self._most_ahead


class SystemClock(Steadied):
    """The machine's own clocks."""

    def wall(self) -> float:
        """Return UNIX time in seconds."""
        return time.time()


class TrioClock(Steadied):
    """Wall time that moves with trio's clock: under ``autojump_clock`` a test sees both jump together."""

    def __init__(self, wall_at_zero: float = 1_780_000_000.0) -> None:
        self._offset = wall_at_zero - trio.current_time()

    def wall(self) -> float:
        """Return UNIX time in seconds."""
        return self._offset + trio.current_time()
