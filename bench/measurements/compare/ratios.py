"""From pairs of figures to a ratio with an interval, and to what it says.

The interval is that of the sign test: it lies between two of the ordered ratios and needs nothing to be assumed about
how noise is distributed, only that one pair says nothing about the next. The pairs A B, B A, A B … take a machine that
grows slower or faster out of it.
"""

import math
import statistics
from collections.abc import Sequence
from enum import StrEnum

import msgspec

CONFIDENCE = 0.95
LEAST_PAIRS = 6
"""With fewer not even the whole span of the ratios is a 95 % interval."""


class Ratio(msgspec.Struct, frozen=True, kw_only=True):
    """B over A: the median of the pairs' own ratios, and between which two values the true one is with 95 %."""

    median: float
    low: float
    high: float


class Finding(StrEnum):
    """What an interval says of B against A."""

    DEARER = "dearer"
    CHEAPER = "cheaper"
    NO_DIFFERENCE = "no difference seen"


class LimitFinding(StrEnum):
    """What an interval says of a limit."""

    KEPT = "kept"
    BROKEN = "broken"
    UNDECIDED = "undecided"


def find_ratio(pairs: Sequence[tuple[float, float]]) -> Ratio:
    """Divide B by A in each of at least six pairs of positive figures. Raises ValueError for fewer."""
    if len(pairs) < LEAST_PAIRS:
        raise ValueError(f"{len(pairs)} pairs: an interval needs {LEAST_PAIRS}")
    ratios = sorted(b / a for a, b in pairs)
    outside = _count_outside(len(ratios))
    return Ratio(
        median=round(statistics.median(ratios), 4),
        low=round(ratios[outside], 4),
        high=round(ratios[-1 - outside], 4),
    )


def _count_outside(count: int) -> int:
    """Return how many of the ordered ratios may lie outside the interval on each side.

    The median is below the k-th smallest with the chance that fewer than k of ``count`` fair coins show heads.
    """
    outside = 0
    chance = 0.0
    while True:
        chance += 2 * math.comb(count, outside) / 2**count
        if chance > 1 - CONFIDENCE:
            return outside - 1
        outside += 1


def judge(ratio: Ratio, *, is_cost: bool) -> Finding:
    """Say whether B is dearer: more of a cost, less of a rate."""
    if ratio.low <= 1.0 <= ratio.high:
        return Finding.NO_DIFFERENCE
    return Finding.DEARER if (ratio.low > 1.0) == is_cost else Finding.CHEAPER


def hold_against(ratio: Ratio, most: float, *, is_cost: bool) -> LimitFinding:
    """Say whether B is at most ``most`` times as dear as A; a rate is turned over first."""
    low, high = (ratio.low, ratio.high) if is_cost else (1 / ratio.high, 1 / ratio.low)
    if high <= most:
        return LimitFinding.KEPT
    return LimitFinding.BROKEN if low > most else LimitFinding.UNDECIDED
