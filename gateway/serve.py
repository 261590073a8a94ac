"""The process of `pushmill serve`: settings, logs and the gateway, and nothing of the command line.

`pushmill serve` becomes it by exec, under the same process id: what reads options and prints tables would stay in
memory for as long as the gateway runs, some 10 MiB of it.
"""

import os
import signal
import sys
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import structlog
import trio

from gateway.app import run_gateway
from gateway.config import Config, ConfigError, find_unused_proxy, load_config
from gateway.errors import GatewayError, UnusableFileError
from gateway.telemetry.logs import configure_logs

FAILED = 1
WRONG_SETTINGS = 2


def serve(config: Path) -> int:
    """Run the gateway until it is told to stop; return the exit code that `pushmill serve` documents."""
    # A hang-up before the gateway listens for it: the files are being read anyway.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        settings = load_config(config, os.environ)
    except ConfigError as error:
        return _complain([str(error)], WRONG_SETTINGS)
    configure_logs(settings.log.level, settings.log.format)
    tell_unused_proxy(settings, os.environ)
    complaints: list[str] = []
    status = 0
    try:
        trio.run(partial(run_gateway, settings, read_config=partial(load_config, config, os.environ)))
    except* UnusableFileError as errors:
        complaints += map(str, _flatten(errors))
        status = WRONG_SETTINGS
    except* GatewayError as errors:
        complaints += (f"pushmill: {error}" for error in _flatten(errors))
        status = FAILED
    return _complain(complaints, status)


def tell_unused_proxy(settings: Config, environ: Mapping[str, str]) -> None:
    """Log that the environment names a proxy which isn't used."""
    if (unused := find_unused_proxy(settings, environ)) is not None:
        structlog.get_logger("gateway").warning("proxy_variable_unused", variable=unused.place, detail=unused.detail)


def _complain(complaints: list[str], status: int) -> int:
    for complaint in dict.fromkeys(complaints):  # one failed write is told to many tasks
        sys.stderr.write(f"{complaint}\n")
    return status


def _flatten(errors: BaseExceptionGroup[Exception]) -> Iterator[BaseException]:
    """Yield the errors themselves: each nursery that one passed through wrapped it once more."""
    for error in errors.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _flatten(error)
        else:
            yield error


if __name__ == "__main__":
    sys.exit(serve(Path(sys.argv[1])))
