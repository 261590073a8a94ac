"""The session benchmark's report for the eye."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from bench.measurements.measure import Spread
from bench.measurements.session_report import SessionReport


def _spread(spread: Spread, digits: int) -> str:
    """Show a median with its range."""
    return f"{spread.median:,.{digits}f} ({spread.minimum:,.{digits}f} to {spread.maximum:,.{digits}f})"


def _clients_table(report: SessionReport) -> Table:
    table = Table(title=f"One request, median (least to most) of {report.rounds} rounds", title_justify="left")
    table.add_column("client")
    for heading in ("CPU µs", "requests/s", "sink CPU µs", "bytes", "requests", "streams"):
        table.add_column(heading, justify="right")
    for name, figures in report.clients.items():
        table.add_row(
            name,
            _spread(figures.cpu_microseconds_per_request, 2),
            _spread(figures.requests_per_second, 0),
            f"{figures.sink_cpu_microseconds_per_request.median:,.2f}",
            f"{figures.bytes_per_request.median:,.0f}",
            f"{figures.requests_a_round:,}",
            f"{figures.streams:,}",
        )
    return table


def _gates_table(report: SessionReport) -> Table:
    table = Table(title="Their CPU per request over ours, round by round", title_justify="left")
    table.add_column("figure")
    for heading in ("demanded", "seen", "least to most", "passed"):
        table.add_column(heading, justify="right")
    for name, gate in report.gates.items():
        spread = report.ratios.get(name)
        table.add_row(
            name,
            f"{gate.demanded:g}",
            f"{gate.seen:,.2f}",
            f"{spread.minimum:,.2f} to {spread.maximum:,.2f}" if spread else "",
            "yes" if gate.passed else "NO",
        )
    for name in report.ratios.keys() - report.gates.keys():
        spread = report.ratios[name]
        table.add_row(name, "", f"{spread.median:,.2f}", f"{spread.minimum:,.2f} to {spread.maximum:,.2f}", "")
    return table


def session_tables(report: SessionReport) -> Group:
    """Lay out figures, gates and the machine they are from."""
    machine = report.machine
    versions = ", ".join(f"{name} {version}" for name, version in machine.versions.items())
    parts: list[RenderableType] = [
        _clients_table(report),
        _gates_table(report),
        Text(f"{report.started_at}, {report.seconds:.0f} s, {report.void_rounds} void rounds"),
        Text(f"{machine.name}: {machine.cores} cores, {machine.processor}, Linux {machine.kernel}; {versions}"),
    ]
    return Group(*parts)
