"""`pushmill bench`: measurements that print what they saw, on which machine."""

from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli.compare import compare
from bench.cli.output import AsJson, print_figures, print_json, progress, run_interruptibly
from bench.cli.processes import idle, soak
from gateway.cli.extra import BenchCommand

if TYPE_CHECKING:
    from bench.measurements.encrypt_report import EncryptReport
    from bench.measurements.journal import JournalReport
    from bench.measurements.session_report import SessionReport
    from bench.measurements.whole import WholeReport

bench = typer.Typer(
    help=(
        "Measure this build on this machine. Load goes to loopback only. "
        "Each bench answers one question; docs/benchmarks.md says how to read it."
    ),
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
)
bench.command(cls=BenchCommand)(soak)
bench.command(cls=BenchCommand)(idle)
bench.command(cls=BenchCommand, context_settings={"allow_extra_args": True})(compare)


@bench.command(cls=BenchCommand)
def session(
    *,
    as_json: AsJson = False,
    rounds: Annotated[int, typer.Option(min=1, max=50, help="Valid rounds; in each every client runs once.")] = 9,
    requests: Annotated[
        int,
        typer.Option(
            min=1_000, max=2_000_000, help="Measured requests a round of the fast clients; slow ones send a share."
        ),
    ] = 200_000,
    streams: Annotated[
        int, typer.Option(min=1, max=10_000, help="Streams open at a time, and what the sink's SETTINGS allow.")
    ] = 1_000,
) -> None:
    """Compare the CPU a request costs through our HTTP/2 session with h2load, the h2 library and httpx.

    All of them send the same pushes over one TLS 1.3 connection to a native sink on the other core. That takes about
    a minute, two cores and h2load (Debian: nghttp2-client). Progress goes to stderr; the exit code is 1 when a gate
    is missed.
    """
    from bench.measurements.clients.h2load import H2loadMissingError
    from bench.measurements.measure import MeasurementError
    from bench.measurements.session import run
    from bench.sink import SinkError

    try:
        report = run_interruptibly(lambda: run(rounds=rounds, requests=requests, streams=streams, progress=progress))
    except (H2loadMissingError, MeasurementError, SinkError) as error:
        typer.echo(f"bench session: {error}", err=True)
        raise typer.Exit(2) from None
    if as_json:
        print_json(report)
    else:
        _print_session_table(report)
    if not report.passed:
        raise typer.Exit(1)


@bench.command(cls=BenchCommand)
def queued(
    *,
    as_json: AsJson = False,
    rows: Annotated[int, typer.Option(min=1_000, max=10_000_000, help="How many notifications to queue.")] = 1_000_000,
    in_memory: Annotated[
        bool, typer.Option("--in-memory", help='With journal.engine = "memory", not "sqlite".')
    ] = False,
) -> None:
    """Measure the memory that queued notifications of one shared payload take above an idle engine, and retries.

    Runs in a fresh process and takes a minute for a million. The exit code is 1 when a limit is passed.
    """
    import subprocess

    from bench.measurements.queued import run

    try:
        figures = run_interruptibly(lambda: run(rows, "memory" if in_memory else "sqlite"))
    except subprocess.CalledProcessError as error:
        typer.echo(f"bench queued: the measuring process ended with status {error.returncode}", err=True)
        raise typer.Exit(2) from None
    if as_json:
        print_json(figures)
    else:
        print_figures("Memory of queued notifications", figures)
    if not figures["passed"]:
        raise typer.Exit(1)


@bench.command(cls=BenchCommand)
def journal(
    *,
    as_json: AsJson = False,
    rounds: Annotated[int, typer.Option(min=1, max=50, help="In each round both run once.")] = 5,
    seconds: Annotated[float, typer.Option(min=0.2, max=30, help="How long each runs in a round.")] = 2.0,
) -> None:
    """Compare what the journal takes in with a table of one row a notification; then slow the disk down.

    Every run is a fresh process on a fresh journal in the temporary folder (TMPDIR chooses the disk). With the defaults
    it takes about two minutes, and a C compiler for the slow disk. Progress goes to stderr; the exit code is 1 when
    the gate is missed.
    """
    from bench.faults.shim import ShimError
    from bench.measurements.journal import run
    from bench.measurements.measure import MeasurementError

    try:
        report = run_interruptibly(lambda: run(rounds=rounds, seconds=seconds, progress=progress))
    except (MeasurementError, ShimError) as error:
        typer.echo(f"bench journal: {error}", err=True)
        raise typer.Exit(2) from None
    if as_json:
        print_json(report)
    else:
        _print_journal_figures(report)
    if not report.passed:
        raise typer.Exit(1)


