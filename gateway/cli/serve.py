"""`pushmill serve`: run the gateway."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

DEFAULT_CONFIG = Path("/etc/pushmill/gateway.toml")


def serve(
    config: Annotated[
        Path, typer.Option("--config", "-c", help="The settings, a TOML file.", envvar="PUSHMILL_CONFIG")
    ] = DEFAULT_CONFIG,
) -> None:
    """Run the gateway until Ctrl-C or SIGTERM.

    The first signal drains: new batches are refused, what was accepted is sent, results are handed out, and the gateway
    ends with exit code 0 (within delivery.drain_timeout_seconds). A second signal ends it at once.

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
    try:
        trio.run(run_gateway, settings)
    except* GatewayError as errors:
        for each in errors.exceptions:
            typer.echo(f"pushmill: {each}", err=True)
        sys.exit(1)
