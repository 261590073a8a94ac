"""A real gateway whose loop is watched; on SIGUSR1 it counts anew, after SIGTERM it prints its turns as JSON.

python -m bench.measurements.whole.watched_gateway --config gateway.toml
"""

import argparse
import os
import signal
import sys
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import msgspec
import trio

from bench.measurements.whole.turns import TurnCounter
from gateway.app import run_gateway
from gateway.config import Config, load_config
from gateway.telemetry.logs import configure_logs


async def _forget_when_told(signals: AsyncIterator[int], counter: TurnCounter) -> None:
    async for _ in signals:
        counter.forget()


async def _run(settings: Config, counter: TurnCounter) -> None:
    with trio.open_signal_receiver(signal.SIGUSR1) as signals:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_forget_when_told, signals, counter)
            await run_gateway(settings)
            nursery.cancel_scope.cancel()


def main() -> None:
    """Run until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m bench.measurements.whole.watched_gateway", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="the gateway's settings")
    arguments = parser.parse_args()
    settings = load_config(arguments.config, os.environ)
    configure_logs(settings.log.level, settings.log.format)
    counter = TurnCounter()
    try:
        trio.run(partial(_run, settings, counter), instruments=[counter])
    finally:
        sys.stdout.buffer.write(msgspec.json.encode(counter.count()) + b"\n")


if __name__ == "__main__":
    main()
