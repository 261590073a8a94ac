"""What is shown in the end: the table, the faults, and the one line that machines read."""

from collections import Counter
from collections.abc import Sequence
from math import ceil

import msgspec
import orjson
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from bench.demo.cases import Case, Fault, FaultKind
from bench.demo.history import Receipt
from bench.demo.reconcile import Reconciliation

MOST_FAULTS_SHOWN = 10


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """The RESULT line. ``results``: notifications with a final answer, be it a result or a refusal at the door."""

    sent: int
    results: int
    lost: int
    duplicates: int
    mismatches: int

    @property
    def is_green(self) -> bool:
        """Whether every notification came to its one right end."""
        return self.results == self.sent > 0 and not (self.lost or self.duplicates or self.mismatches)


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """How many notifications ended alike; ``reason`` is None where none is needed."""

    outcome: str
    reason: str | None
    notifications: int


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A run of the demo. ``failures`` are about the run itself: a process died, or nothing moved any more."""

    totals: Totals
    endings: list[Ending]
    retried: int
    seconds: float | None
    rate: float | None
    """Results a second, from the first submission to the last result."""
    p50_ms: float | None
    """From the submission of a notification to its result, as the caller saw it."""
    p99_ms: float | None
    simulator: str
    """The simulator's own summary of what it did."""
    faults: list[Fault]
    failures: list[str]

    @property
    def is_green(self) -> bool:
        """Whether the demo showed what it is there to show."""
        return self.totals.is_green and not self.failures


def make_report(reconciliation: Reconciliation, *, simulator: str, failures: Sequence[str]) -> Report:
    """Sum up."""
    received = [(case, case.receipts[0]) for case in reconciliation.cases if case.receipts]
    waits = sorted((receipt.received_at - case.submission.sent_at) * 1000 for case, receipt in received)
    seconds = _span_seconds(received)
    return Report(
        totals=Totals(
            sent=len(reconciliation.cases),
            results=reconciliation.answered,
            lost=reconciliation.count(FaultKind.LOST),
            duplicates=reconciliation.count(FaultKind.DUPLICATE),
            mismatches=reconciliation.count(FaultKind.MISMATCH),
        ),
        endings=_count_endings(reconciliation.cases),
        retried=sum(case.was_repeated for case in reconciliation.cases),
        seconds=seconds,
        rate=len(received) / seconds if seconds else None,
        p50_ms=find_quantile(waits, 0.50),
        p99_ms=find_quantile(waits, 0.99),
        simulator=simulator,
        faults=reconciliation.faults,
        failures=list(failures),
    )


def find_quantile(ordered: Sequence[float], share: float) -> float | None:
    """Return the value that ``share`` of the values don't exceed (nearest rank); None without values."""
    return ordered[max(0, ceil(share * len(ordered)) - 1)] if ordered else None


def result_line(totals: Totals) -> str:
    """Return the line that scripts look for."""
    numbers = ", ".join(f'"{name}": {number}' for name, number in msgspec.structs.asdict(totals).items())
    return f"RESULT {{{numbers}}}"


def print_report(console: Console, report: Report) -> None:
    """Print everything, the RESULT line last."""
    console.print(Group(_endings_table(report), _figures_table(report)))
    for failure in report.failures:
        console.print(Text(failure, style="bold red"), soft_wrap=True)
    for fault in report.faults[:MOST_FAULTS_SHOWN]:
        console.print(Text(f"{fault.kind}: {fault.where} {fault.detail}", style="red"), soft_wrap=True)
    if len(report.faults) > MOST_FAULTS_SHOWN:
        console.print(f"… and {len(report.faults) - MOST_FAULTS_SHOWN} faults more")
    print_line(console, result_line(report.totals))


def print_json(console: Console, report: Report) -> None:
    """Print the whole report as one JSON object in one line."""
    print_line(console, orjson.dumps(msgspec.to_builtins(report)).decode())


def print_line(console: Console, line: str) -> None:
    """Print for machines: neither wrapped nor coloured."""
    console.print(line, markup=False, highlight=False, soft_wrap=True)


def _span_seconds(received: Sequence[tuple[Case, Receipt]]) -> float | None:
    if not received:
        return None
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


def _endings_table(report: Report) -> Table:
    table = Table(title="As the caller heard it", title_justify="left")
    table.add_column("outcome")
    table.add_column("reason")
    table.add_column("notifications", justify="right")
    for ending in report.endings:
        table.add_row(ending.outcome, ending.reason or "", f"{ending.notifications:,}")
    table.add_section()
    table.add_row("all", "", f"{report.totals.sent:,}")
    return table


def _figures_table(report: Report) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_row("sent again", f"{report.retried:,} notifications that the provider had not processed")
    if report.seconds is not None and report.rate is not None:
        table.add_row("rate", f"{report.rate:,.0f} results/s over {report.seconds:.1f} s")
    if report.p50_ms is not None and report.p99_ms is not None:
        table.add_row("submission to result", f"p50 {report.p50_ms:,.0f} ms, p99 {report.p99_ms:,.0f} ms")
    table.add_row("simulator", report.simulator)
    return table
