"""What a comparison saw, and what it comes to."""

import statistics
from collections.abc import Mapping, Sequence

import msgspec

from bench.measurements.compare.figures import Figure
from bench.measurements.compare.ratios import Finding, LimitFinding, Ratio, find_ratio, hold_against, judge
from bench.measurements.machine import Machine


class Limit(msgspec.Struct, frozen=True):
    """How many times as dear B may be as A, for the figures whose name has ``part`` in it (all, when empty)."""

    most: float
    part: str = ""


class ComparedFigure(msgspec.Struct, frozen=True, kw_only=True):
    """One figure of both trees: their medians, the pairs as they were measured, their ratio B ÷ A.

    ``against_limit`` is None where no limit was given for it.
    """

    name: str
    is_cost: bool
    a: float
    b: float
    pairs: list[tuple[float, float]]
    ratio: Ratio
    finding: Finding
    against_limit: LimitFinding | None


class ComparedTree(msgspec.Struct, frozen=True, kw_only=True):
    """A tree's folder, and its commit (with a ``+`` where files were changed)."""

    folder: str
    commit: str


class CompareReport(msgspec.Struct, frozen=True, kw_only=True):
    """The whole outcome. ``left_out`` are figures that only one of the trees prints, or that were 0."""

    bench: str
    arguments: list[str]
    a: ComparedTree
    b: ComparedTree
    pairs: int
    limit: Limit | None
    figures: list[ComparedFigure]
    left_out: list[str]
    seconds: float
    machine: Machine

    @property
    def against_limit(self) -> LimitFinding | None:
        """The worst of the figures' findings: broken, undecided, kept; None where no limit was given."""
        findings = {each.against_limit for each in self.figures} - {None}
        return next(
            (each for each in (LimitFinding.BROKEN, LimitFinding.UNDECIDED, LimitFinding.KEPT) if each in findings),
            None,
        )


def compare_figures(
    runs: Sequence[tuple[Sequence[Figure], Sequence[Figure]]], limit: Limit | None
) -> tuple[list[ComparedFigure], list[str]]:
    """Put the figures of all pairs of runs (A, B) beside each other; return them, and the names that were left out."""
    columns: dict[str, list[tuple[float, float]]] = {}
    costs: dict[str, bool] = {}
    names: dict[str, None] = {}
    for a_run, b_run in runs:
        a, b = _by_name(a_run), _by_name(b_run)
        names |= dict.fromkeys([*a, *b])
        for name in a.keys() & b.keys():
            if a[name].value > 0 and b[name].value > 0:
                columns.setdefault(name, []).append((a[name].value, b[name].value))
                costs[name] = a[name].is_cost
    whole = [name for name in names if len(columns.get(name, ())) == len(runs)]
    figures = [_compare(name, columns[name], limit, is_cost=costs[name]) for name in whole]
    return figures, [name for name in names if name not in whole]


def _by_name(run: Sequence[Figure]) -> Mapping[str, Figure]:
    return {figure.name: figure for figure in run}


def _compare(name: str, pairs: list[tuple[float, float]], limit: Limit | None, *, is_cost: bool) -> ComparedFigure:
    ratio = find_ratio(pairs)
    is_limited = limit is not None and limit.part in name
    return ComparedFigure(
        name=name,
        is_cost=is_cost,
        a=round(statistics.median(a for a, _ in pairs), 4),
        b=round(statistics.median(b for _, b in pairs), 4),
        pairs=pairs,
        ratio=ratio,
        finding=judge(ratio, is_cost=is_cost),
        against_limit=hold_against(ratio, limit.most, is_cost=is_cost) if limit is not None and is_limited else None,
    )
