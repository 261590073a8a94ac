"""How many requests a second a quota allows: spent evenly, approached slowly, halved when the provider says so.

Google asks for all three (docs/fcm.md#limits): not a minute's quota in its first second, a minute from
idle to the full rate, and less after a 429. Time that is not used is not saved up, beyond a tenth of a second.
"""

import msgspec

BURST_SECONDS = 0.1
# Idle for so long, a sender begins again from the bottom of the ramp.
IDLE_SECONDS = 60.0
FIRST_SHARE = 0.1  # of the full rate, at the bottom of the ramp
SLOWED_SHARE = 0.5
# The way back after a refusal: 5 % of the full rate every ten seconds.
RECOVERY_PER_SECOND = 0.005
LEAST_SHARE = 0.01


class RateLimits(msgspec.Struct, frozen=True, kw_only=True):
    """``per_second`` at most; ``ramp_seconds`` from idle to it, 0 for at once."""

    per_second: float
    ramp_seconds: float


class Rate:
    """One quota. Not a task: lanes ask. Times are monotonic seconds handed in."""

    __slots__ = ("_balance", "_limits", "_refused_at", "_share", "_updated_at", "_used_at")

    def __init__(self, limits: RateLimits, now: float) -> None:
        self._limits = limits
        self._share = FIRST_SHARE if limits.ramp_seconds else 1.0
        self._balance = 1.0
        self._updated_at = self._used_at = now
        self._refused_at = float("-inf")

    def __repr__(self) -> str:
        return f"<Rate {self.per_second:.0f}/s of {self._limits.per_second:.0f}/s>"

    @property
    def per_second(self) -> float:
        """What is allowed now."""
        return self._limits.per_second * self._share

    def spend(self, wanted: int, now: float) -> int:
        """Take up to ``wanted`` requests; return how many may go."""
        self._refill(now)
        granted = min(wanted, int(self._balance))
        self._balance -= granted
        self._used_at = now
        return granted

    def give_back(self, count: int) -> None:
        """Return requests that were granted and not sent."""
        self._balance += count

    def seconds_until_one(self, now: float) -> float:
        """Return how long until ``spend`` grants one; 0 when it would now."""
        self._refill(now)
        return max(0.0, (1.0 - self._balance) / self.per_second)

    def slow(self, now: float) -> None:
        """Halve the rate: the quota is used up. Answers to requests of the same second count as one refusal."""
        self._refill(now)
        if now - self._refused_at < 1.0:
            return
        self._refused_at = now
        self._share = max(LEAST_SHARE, self._share * SLOWED_SHARE)
        self._balance = min(self._balance, 0.0)

    def _refill(self, now: float) -> None:
        elapsed = now - self._updated_at
        self._updated_at = now
        if now - self._used_at >= IDLE_SECONDS and self._limits.ramp_seconds:
            self._share = min(self._share, FIRST_SHARE)
        else:
            self._share = min(1.0, self._share + elapsed * self._climb_per_second(now))
        most = max(1.0, self.per_second * BURST_SECONDS)
        self._balance = min(most, self._balance + elapsed * self.per_second)

    def _climb_per_second(self, now: float) -> float:
        """Return the share regained a second: by the ramp, or by the slower way back after a refusal."""
        if self._refused_at > float("-inf") and now - self._refused_at < 1.0 / RECOVERY_PER_SECOND:
            return RECOVERY_PER_SECOND
        return (1.0 - FIRST_SHARE) / self._limits.ramp_seconds if self._limits.ramp_seconds else 1.0
