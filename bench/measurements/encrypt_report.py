"""What the encryption benchmark reports, as data and as tables: rates, ratios of a round, and whether they hold."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec
from rich.console import Group
from rich.table import Table
from rich.text import Text

from bench.measurements.machine import Machine
from bench.measurements.measure import Spread, paired_ratios
from bench.measurements.session_report import Gate

LEAST_RATIOS = {
    "ratio_to_openssl_ecdh_200_bytes": 0.80,
    "ratio_to_openssl_ecdh_3000_bytes": 0.80,
    "burst_ratio_to_openssl_ecdh": 1.0,
    "scaling_of_openssl": 0.90,
    "ratio_to_pywebpush": 2.2,
}


class EncryptRound(msgspec.Struct, frozen=True, kw_only=True):
    """Rates of one round, per second: of CPU time where nothing else is said."""

    openssl_ecdh: float
    encrypt_200_bytes: float
    encrypt_3000_bytes: float
    burst_200_bytes: float
    pywebpush_200_bytes: float
    openssl_ecdh_wall: float
    openssl_ecdh_two_processes_wall: float
    encrypt_200_bytes_wall: float
    encrypt_200_bytes_two_threads_wall: float


class EncryptReport(msgspec.Struct, frozen=True, kw_only=True):
    """The whole outcome; each ratio is the median of the rounds' own, that to OpenSSL the lower of both sizes."""

    ratio_to_openssl_ecdh: float
    burst_ratio_to_openssl_ecdh: float
    scaling_of_openssl: float
    ratio_to_pywebpush: float
    passed: bool
    gates: dict[str, Gate]
    ratios: dict[str, Spread]
    rates: dict[str, Spread]
    rounds: int
    batch_rows: int
    started_at: str
    seconds: float
    machine: Machine


def compare(rounds: Sequence[EncryptRound]) -> dict[str, Spread]:
    """Return every ratio."""

    def column(name: str) -> list[float]:
        return [getattr(one, name) for one in rounds]

    def ratio(top: str, bottom: str) -> Spread:
        return paired_ratios(column(top), column(bottom))

    scaling = [one.encrypt_200_bytes_two_threads_wall / one.encrypt_200_bytes_wall for one in rounds]
    openssl_scaling = [one.openssl_ecdh_two_processes_wall / one.openssl_ecdh_wall for one in rounds]
    return {
        "ratio_to_openssl_ecdh_200_bytes": ratio("encrypt_200_bytes", "openssl_ecdh"),
        "ratio_to_openssl_ecdh_3000_bytes": ratio("encrypt_3000_bytes", "openssl_ecdh"),
        "burst_ratio_to_openssl_ecdh": ratio("burst_200_bytes", "openssl_ecdh"),
        "scaling_of_openssl": paired_ratios(scaling, openssl_scaling),
        "ratio_to_pywebpush": ratio("encrypt_200_bytes", "pywebpush_200_bytes"),
        "scaling": Spread.of(scaling),
        "openssl_scaling": Spread.of(openssl_scaling),
    }


def judge(ratios: Mapping[str, Spread]) -> dict[str, Gate]:
    """Hold each demanded ratio's median to what is demanded."""
    return {
        name: Gate(demanded=least, seen=ratios[name].median, passed=ratios[name].median >= least)
        for name, least in LEAST_RATIOS.items()
    }


def build_report(
    rounds: Sequence[EncryptRound], *, batch_rows: int, machine: Machine, started_at: datetime, seconds: float
) -> EncryptReport:
    """Put everything into one record."""
    ratios = compare(rounds)
    gates = judge(ratios)
    return EncryptReport(
        ratio_to_openssl_ecdh=min(ratios[f"ratio_to_openssl_ecdh_{size}_bytes"].median for size in (200, 3000)),
        burst_ratio_to_openssl_ecdh=ratios["burst_ratio_to_openssl_ecdh"].median,
        scaling_of_openssl=ratios["scaling_of_openssl"].median,
        ratio_to_pywebpush=ratios["ratio_to_pywebpush"].median,
        passed=all(gate.passed for gate in gates.values()),
        gates=gates,
        ratios=ratios,
        rates={name: Spread.of(getattr(one, name) for one in rounds) for name in EncryptRound.__struct_fields__},
        rounds=len(rounds),
        batch_rows=batch_rows,
        started_at=started_at.isoformat(timespec="seconds"),
        seconds=round(seconds, 1),
        machine=machine,
    )


def _rates_table(report: EncryptReport) -> Table:
    table = Table(title=f"Per second, median (least to most) of {report.rounds} rounds", title_justify="left")
    table.add_column("what")
    table.add_column("rate", justify="right")
    for name, rate in report.rates.items():
        table.add_row(name, rate.show(0))
    return table


def _ratios_table(report: EncryptReport) -> Table:
    table = Table(title="Ratios, round by round", title_justify="left")
    table.add_column("figure")
    for heading in ("demanded", "seen", "passed"):
        table.add_column(heading, justify="right")
    for name, ratio in report.ratios.items():
        gate = report.gates.get(name)
        demanded, passed = (f"{gate.demanded:g}", "yes" if gate.passed else "NO") if gate else ("", "")
        table.add_row(name, demanded, ratio.show(2), passed)
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
