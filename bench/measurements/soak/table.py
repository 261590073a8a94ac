"""The report as a table for people."""

from rich.console import Group
from rich.table import Table

from bench.measurements.soak.report import SoakReport
from bench.measurements.soak.samples import Drift


def soak_tables(report: SoakReport) -> Group:
    """Return what each engine's gateway held at the beginning and at the end, and what is out of bounds."""
    table = Table(title="A gateway under steady load", caption=report.machine.processor)
    for heading in ("journal", "minutes", "notifications/s", "CPU µs each", "memory, MiB", "descriptors", "waiting"):
        table.add_column(heading, justify="right")
    for heading in ("results", "tried twice", "lost", "twice", "keys", "bytes a key"):
        table.add_column(heading, justify="right")
    for run in report.runs:
        table.add_row(
            run.engine,
            f"{run.seconds / 60:.1f}",
            f"{run.rate_per_second:,.0f}",
            f"{run.cpu_microseconds_per_notification:.1f}",
            _describe(run.rss, 2**20),
            _describe(run.descriptors, 1),
            _describe(run.without_result, 1),
            f"{run.results:,}",
            f"{run.retried:,}",
            f"{run.lost:,}",
            f"{run.duplicates:,}",
            f"{run.keys:,}",
            "unknown" if run.bytes_a_key is None else f"{run.bytes_a_key:,.0f}",
        )
    return Group(table, *(f"out of bounds: {miss}" for miss in report.misses))


def _describe(drift: Drift | None, unit: int) -> str:
    if drift is None:
        return "unknown"
    return f"{drift.before / unit:,.1f} → {drift.after / unit:,.1f} ({drift.share:+.1%})"
