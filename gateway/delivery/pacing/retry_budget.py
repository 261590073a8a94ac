"""Retries are earned: a lane repeats at most a share of what succeeds, plus a trickle (docs/operations.md#retries).

Without it a provider in trouble gets every request twice, and stays in trouble. A retry that succeeds gives back what
it cost: attempts in vain are what is bounded, and a lane full of retries is soon at its full rate when the provider is.
"""

RETRY_SHARE = 0.2  # of successes
RETRIES_PER_SECOND = 10.0  # so that a lane without any success can still find out that the provider is back


class RetryBudget:
    """A bucket of retries. Times are monotonic seconds handed in."""

    __slots__ = ("_balance", "_ceiling", "_updated_at")

    def __init__(self, now: float, ceiling: float = 1_000.0) -> None:
        # The ceiling bounds the burst after a long good time: about what one session has in flight.
        self._ceiling = ceiling
        self._balance = RETRIES_PER_SECOND
        self._updated_at = now

    def __repr__(self) -> str:
        return f"<RetryBudget {self._balance:.1f} of {self._ceiling:.0f}>"

    def succeed(self, count: int, *, retries: int = 0) -> None:
        """Earn for ``count`` successful attempts; ``retries`` of them were paid for."""
        self._balance = min(self._ceiling, self._balance + RETRY_SHARE * count + retries)

    def spend(self, wanted: int, now: float) -> int:
        """Take up to ``wanted`` retries; return how many were granted."""
        self._refill(now)
        granted = min(wanted, int(self._balance))
        self._balance -= granted
        return granted

    def seconds_until_one(self, now: float) -> float:
        """Return how long until ``spend`` grants one even if nothing succeeds; 0 when it would now."""
        self._refill(now)
        return max(0.0, (1.0 - self._balance) / RETRIES_PER_SECOND)

    def _refill(self, now: float) -> None:
        self._balance = min(self._ceiling, self._balance + (now - self._updated_at) * RETRIES_PER_SECOND)
        self._updated_at = now
