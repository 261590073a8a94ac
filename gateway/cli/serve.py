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

    The first signal drains: new batches are refused at once, requests on their way to a provider are awaited (for
    delivery.drain_timeout_seconds at most), results are handed out. What waits stands in the journal
    (journal.directory), and the next start goes on with it; a journal in memory is sent first. A second signal cuts
    what is on its way, and closes the journal as cleanly.

    SIGHUP has keys, certificates and CA files read again, and tells which settings wait for a restart.

    Exit codes: 0 nothing that was accepted is lost, 1 it could not start, or the journal could not be written any
    more, or work was left behind while the journal is in memory, 2 the settings are wrong, or a file that
    they name can't be used.

    Under systemd (NOTIFY_SOCKET) it tells when it is ready and when it stops, and keeps the watchdog.

    Try the settings first with `pushmill check-config`. Every one of them can be overridden by the environment,
    for instance PUSHMILL_LOG__LEVEL=debug.
    """
    # The command line would stay in memory for as long as the gateway runs, some 10 MiB of it. -P: a module in the
    # folder in which we happen to be started is not ours.
    os.execv(sys.executable, [sys.executable, "-P", "-m", "gateway.serve", os.fspath(config)])  # noqa: S606 - our own module
