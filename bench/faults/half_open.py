"""A peer that is gone without a word (P22): the proxy swallows a session's bytes, and the gateway is to find it out."""

import math
from pathlib import Path

import msgspec
import trio

from bench.faults.gateway_process import open_place, start_gateway
from bench.faults.history import Findings, judge
from bench.faults.proxy import open_proxy
from bench.faults.shop import PATIENCE_SECONDS, open_shop
from bench.simulators.apns import open_apns_simulator

ROWS = 100


class BlackHole(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a batch on a session that swallows it."""

    connections: int
    seconds_to_another: float
    """From sending the batch until another session was opened; infinite when none was."""
    seconds_to_finish: float
    """Until its last result, after the first delay of a retry."""
    findings: Findings


async def find_black_hole(
    folder: Path, *, ping_after_seconds: float = 10.0, patience_seconds: float = PATIENCE_SECONDS
) -> BlackHole:
    """Warm a session up, swallow it, send a batch, and wait for its results as long as patience goes."""
    sections = {
        "apns": {"ping_after_seconds": ping_after_seconds, "most_sessions": 1},
        # One that does not find it out would wait for it at its end, too.
        "delivery": {"drain_timeout_seconds": 0.5},
    }
    async with (
        open_apns_simulator() as simulator,
        open_proxy(simulator.port) as proxy,
        open_place(folder, simulator, port=proxy.port, **sections) as place,
        start_gateway(place),
        open_shop(place, "half-open") as shop,
    ):
        await shop.send(ROWS)
        await shop.read_results()
        proxy.black_hole()
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
    )
