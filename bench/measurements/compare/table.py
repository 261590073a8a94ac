"""The comparison as a table for people."""

from rich.console import Group
from rich.table import Table
from rich.text import Text

from bench.measurements.compare.report import CompareReport


def compare_tables(report: CompareReport) -> Group:
    """Return each figure of both trees, their ratio with its interval, and what that says."""
    command = " ".join(["pushmill bench", report.bench, *report.arguments])
    table = Table(title=f"{command}, {report.pairs} pairs, {report.machine.processor}", title_justify="left")
    table.add_column("figure")
    for heading in (f"A, {report.a.commit}", f"B, {report.b.commit}", "B ÷ A", "95 % of the time between"):
        table.add_column(heading, justify="right")
    table.add_column("B is")
    if report.limit is not None:
        table.add_column(f"at most {report.limit.most} times")
    for each in report.figures:
        row = [
            each.name,
            f"{each.a:,.4g}",
            f"{each.b:,.4g}",
            f"{each.ratio.median:.3f}",
            f"{each.ratio.low:.3f} to {each.ratio.high:.3f}",
            each.finding,
        ]
        if report.limit is not None:
            row.append(each.against_limit or "")
        table.add_row(*row)
    parts: list[Table | Text] = [table]
    if report.left_out:
        parts.append(Text(f"only in one tree, or 0: {', '.join(report.left_out)}"))
    return Group(*parts)
