"""The encryption benchmark's report for the eye."""

from rich.console import Group
from rich.table import Table
from rich.text import Text

from bench.measurements.encrypt_report import EncryptReport
from bench.measurements.measure import Spread


def _spread(spread: Spread, digits: int) -> str:
    """Show a median with its range."""
    return f"{spread.median:,.{digits}f} ({spread.minimum:,.{digits}f} to {spread.maximum:,.{digits}f})"


def _rates_table(report: EncryptReport) -> Table:
    table = Table(title=f"Per second, median (least to most) of {report.rounds} rounds", title_justify="left")
    table.add_column("what")
    table.add_column("rate", justify="right")
    for name, rate in report.rates.items():
        table.add_row(name, _spread(rate, 0))
    return table


def _ratios_table(report: EncryptReport) -> Table:
    table = Table(title="Ratios, round by round", title_justify="left")
    table.add_column("figure")
    for heading in ("demanded", "seen", "passed"):
        table.add_column(heading, justify="right")
    for name, ratio in report.ratios.items():
        gate = report.gates.get(name)
        demanded, passed = (f"{gate.demanded:g}", "yes" if gate.passed else "NO") if gate else ("", "")
        table.add_row(name, demanded, _spread(ratio, 2), passed)
    return table


def encrypt_tables(report: EncryptReport) -> Group:
    """Lay out rates, ratios and the machine they are from."""
    machine = report.machine
    versions = ", ".join(f"{name} {version}" for name, version in machine.versions.items())
    return Group(
        _rates_table(report),
        _ratios_table(report),
        Text(f"{report.started_at}, {report.seconds:.0f} s, batches of {report.batch_rows}"),
        Text(f"{machine.name}: {machine.cores} cores, {machine.processor}, Linux {machine.kernel}; {versions}"),
    )
