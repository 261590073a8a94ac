"""The command line: one typer application, one module a command. Those of bench register by entry points."""

from typing import Annotated

import typer

from gateway.cli.check_config import check_config
from gateway.cli.health import health
from gateway.cli.journal import journal
from gateway.cli.registered import CommandGroup
from gateway.cli.send import send
from gateway.cli.serve import serve
from gateway.cli.vapid_keys import vapid_keys

app = typer.Typer(
    name="pushmill",
    cls=CommandGroup,
    help=(
        "A push gateway that you run yourself: notifications in, HTTP/2 out to the providers, "
        "one final result back for every one of them.\n\n"
        "Start with `pushmill demo`, which shows the whole job on this machine. "
        "To run it for real: write a gateway.toml, try it with `pushmill check-config`, start `pushmill serve`, "
        "and send with `pushmill send`.\n\n"
        "Exit codes of every command, beside its own: 2 wrong use, 74 standard output can't be written (a full disk), "
        "130 Ctrl-C, 141 whoever read standard output has gone."
    ),
    no_args_is_help=True,
    # Local variables in a traceback would show payloads, tokens and keys.
    pretty_exceptions_show_locals=False,
    rich_markup_mode="markdown",
)


def _print_version(wanted: bool) -> None:
    from importlib.metadata import version

    if wanted:
        typer.echo(f"pushmill {version('pushmill')}")
        raise typer.Exit


@app.callback()
def _pushmill(
    _version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Hold the options that need no command."""


app.command()(serve)
app.command(name="check-config")(check_config)
app.command()(health)
app.command()(send)
app.command(name="vapid-keys")(vapid_keys)
app.add_typer(journal, name="journal")
