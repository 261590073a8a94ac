"""What a run came to: totals, and for each provider how its notifications ended and how long they took."""

from collections import Counter
from collections.abc import Mapping, Sequence
from math import ceil

import msgspec

from bench.demo.cases import Case, Fault, FaultKind
from bench.demo.history import Receipt
from bench.demo.plan import ProviderName
from bench.demo.reconcile import Reconciliation


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """The RESULT line. ``results``: notifications with a final answer, be it a result or a refusal at the door."""

    sent: int
    results: int
    lost: int
    duplicates: int
    mismatches: int
    decrypt_failures: int

    @property
    def is_green(self) -> bool:
        """Whether every notification came to its one right end."""
        faults = self.lost + self.duplicates + self.mismatches + self.decrypt_failures
        return self.results == self.sent > 0 and not faults


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
    """A run of the demo. ``failures`` are about the run itself: a process died, or nothing moved any more."""

    totals: Totals
    providers: list[ProviderReport]
    pace: Pace | None
    faults: list[Fault]
    failures: list[str]

    @property
    def is_green(self) -> bool:
        """Whether the demo showed what it is there to show."""
        return self.totals.is_green and not self.failures


def make_report(
    reconciliation: Reconciliation, *, simulators: Mapping[ProviderName, str], failures: Sequence[str]
) -> Report:
    """Sum up; ``simulators`` are their own words."""
    cases = reconciliation.cases
    return Report(
        totals=Totals(
            sent=len(cases),
            results=reconciliation.answered,
            **{kind.value: reconciliation.count(kind) for kind in FaultKind},
        ),
        providers=[
            _report_provider(name, [case for case in cases if case.submission.provider is name], simulators[name])
            for name in ProviderName
        ],
        pace=_measure_pace(cases),
        faults=reconciliation.faults,
        failures=list(failures),
    )


def find_quantile(ordered: Sequence[float], share: float) -> float:
    """Return the value that ``share`` of the values don't exceed (nearest rank); there must be one."""
    return ordered[max(0, ceil(share * len(ordered)) - 1)]


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
    received = [(case, case.receipts[0]) for case in cases if case.receipts]
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
