"""What is shown in the end: a table for each provider, the faults, and the one line that machines read."""

from collections.abc import Sequence

import msgspec
import orjson
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from bench.demo.plan import TITLES
from bench.demo.report import Pace, ProviderReport, Report, Totals
from bench.judging.kills import Toll

MOST_FAULTS_SHOWN = 10


def result_line(totals: Totals) -> str:
    """Return the line that scripts look for."""
    numbers = ", ".join(f'"{name}": {number}' for name, number in msgspec.structs.asdict(totals).items())
    return f"RESULT {{{numbers}}}"


def print_report(console: Console, report: Report) -> None:
    """Print everything, the RESULT line last."""
    for provider in report.providers:
        console.print(Group(_endings_table(provider), _figures_table(provider), ""))
    if report.pace is not None:
        console.print(f"All three: {_describe_rate(report.pace)}", highlight=False)
    if report.tolls:
        console.print(Group("", _tolls_table(report.tolls)))
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


def _endings_table(report: ProviderReport) -> Table:
    table = Table(title=f"{TITLES[report.provider]}, as the caller heard it", title_justify="left")
    table.add_column("outcome")
    table.add_column("reason")
    table.add_column("notifications", justify="right")
    for ending in report.endings:
        table.add_row(ending.outcome, ending.reason or "", f"{ending.notifications:,}")
    table.add_section()
    table.add_row("all", "", f"{report.sent:,}")
    return table


def _figures_table(report: ProviderReport) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_row("sent again", f"{report.retried:,} notifications that the provider had not processed")
    if report.pace is not None:
        table.add_row("rate", _describe_rate(report.pace))
        table.add_row("submission to result", f"p50 {report.pace.p50_ms:,.0f} ms, p99 {report.pace.p99_ms:,.0f} ms")
    table.add_row("simulator", report.simulator)
    return table


def _tolls_table(tolls: Sequence[Toll]) -> Table:
    table = Table(title="What each kill came to, in requests", title_justify="left")
    columns = ("kill", "in flight", "just answered", "bound", "sent again", "left unknown", "oldest", "away for")
    for column in columns:
        table.add_column(column, justify="right")
    for number, toll in enumerate(tolls, start=1):
        counts = (number, toll.in_flight, toll.just_answered, toll.bound, toll.sent_again, toll.left_unknown)
        table.add_row(*(f"{count:,}" for count in counts), f"{toll.oldest_ms} ms", f"{toll.restart_seconds:.1f} s")
    return table


def _describe_rate(pace: Pace) -> str:
    return f"{pace.rate:,.0f} results/s over {pace.seconds:.1f} s"
