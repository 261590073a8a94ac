"""The report as tables for people."""

from rich.console import Group
from rich.table import Table

from bench.measurements.whole.report import WholeReport


def whole_tables(report: WholeReport) -> Group:
    """Return what a notification costs, and the longest turns of the loop."""
    costs = Table(title="The whole gateway, from its door to its results", caption=report.machine.processor)
    for heading in ("journal", "batch", "CPU µs a notification", "notifications/s", "turns > 1 ms", "of"):
        costs.add_column(heading, justify="right")
    longest = Table(title="The longest turn of each task, in milliseconds of CPU")
    for heading in ("journal", "batch", "task", "ms"):
        longest.add_column(heading)
    for each in report.figures:
        place = (each.engine, f"{each.batch_rows:,}")
        costs.add_row(
            *place,
            f"{each.cpu_microseconds_per_notification:.1f}",
            f"{each.notifications_per_second:,}",
            f"{each.late_turns:,}",
            f"{each.turns.turns:,}",
        )
        for turn in each.turns.longest[:3]:
            longest.add_row(*place, turn.task, f"{turn.milliseconds:.2f}")
    return Group(costs, longest)
