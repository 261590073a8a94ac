"""What a run came to: totals, and for each provider how its notifications ended and how long they took."""

from collections import Counter
from collections.abc import Mapping, Sequence
from math import ceil

import msgspec

from bench.judging.cases import Case, Fault, FaultKind
from bench.judging.history import ProviderName, Receipt
from bench.judging.kills import Toll
from bench.judging.reconciliation import Reconciliation


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """The RESULT line. ``results``: notifications with a final answer, be it a result or a refusal at the door."""

    sent: int
    results: int
    lost: int
    duplicates: int
    mismatches: int
    decrypt_failures: int
    kills: int = 0
    duplicates_bound: int = 0
    """How many requests the gateways may have been uncertain of when they were killed."""
    unknown: int = 0
    """Notifications that ended so, as they asked to; they are among ``results``."""

    @property
    def is_green(self) -> bool:
        """Whether every notification came to its one right end, and to the provider again at most where it may."""
        faults = self.lost + self.mismatches + self.decrypt_failures
        return self.results == self.sent > 0 and not faults and self.duplicates <= self.duplicates_bound


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """How many notifications ended alike; ``reason`` is None where none is needed."""

    outcome: str
    reason: str | None
    notifications: int


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """How fast results came, as the caller saw it."""

    seconds: float
    """From the first submission to the last result."""
    rate: float
    """Results a second."""
    p50_ms: float
    """From the submission of a notification to its result."""
    p99_ms: float


class ProviderReport(msgspec.Struct, frozen=True, kw_only=True):
    """What one provider's notifications came to."""

    provider: ProviderName
    sent: int
    endings: list[Ending]
    retried: int
    pace: Pace | None
    """None without any result."""
    simulator: str
    """The simulator's own summary of what it did."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A run of the demo. ``failures`` are about the run itself: a process died, or nothing moved any more.

    ``pace``, here and for each provider, is that of the first act: in the last one the gateway is away for a while.
    """

    totals: Totals
    providers: list[ProviderReport]
    pace: Pace | None
    tolls: list[Toll]
    """What each kill came to, in their order."""
    faults: list[Fault]
    failures: list[str]

    @property
    def is_green(self) -> bool:
        """Whether the demo showed what it is there to show."""
        is_within_bounds = all(toll.is_within_bound for toll in self.tolls)
        # A fault is none that a kill explains: one alone is too many, however high the bound.
        return self.totals.is_green and is_within_bounds and not self.faults and not self.failures


def make_report(
    reconciliation: Reconciliation,
    *,
    simulators: Mapping[ProviderName, str],
    failures: Sequence[str],
    tolls: Sequence[Toll] = (),
) -> Report:
    """Sum up; ``simulators`` are their own words."""
    cases = reconciliation.cases
    return Report(
        totals=_sum_up(reconciliation, tolls),
        providers=[
            _report_provider(name, [case for case in cases if case.submission.provider is name], simulators[name])
            for name in ProviderName
        ],
        pace=_measure_pace(cases),
        tolls=list(tolls),
        faults=reconciliation.faults,
        failures=list(failures),
    )


def find_quantile(ordered: Sequence[float], share: float) -> float:
    """Return the value that ``share`` of the values don't exceed (nearest rank); there must be one."""
    return ordered[max(0, ceil(share * len(ordered)) - 1)]


def _sum_up(reconciliation: Reconciliation, tolls: Sequence[Toll]) -> Totals:
    cases = reconciliation.cases
    sent_again = sum(toll.sent_again for toll in tolls)
    return Totals(
        sent=len(cases),
        results=reconciliation.answered,
        lost=reconciliation.count(FaultKind.LOST),
        duplicates=reconciliation.count(FaultKind.DUPLICATE) + sent_again,
        mismatches=reconciliation.count(FaultKind.MISMATCH),
        decrypt_failures=reconciliation.count(FaultKind.DECRYPT_FAILURE),
        kills=len(tolls),
        duplicates_bound=sum(toll.bound for toll in tolls),
        unknown=sum(case.is_unknown for case in cases),
    )


def _report_provider(name: ProviderName, cases: Sequence[Case], simulator: str) -> ProviderReport:
    return ProviderReport(
        provider=name,
        sent=len(cases),
        endings=_count_endings(cases),
        retried=sum(case.was_repeated for case in cases),
        pace=_measure_pace(cases),
        simulator=simulator,
    )


def _measure_pace(cases: Sequence[Case]) -> Pace | None:
    received = [(case, case.receipts[0]) for case in cases if case.receipts and not case.submission.is_last_act]
    if not received:
        return None
    waits = sorted((receipt.received_at - case.submission.sent_at) * 1000 for case, receipt in received)
    seconds = _span_seconds(received)
    return Pace(
        seconds=seconds,
        rate=len(received) / seconds,
        p50_ms=find_quantile(waits, 0.50),
        p99_ms=find_quantile(waits, 0.99),
    )


def _span_seconds(received: Sequence[tuple[Case, Receipt]]) -> float:
    return max(receipt.received_at for _, receipt in received) - min(case.submission.sent_at for case, _ in received)


def _count_endings(cases: Sequence[Case]) -> list[Ending]:
    counts = Counter(_ending_of(case) for case in cases)
    return [
        Ending(outcome=outcome, reason=reason, notifications=count) for (outcome, reason), count in counts.most_common()
    ]


def _ending_of(case: Case) -> tuple[str, str | None]:
    if case.receipts:
        return case.receipts[0].outcome, case.receipts[0].reason
    if case.refusal is not None:
        return "refused at the door", case.refusal
    return "no answer", None
