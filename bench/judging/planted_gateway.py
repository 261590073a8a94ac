"""A real gateway with one planted defect: what turns the demo or a promise's test red.

python -m bench.judging.planted_gateway --config gateway.toml --plant send-twice
"""

import argparse
import os
from functools import partial
from pathlib import Path

import trio

from bench.judging.defects import DEFECTS, plant_in_encryptor, plant_in_engine
from gateway.app import run_gateway
from gateway.config import load_config
from gateway.telemetry.logs import configure_logs


def main() -> None:
    """Run until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m bench.judging.planted_gateway", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="the gateway's settings")
    parser.add_argument("--plant", choices=sorted(DEFECTS), required=True, help="the defect")
    arguments = parser.parse_args()
    settings = load_config(arguments.config, os.environ)
    configure_logs(settings.log.level, settings.log.format)
    gateway = partial(
        run_gateway,
        settings,
        wrap_engine=partial(plant_in_engine, arguments.plant),
        wrap_encryptor=partial(plant_in_encryptor, arguments.plant),
    )
    trio.run(gateway)


if __name__ == "__main__":
    main()
