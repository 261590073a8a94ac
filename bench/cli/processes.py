"""`pushmill bench soak` and `idle`: whole gateway processes, judged by what they hold."""

from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from bench.measurements.soak import SoakReport

from bench.cli.output import AsJson, print_figures, print_json, progress, run_interruptibly


def soak(
    *,
    as_json: AsJson = False,
    minutes: Annotated[float, typer.Option(min=0.1, max=24 * 60, help="How long each engine is loaded.")] = 10.0,
    engine: Annotated[
        Literal["sqlite", "memory", "both"], typer.Option(help="With the journal, without it, or one after the other.")
    ] = "both",
    per_second: Annotated[
        int, typer.Option("--rate", min=100, max=1_000_000, help="Notifications a second that are demanded.")
    ] = 20_000,
) -> None:
    """Load a gateway for minutes, and see whether its memory or its descriptors grow, or anything is lost or repeated.

    A real `pushmill serve` stands between a caller with batches of 100 and the native sink, which answers one of a
    hundred with 503; results are read and acknowledged. The first three tenths of the time are warm-up; then the median
    of the first tenth is compared with that of the last. Progress goes to stderr every ten seconds. Ctrl-C ends the
    load and reports what was seen; a second one ends at once.

    The exit code is 1 when memory or descriptors grew by more than 5 %, anything was lost or came twice, or the rate
    was missed; 130 after Ctrl-C; 2 when it could not be measured.
    """
    from bench.measurements.soak import SoakError, SoakOptions, run
    from bench.sink import SinkError

    options = SoakOptions(
        seconds=minutes * 60, engines=("sqlite", "memory") if engine == "both" else (engine,), per_second=per_second
    )
    try:
        report = run_interruptibly(lambda: run(options, progress=progress))
    except (SoakError, SinkError) as error:
        typer.echo(f"bench soak: {error}", err=True)
        raise typer.Exit(2) from None
    if as_json:
        print_json(report)
    else:
        _print_soak(report)
    if report.was_interrupted:
        raise typer.Exit(130)
    if not report.passed:
        raise typer.Exit(1)


def _print_soak(report: "SoakReport") -> None:
    from rich.console import Console

    from bench.measurements.soak.table import soak_tables

    Console().print(soak_tables(report))


def idle(
    *,
    as_json: AsJson = False,
    seconds: Annotated[float, typer.Option(min=0, max=3600, help="How long it stands idle before the look.")] = 60.0,
) -> None:
    """Measure the memory of an idle gateway, against a process that only imports the libraries it needs.

    The gateway has a journal on the disk and one app with an APNs key. The exit code is 1 when it takes more than 1.25
    times as much, 2 when it could not be measured.
    """
    from bench.judging.processes import ChildError
    from bench.measurements.idle import run

    try:
        figures = run_interruptibly(lambda: run(seconds))
    except ChildError as error:
        typer.echo(f"bench idle: {error}", err=True)
        raise typer.Exit(2) from None
    if as_json:
        print_json(figures)
    else:
        print_figures("An idle gateway", figures)
    if not figures["passed"]:
        raise typer.Exit(1)
