"""A clock for tests that wait for nothing."""


class HandClock:
    """Moves only when told to; wall and monotonic time are one. In seconds."""

    def __init__(self, now: float) -> None:
        self.now = now

    def wall(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now
