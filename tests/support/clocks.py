"""Clocks for tests that don't want to wait."""

from gateway.clock import SystemClock, TrioClock


class HandClock:
    """Moves only when told to; wall and monotonic time are one. In seconds."""

    def __init__(self, now: float) -> None:
        self.now = now

    def wall(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now

    def steady(self) -> float:
        return self.now


class LeapingClock(SystemClock):
    """The system's, whose wall time a test can set, as an operator may. What sleeps goes on sleeping."""

    def __init__(self) -> None:
        self._ahead_seconds = 0.0

    def leap(self, seconds: float) -> None:
        """Set the wall clock forward, or back."""
        self._ahead_seconds += seconds

    def wall(self) -> float:
        """Return UNIX time in seconds."""
        return super().wall() + self._ahead_seconds


class SetClock(TrioClock):
    """Moves with trio's clock; its wall time can be set, as an operator may."""

    def __init__(self) -> None:
        super().__init__()
        self._set_by_seconds = 0.0
        self.steady()  # what it is ahead of later counts from here

    def set_by(self, seconds: float) -> None:
        """Set the wall clock forward, or back."""
        self._set_by_seconds += seconds

    def wall(self) -> float:
        """Return UNIX time in seconds."""
        return super().wall() + self._set_by_seconds
