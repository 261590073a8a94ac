"""Quotas: messages a minute of a project, fan-outs in progress (docs/fcm.md#limits). Times are UNIX seconds."""

from collections import deque

MINUTE_SECONDS = 60.0


class MinuteQuota:
    """A bucket of messages that is filled whole at the end of its minute; the first message begins a minute.

    So minutes are not aligned to the clock, and a caller that spends a minute's worth at once waits for all of it.
    """

    def __init__(self, messages_per_minute: int | None) -> None:
        """Allow so many; None allows any number."""
        self._limit = messages_per_minute
        self._taken = 0
        self._ends_at = float("-inf")

    def take(self, now: float) -> bool:
        """Take one message out of the bucket; False when it is empty, and then nothing is counted."""
        if self._limit is None:
            return True
        if now >= self._ends_at:
            self._taken = 0
            self._ends_at = now + MINUTE_SECONDS
        if self._taken >= self._limit:
            return False
        self._taken += 1
        return True

    def seconds_until_refill(self, now: float) -> float:
        """Return how long an empty bucket stays so."""
        return max(0.0, self._ends_at - now)


class FanOuts:
    """Messages to topics and conditions that are still being spread; each takes the same time."""

    def __init__(self, most: int | None, seconds: float) -> None:
        """Allow so many at a time; None allows any number."""
        self._most = most
        self._seconds = seconds
        self._ends: deque[float] = deque()

    def begin(self, now: float) -> bool:
        """Begin one; False when too many are in progress."""
        if self._most is None:
            return True
        while self._ends and self._ends[0] <= now:
            self._ends.popleft()
        if len(self._ends) >= self._most:
            return False
        self._ends.append(now + self._seconds)
        return True
