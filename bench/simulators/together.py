"""All three providers in one process, with one scenario file."""

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from bench.simulators.apns import ApnsScenario, ApnsSimulator, ApnsSimulatorOptions
from bench.simulators.fcm import FcmScenario, FcmSimulator, FcmSimulatorOptions
from bench.simulators.gateway_config import GatewayFiles, write_gateway_files
from bench.simulators.server import Authority, Section, run_simulators
from bench.simulators.webpush import WebPushScenario, WebPushSimulator, WebPushSimulatorOptions


class AllScenarios(Section, frozen=True, kw_only=True):
    """A scenario file with a section for each provider; a provider without one is healthy."""

    apns: ApnsScenario = ApnsScenario()
    fcm: FcmScenario = FcmScenario()
    webpush: WebPushScenario = WebPushScenario()


class AllOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What each of the three is started with."""

    apns: ApnsSimulatorOptions = ApnsSimulatorOptions()
    fcm: FcmSimulatorOptions = FcmSimulatorOptions()
    webpush: WebPushSimulatorOptions = WebPushSimulatorOptions()
    config_file: Path | None = None
    """Gets the settings of a gateway that sends to the three."""
    directory: Path | None = None
    """Where that gateway's socket and journal are going to be, and notifications to try it with."""


class AllSimulators(msgspec.Struct):
    """The three, running."""

    apns: ApnsSimulator
    fcm: FcmSimulator
    webpush: WebPushSimulator
    gateway: GatewayFiles | None = None
    """What was written for a gateway, when that was asked for."""


@asynccontextmanager
async def open_all_simulators(options: AllOptions | None = None) -> AsyncIterator[AllSimulators]:
    """Start all three, and end them with the block; their ledgers are whole then. OSError when one cannot start."""
    chosen = options if options is not None else AllOptions()
    with tempfile.TemporaryDirectory(prefix="pushmill-simulators-") as folder:
        simulators = AllSimulators(
            ApnsSimulator(chosen.apns, Authority(chosen.apns.directory or Path(folder, "apns"))),
            FcmSimulator(chosen.fcm, Authority(chosen.fcm.directory or Path(folder, "fcm"))),
            WebPushSimulator(chosen.webpush, Authority(chosen.webpush.directory or Path(folder, "webpush"))),
        )

        def write_more() -> None:
            if chosen.config_file is not None:
                directory = chosen.directory or Path(folder)
                simulators.gateway = write_gateway_files(simulators, chosen.config_file, directory)

        async with run_simulators(simulators.apns, simulators.fcm, simulators.webpush, write_more=write_more):
            yield simulators