@bench.command(cls=BenchCommand)
def recovery(
    *,
    as_json: AsJson = False,
    rows: Annotated[int, typer.Option(min=1_000, max=10_000_000, help="How many are queued at the crash.")] = 1_000_000,
) -> None:
    """Measure how soon a killed gateway's journal accepts again, what that takes in memory, and how soon it is sent.

    The last is seen at a whole gateway between that journal and the native sink. The journal is in the temporary folder
    (TMPDIR chooses the disk). The exit code is 1 when a limit is passed.
    """
    from bench.measurements.recovery import RecoveryError, run

    try:
        figures = run_interruptibly(lambda: run(rows))
    except RecoveryError as error:
        typer.echo(f"bench recovery: {error}", err=True)
        raise typer.Exit(2) from None
    if as_json:
        print_json(figures)
    else:
        print_figures("A start on what a killed process left", figures)
    if not figures["passed"]:
        raise typer.Exit(1)


@bench.command(cls=BenchCommand)
def encrypt(
    *,
    as_json: AsJson = False,
    rounds: Annotated[int, typer.Option(min=1, max=50, help="In each round everyone runs once.")] = 7,
    seconds: Annotated[int, typer.Option(min=1, max=30, help="How long each runs in a round.")] = 3,
) -> None:
    """Compare encrypting Web Push messages with OpenSSL's bare key agreement and with pywebpush.

    Each message has a fresh key and salt. That takes about half a minute a round, two cores and the openssl program.
    Progress goes to stderr; the exit code is 1 when a gate is missed.
    """
    from bench.measurements.encrypt import run
    from bench.measurements.measure import MeasurementError

    try:
        report = run_interruptibly(lambda: run(rounds=rounds, seconds=seconds, progress=progress))
    except MeasurementError as error:
        typer.echo(f"bench encrypt: {error}", err=True)
        raise typer.Exit(2) from None
    if as_json:
        print_json(report)
    else:
        _print_encrypt_tables(report)
    if not report.passed:
        raise typer.Exit(1)


@bench.command(cls=BenchCommand)
def gateway(
    *,
    as_json: AsJson = False,
    notifications: Annotated[
        int, typer.Option(min=10_000, max=5_000_000, help="How many are measured for each journal and size of batch.")
    ] = 200_000,
    calls: Annotated[
        bool, typer.Option("--calls", help="Count Python calls up to the append of a batch instead; no load.")
    ] = False,
) -> None:
    """Measure what a notification costs the whole gateway, from its door to its result, and its loop's longest turns.

    A real gateway process stands between a caller and the native sink, once for each journal (memory, sqlite) and for
    batches of 100 and of 10,000. That takes about half a minute. Progress goes to stderr.
    """
    from bench.judging.processes import ChildError
    from bench.measurements.whole import count_calls, run
    from bench.sink import SinkError

    if calls:
        counted = count_calls()
        if as_json:
            print_json(counted)
        else:
            typer.echo(f"{counted.calls_per_notification} calls a notification, batches of {counted.batch_rows:,}")
        return
    try:
        report = run_interruptibly(lambda: run(notifications=notifications, progress=progress))
    except (ChildError, SinkError) as error:
        typer.echo(f"bench gateway: {error}", err=True)
        raise typer.Exit(2) from None
    if as_json:
        print_json(report)
    else:
        _print_whole_tables(report)


def _print_session_table(report: "SessionReport") -> None:
    from rich.console import Console

    from bench.measurements.session_report import session_tables

    Console().print(session_tables(report))


def _print_encrypt_tables(report: "EncryptReport") -> None:
    from rich.console import Console

    from bench.measurements.encrypt_report import encrypt_tables

    Console().print(encrypt_tables(report))


def _print_whole_tables(report: "WholeReport") -> None:
    from rich.console import Console

    from bench.measurements.whole.table import whole_tables

    Console().print(whole_tables(report))


def _print_journal_figures(report: "JournalReport") -> None:
    ratio = report.ratio_to_row_per_notification
    figures: dict[str, object] = {
        "ratio_to_row_per_notification": (
            f"{ratio.median} ({ratio.minimum} to {ratio.maximum}), demanded ≥ {report.least_ratio}"
        )
    }
    for size, rate in report.rate_by_batch_size.items():
        figures[f"notifications/s, batches of {size:,}"] = int(rate)
    for size, rate in report.rate_by_batch_size_with_slow_flush.items():
        figures[f"the same, {report.slow_flush_ms} ms a flush, batches of {size:,}"] = int(rate)
    for share, size_bytes in report.written_bytes_by_retried_share.items():
        figures[f"bytes written a notification, {share:.0%} tried twice"] = size_bytes
    print_figures("The journal", figures)
