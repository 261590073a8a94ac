"""What all of `pushmill bench` share: how they are ended, and how they print."""

import sys
from collections.abc import Callable, Mapping
from typing import Annotated, TypeVar

import typer

_Outcome = TypeVar("_Outcome")

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout instead of a table.")]


def run_interruptibly(job: Callable[[], _Outcome]) -> _Outcome:
    """Run to the end, or leave quietly on Ctrl-C or SIGTERM: whatever was started has been ended by then."""
    import signal

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return job()
    except KeyboardInterrupt:
        typer.echo("interrupted", err=True)
        raise typer.Exit(130) from None


def progress(line: str) -> None:
    """Tell a line on stderr."""
    typer.echo(line, err=True)


def print_json(record: object) -> None:
    """Print one JSON object on stdout."""
    import msgspec

    sys.stdout.write(msgspec.json.encode(record).decode() + "\n")


def print_figures(title: str, figures: Mapping[str, object]) -> None:
    """Print names and values as a table."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, title_justify="left", show_header=False)
    for name, value in figures.items():
        table.add_row(name, f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value))
    Console().print(table)
