"""`pushmill serve`: run the gateway."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator

DEFAULT_CONFIG = Path("/etc/pushmill/gateway.toml")


def serve(
    config: Annotated[
        Path, typer.Option("--config", "-c", help="The settings, a TOML file.", envvar="PUSHMILL_CONFIG")
    ] = DEFAULT_CONFIG,
) -> None:
    """Run the gateway until Ctrl-C or SIGTERM.

    The first signal drains: new batches are refused at once, requests on their way to a provider are awaited (for
    delivery.drain_timeout_seconds at most), results are handed out. What waits stands in the journal
    (journal.directory), and the next start goes on with it; a journal in memory is sent first. A second signal cuts
    what is on its way, and closes the journal as cleanly.

    Exit codes: 0 nothing that was accepted is lost, 1 it could not start, or the journal could not be written any
    more, or work was left behind while the journal is in memory, 2 the settings are wrong.

    Under systemd (NOTIFY_SOCKET) it tells when it is ready and when it stops, and keeps the watchdog.

    Try the settings first with `pushmill check-config`. Every one of them can be overridden by the environment,
    for instance PUSHMILL_LOG__LEVEL=debug.
    """
    import trio

    from gateway.app import run_gateway
    from gateway.config import ConfigError, load_config
    from gateway.errors import GatewayError
    from gateway.telemetry.logs import configure_logs

    try:
        settings = load_config(config, os.environ)
    except ConfigError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None
    configure_logs(settings.log.level, settings.log.format)
    complaints: list[str] = []
    try:
        trio.run(run_gateway, settings)
    except* GatewayError as errors:
        complaints += (f"pushmill: {error}" for error in _flatten(errors))
    if complaints:
        typer.echo("\n".join(complaints), err=True)
        sys.exit(1)


def _flatten(errors: BaseExceptionGroup[Exception]) -> "Iterator[BaseException]":
    """Yield the errors themselves: each nursery that one passed through wrapped it once more."""
    for error in errors.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _flatten(error)
        else:
            yield error
