"""Failures of origins that strangers named: some are told one by one, the others are counted and told once a minute.

Whoever registers Web Push subscriptions names their origins, and a line for each would let him fill the disk.
"""

from collections import Counter
from typing import NamedTuple

TOLD_A_MINUTE = 5
# By the text behind the origin. A fault that names addresses has as many texts as there are addresses.
KINDS_COUNTED = 20


class FailureSum(NamedTuple):
    """What was not told one by one: how many origins began to fail, the most frequent error of theirs, and one lane."""

    origins: int
    error: str
    example: str


class OriginFailures:
    """The failures since the last minute began."""

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._told = 0
        self._origins = 0
        self._kinds: Counter[str] = Counter()
        self._examples: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"<OriginFailures {self._told} told, {self._origins} counted>"

    def is_told(self, lane: str, error: str) -> bool:
        """Take in that ``lane`` began to fail, and return whether that is told at once."""
        if self._told < TOLD_A_MINUTE:
            self._told += 1
            return True
        self._origins += 1
        kind = error.partition(": ")[2] or error
        if kind in self._kinds or len(self._kinds) < KINDS_COUNTED:
            self._kinds[kind] += 1
            self._examples.setdefault(kind, lane)
        return False

    def end_minute(self) -> FailureSum | None:
        """Begin a new minute, and return what of the last one is to be told; None for nothing."""
        summed = None
        if self._origins:
            kind = max(self._kinds, key=self._kinds.__getitem__)
            summed = FailureSum(self._origins, kind, self._examples[kind])
        self._begin()
        return summed
