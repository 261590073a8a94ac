"""Peers that are half there (P22), which the gateway is to find out.

One is gone without a word: the proxy swallows a session's bytes, under load or while it was idle. One is there, answers
PING, and serves nothing.
"""

import math
from collections.abc import Sequence
from pathlib import Path

import msgspec
import trio

from bench.faults.gateway_process import open_place, start_gateway
from bench.faults.proxy import open_proxy
from bench.faults.shop import PATIENCE_SECONDS, open_shop
from bench.judging.findings import Findings, judge
from bench.simulators.apns import ApnsScenario, ApnsSimulatorOptions, open_apns_simulator
from bench.simulators.server import CommonEvent

ROWS = 100


class BlackHole(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a batch on a session that swallows it, or serves nothing."""

    connections: int
    seconds_to_another: float
    """From sending the batch until another session was opened; infinite when none was."""
    seconds_to_finish: float
    """Until its last result, after the first delay of a retry."""
    findings: Findings
    uncertain: int
    """Attempts of the batch that may have reached somebody."""


async def find_black_hole(
    folder: Path,
    *,
    ping_after_seconds: float = 10.0,
    idle_seconds: float = 0.0,
    patience_seconds: float = PATIENCE_SECONDS,
) -> BlackHole:
    """Warm a session up, swallow it, send a batch, and wait for its results as long as patience goes.

    With ``idle_seconds`` the batch comes so long after, and a session that was idle for half of it is doubted.
    """
    settings = {"ping_after_seconds": ping_after_seconds}
    if idle_seconds:
        settings["idle_ping_seconds"] = idle_seconds / 2
    return await _look(folder, settings, patience_seconds, idle_seconds=idle_seconds)


async def find_idler(
    folder: Path, *events: CommonEvent, stall_after_seconds: float = 15.0, patience_seconds: float = PATIENCE_SECONDS
) -> BlackHole:
    """Send a batch to a server on which ``events`` keep the first session from being served."""
    settings = {"stall_after_seconds": stall_after_seconds, "stream_timeout_seconds": 2 * stall_after_seconds}
    return await _look(folder, settings, patience_seconds, events=events)


async def _look(
    folder: Path,
    settings: dict[str, float],
    patience_seconds: float,
    *,
    idle_seconds: float = 0.0,
    events: Sequence[CommonEvent] = (),
) -> BlackHole:
    sections = {
        "apns": {**settings, "most_sessions": 1},
        # One that does not find it out would wait for it at its end, too.
        "delivery": {"drain_timeout_seconds": 0.5},
    }
    options = ApnsSimulatorOptions(scenario=ApnsScenario(events=tuple(events)))
    async with (
        open_apns_simulator(options) as simulator,
        open_proxy(simulator.port) as proxy,
        open_place(folder, simulator, port=proxy.port, **sections) as place,
        start_gateway(place),
        open_shop(place, "half-open") as shop,
    ):
        if not events:
            await shop.send(ROWS)
            await shop.read_results()
            proxy.black_hole()
            await trio.sleep(idle_seconds)
        sent_at = trio.current_time()
        await shop.send(ROWS)
        await shop.read_results(patience_seconds)
        seconds = trio.current_time() - sent_at
    shop.history.ledger = simulator.ledger.entries
    return BlackHole(
        connections=proxy.connections,
        seconds_to_another=proxy.connected_at[1] - sent_at if proxy.connections > 1 else math.inf,
        seconds_to_finish=seconds,
        findings=judge(shop.history),
        uncertain=sum(result.uncertain_attempts for result in shop.history.results),
    )
