"""What the session benchmark reports, as data and as tables: figures, ratios, and whether they hold."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from bench.measurements.clients.course import H2_LIBRARY, H2LOAD, H2LOAD_WITHOUT_AUTHORIZATION, HTTPX, NATIVE
from bench.measurements.clients.workload import BODY_BYTES
from bench.measurements.machine import Machine
from bench.measurements.measure import Round, Spread, paired_ratios
from bench.sink import SinkReport

RATIOS = {
    "ratio_to_h2load_cpu": H2LOAD.name,
    "ratio_to_h2load_cpu_without_authorization": H2LOAD_WITHOUT_AUTHORIZATION.name,
    "ratio_to_h2_library": H2_LIBRARY.name,
    "ratio_to_httpx": HTTPX.name,
}
"""Each ratio and whose CPU per request is divided by ours."""

LEAST_RATIOS = {"ratio_to_h2load_cpu": 1.2, "ratio_to_h2_library": 30.0, "ratio_to_httpx": 200.0}
MOST_SINK_MICROSECONDS = 3.0


class ClientFigures(msgspec.Struct, frozen=True, kw_only=True):
    """One client's figures over the rounds."""

    cpu_microseconds_per_request: Spread
    requests_per_second: Spread
    sink_cpu_microseconds_per_request: Spread
    sink_utilisation: Spread
    bytes_per_request: Spread
    requests_a_round: int
    streams: int


class Audit(msgspec.Struct, frozen=True, kw_only=True):
    """What an auditing sink saw of a client."""

    requests: int
    distinct_paths: int
    distinct_apns_ids: int
    body_bytes: int


class Gate(msgspec.Struct, frozen=True, kw_only=True):
    """A demand and what was seen; a ratio must be at least, a cost at most ``demanded``."""

    demanded: float
    seen: float
    passed: bool


class SessionReport(msgspec.Struct, frozen=True, kw_only=True):
    """The whole outcome; every ratio is their CPU per request over ours, the median of the rounds' own ratios."""

    ratio_to_h2load_cpu: float
    ratio_to_h2load_cpu_without_authorization: float
    ratio_to_h2_library: float
    ratio_to_httpx: float
    sink_cpu_microseconds_per_request: float
    passed: bool
    gates: dict[str, Gate]
    ratios: dict[str, Spread]
    wall_rate_ratios: dict[str, Spread]
    clients: dict[str, ClientFigures]
    audits: dict[str, Audit]
    sink: SinkReport
    rounds: int
    void_rounds: int
    body_bytes: int
    started_at: str
    seconds: float
    machine: Machine


def summarise(rounds: Sequence[Round], streams: int) -> ClientFigures:
    """Fold one client's rounds into its figures."""
    return ClientFigures(
        cpu_microseconds_per_request=Spread.of(figures.client_microseconds for figures in rounds),
        requests_per_second=Spread.of(figures.requests_per_second for figures in rounds),
        sink_cpu_microseconds_per_request=Spread.of(figures.sink_microseconds for figures in rounds),
        sink_utilisation=Spread.of(figures.sink_utilisation for figures in rounds),
        bytes_per_request=Spread.of(figures.bytes_per_request for figures in rounds),
        requests_a_round=rounds[0].requests,
        streams=streams,
    )


def compare_cpu(rounds: Mapping[str, Sequence[Round]]) -> dict[str, Spread]:
    """Return their CPU per request over ours, round by round."""
    ours = [figures.client_microseconds for figures in rounds[NATIVE.name]]
    return {
        ratio: paired_ratios([figures.client_microseconds for figures in rounds[name]], ours)
        for ratio, name in RATIOS.items()
    }


def compare_rates(rounds: Mapping[str, Sequence[Round]]) -> dict[str, Spread]:
    """Return our requests per second of wall time over theirs, round by round."""
    ours = [figures.requests_per_second for figures in rounds[NATIVE.name]]
    return {
        name: paired_ratios(ours, [figures.requests_per_second for figures in rounds[name]]) for name in RATIOS.values()
    }


def judge(ratios: Mapping[str, Spread], sink_microseconds: float) -> dict[str, Gate]:
    """Hold medians against what is demanded of them."""
    gates = {
        name: Gate(demanded=least, seen=ratios[name].median, passed=ratios[name].median >= least)
        for name, least in LEAST_RATIOS.items()
    }
    gates["sink_cpu_microseconds_per_request"] = Gate(
        demanded=MOST_SINK_MICROSECONDS, seen=sink_microseconds, passed=sink_microseconds <= MOST_SINK_MICROSECONDS
    )
    return gates


def build_report(
    rounds: Mapping[str, Sequence[Round]],
    *,
    streams: Mapping[str, int],
    void_rounds: int,
    audits: dict[str, Audit],
    sink: SinkReport,
    machine: Machine,
    started_at: datetime,
    seconds: float,
) -> SessionReport:
    """Put everything into one record. The sink's cost is what it costs under the session, its fastest client."""
    ratios = compare_cpu(rounds)
    clients = {name: summarise(figures, streams[name]) for name, figures in rounds.items()}
    sink_microseconds = clients[NATIVE.name].sink_cpu_microseconds_per_request.median
    gates = judge(ratios, sink_microseconds)
    return SessionReport(
        ratio_to_h2load_cpu=ratios["ratio_to_h2load_cpu"].median,
        ratio_to_h2load_cpu_without_authorization=ratios["ratio_to_h2load_cpu_without_authorization"].median,
        ratio_to_h2_library=ratios["ratio_to_h2_library"].median,
        ratio_to_httpx=ratios["ratio_to_httpx"].median,
        sink_cpu_microseconds_per_request=sink_microseconds,
        passed=all(gate.passed for gate in gates.values()),
        gates=gates,
        ratios=ratios,
        wall_rate_ratios=compare_rates(rounds),
        clients=clients,
        audits=audits,
        sink=sink,
        rounds=len(rounds[NATIVE.name]),
        void_rounds=void_rounds,
        body_bytes=BODY_BYTES,
        started_at=started_at.isoformat(timespec="seconds"),
        seconds=round(seconds, 1),
        machine=machine,
    )


def _clients_table(report: SessionReport) -> Table:
    table = Table(title=f"One request, median (least to most) of {report.rounds} rounds", title_justify="left")
    table.add_column("client")
    for heading in ("CPU µs", "requests/s", "sink CPU µs", "bytes", "requests", "streams"):
        table.add_column(heading, justify="right")
    for name, figures in report.clients.items():
        table.add_row(
            name,
            figures.cpu_microseconds_per_request.show(2),
            figures.requests_per_second.show(0),
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
