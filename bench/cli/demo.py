"""`pushmill demo`: the main job shown on this machine, from nothing."""

import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.extra import BenchCommand

if TYPE_CHECKING:
    from bench.demo import DemoOptions, Report

demo = typer.Typer(add_completion=False, rich_markup_mode="markdown")

INTERRUPTED = 130  # what a shell reports for a command that Ctrl-C ended


@demo.command(cls=BenchCommand)
def run(
    notifications: Annotated[
        int,
        typer.Option(
            help="How many to send, a third to each provider; the last act adds a third.", min=1, max=1_000_000
        ),
    ] = 30_000,
    kills: Annotated[
        int,
        typer.Option(help="How often the gateway is killed; 0 leaves the last act out.", min=0, max=20),
    ] = 3,
    seed: Annotated[int, typer.Option(help="What notifications are made from: the same seed sends the same.")] = 1,
    batch_size: Annotated[int, typer.Option(help="Notifications in a batch.", min=1, max=1_500)] = 500,
    output: Annotated[
        Path | None, typer.Option(help="Folder for the records of the run; without it a temporary one.")
    ] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep the temporary folder; it is always kept when something is wrong.")
    ] = False,
    json: Annotated[
        bool, typer.Option("--json", help="Print the report as one JSON object instead of tables.")
    ] = False,
    patience: Annotated[
        float, typer.Option(help="Give up after so many seconds without any progress.", min=0.5)
    ] = 15.0,
    plant: Annotated[
        str | None,
        typer.Option(
            help="Self-test: plant a defect in the gateway "
            "(drop-result, send-twice, change-byte, flip-ciphertext, answer-early)."
        ),
    ] = None,
) -> None:
    """Send 40,000 notifications through a gateway, kill it three times, and account for every one.

    Five processes are started: strict simulators of APNs, FCM and Web Push services, which go away and slow down on
    the way, a gateway, and a caller that sends mixed batches over the gateway's socket and reads the results. In the
    last act the gateway is killed in mid-flight and started again on its journal, and the caller sends again what was
    not answered. In the end the caller's own history is reconciled with what the simulators received; the gateway is
    not asked.

    The last line is RESULT with the counts. Exit code 0 means that every notification came to its one right end;
    1 that it did not, or that a process failed. docs/demo.md explains the tables.
    """
    from bench.demo import DEMO_DEFECTS, DemoOptions

    if plant is not None and plant not in DEMO_DEFECTS:
        raise typer.BadParameter(f"no such defect; there are {', '.join(DEMO_DEFECTS)}", param_hint="--plant")
    options = DemoOptions(
        notifications=notifications,
        kills=kills,
        seed=seed,
        batch_size=batch_size,
        plant=plant,
        patience_seconds=patience,
    )
    directory = _make_directory(output)
    report = _run(options, directory)
    if output is None and report.is_green and not keep:
        shutil.rmtree(directory)
    else:
        typer.echo(f"The records of this run are in {directory}", err=True)
    _print(report, as_json=json)  # last, so that its last line is the last one in every log
    sys.exit(0 if report.is_green else 1)


def _make_directory(output: Path | None) -> Path:
    if output is None:
        return Path(tempfile.mkdtemp(prefix="pushmill-demo-"))
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise typer.BadParameter(f"{output}: {error.strerror}: name a folder", param_hint="--output") from None
    return output.resolve()


def _run(options: "DemoOptions", directory: Path) -> "Report":
    import trio
    from rich.console import Console

    from bench.demo import InterruptedRunError, make_display, run_demo

    display = make_display(Console(stderr=True), options.shares)
    try:
        return trio.run(run_demo, options, directory, display)
    except* InterruptedRunError:
        typer.echo(f"pushmill demo: interrupted, every process is stopped; records so far are in {directory}", err=True)
    sys.exit(INTERRUPTED)


def _print(report: "Report", *, as_json: bool) -> None:
    from rich.console import Console

    from bench.demo import print_json, print_report

    (print_json if as_json else print_report)(Console(), report)
