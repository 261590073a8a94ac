"""How long to wait before trying again something that keeps failing."""

from collections.abc import Callable


class Backoff:
    """Exponential delays with jitter between a first delay and a ceiling, in seconds.

    The jitter is drawn between the first delay and the grown one, never below the first: APNs may treat quickly
    repeated connections as an attack (docs/apns.md#connections).
    ``uniform`` is a source of randomness with the meaning of :func:`random.uniform`.
    """

    __slots__ = ("_ceiling_seconds", "_failures", "_first_seconds", "_uniform")

    def __init__(self, first_seconds: float, ceiling_seconds: float, uniform: Callable[[float, float], float]) -> None:
        self._first_seconds = first_seconds
        self._ceiling_seconds = ceiling_seconds
        self._uniform = uniform
        self._failures = 0

    def __repr__(self) -> str:
        return f"<Backoff after {self._failures} failures, {self._first_seconds}..{self._ceiling_seconds} s>"

    @property
    def failures(self) -> int:
        """Failures since the last success."""
        return self._failures

    def fail(self) -> float:
        """Count a failure and return the delay before the next try."""
        # 2**30 first delays pass every ceiling; the bound keeps the power a small number after days of failures.
        grown = min(self._ceiling_seconds, self._first_seconds * 2 ** min(self._failures, 30))
        self._failures += 1
        return self._uniform(self._first_seconds, max(self._first_seconds, grown))

    def succeed(self) -> None:
        """Forget all failures."""
        self._failures = 0
