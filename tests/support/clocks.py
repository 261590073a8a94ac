"""Clocks for tests that don't want to wait."""

from gateway.clock import SystemClock


class HandClock:
    """Moves only when told to; wall and monotonic time are one. In seconds."""

    def __init__(self, now: float) -> None:
        self.now = now

    def wall(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now


class LeapingClock(SystemClock):
    """The system's, whose wall time a test can set forward, as an operator may. What sleeps goes on sleeping."""

    def __init__(self) -> None:
        self._ahead_seconds = 0.0

    def leap(self, seconds: float) -> None:
        """Set the wall clock forward."""
        self._ahead_seconds += seconds

    def wall(self) -> float:
        """Return UNIX time in seconds."""
        return super().wall() + self._ahead_seconds
