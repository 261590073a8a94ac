"""SIGTERM under load (P15): how soon a gateway refuses, how it ends, and what the next one finds."""

import random
import signal
import time
from contextlib import suppress
from pathlib import Path

import msgspec
import trio

from bench.faults.gateway_process import open_place, start_gateway
from bench.faults.kill_caller import KillCaller
from bench.faults.kill_loop import finish
from bench.faults.shop import Shop, open_shop
from bench.judging.findings import Findings, History, KillMoment, judge
from bench.simulators.apns import ApnsScenario, ApnsSimulatorOptions, open_apns_simulator
from bench.simulators.server import Latency
from gateway.caller import CallerError

LOAD_SECONDS = 0.6
LATENCY_SECONDS = 0.1
PATIENCE_SECONDS = 90.0
"""A gateway that has not ended by then is ended by the rig, with another exit code."""


class Drain(msgspec.Struct, frozen=True, kw_only=True):
    """What happened from the signal on."""

    seconds_to_refusal: float
    """Until a batch of a connected caller was refused."""
    seconds_to_exit: float
    exit_code: int | None
    findings: Findings
    """Of both lives together; the drain counts as a kill, so its repeats are told."""


async def run_drain(folder: Path, seed: int, *, plant: str | None = None) -> Drain:
    """Load a gateway, ask it to end, start another on the same journal, and judge."""
    history = History()
    caller = KillCaller(history, random.Random(seed))
    latency = Latency(distribution="fixed", seconds=LATENCY_SECONDS)
    options = ApnsSimulatorOptions(scenario=ApnsScenario(latency=latency))
    async with open_apns_simulator(options) as simulator, open_place(folder, simulator) as place:
        async with (
            start_gateway(place, plant=plant) as child,
            open_shop(place, "probe", history) as shop,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(caller.live, place.address)
            await trio.sleep(LOAD_SECONDS)
            signalled_at = time.monotonic()
            child.send_signal(signal.SIGTERM)
            await _send_until_refused(shop)
            refused_at = time.monotonic()
            with trio.move_on_after(PATIENCE_SECONDS):
                await child.wait()
            exited_at = time.monotonic()
            exit_code = await child.wait() if child.has_ended else None
            nursery.cancel_scope.cancel()
        sessions = simulator.statistics().connections
        history.kills.append(KillMoment(point="SIGTERM", at_ms=int(time.time() * 1000), session=sessions))
        caller.sends_new = False
        await finish(place, caller, simulator)
    history.ledger = simulator.ledger.entries
    return Drain(
        seconds_to_refusal=refused_at - signalled_at,
        seconds_to_exit=exited_at - signalled_at,
        exit_code=exit_code,
        findings=judge(history),
    )


async def _send_until_refused(shop: Shop) -> None:
    """Send one notification after the other, each at once when the last one was answered, until one is refused."""
    with suppress(CallerError):
        while True:
            await shop.send(1)
