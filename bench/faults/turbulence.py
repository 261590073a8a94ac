"""Sessions that end and streams that are reset in the middle of a long send (P7)."""

from pathlib import Path

import msgspec

from bench.faults.gateway_process import open_place, start_gateway
from bench.faults.shop import open_shop
from bench.judging.findings import Findings, judge
from bench.simulators.apns import ApnsScenario, ApnsSimulatorOptions, open_apns_simulator
from bench.simulators.server import GoawayEvent, Latency, ResetEvent

BATCH_ROWS = 500
LATENCY_SECONDS = 0.02
UNPROCESSED_STREAMS = 20


class Turbulence(msgspec.Struct, frozen=True, kw_only=True):
    """What was done to the sessions, and what came of it."""

    sends: int
    goaways: int
    unprocessed: int
    """Requests that the simulator said it did not process."""
    resets: int
    findings: Findings


async def run_turbulence(
    folder: Path, *, sends: int, goaways: int, resets: int, plant: str | None = None
) -> Turbulence:
    """Send so many notifications while the simulator sends about so many GOAWAYs and resets."""
    events = (
        GoawayEvent(every=sends // goaways, unprocessed=UNPROCESSED_STREAMS),
        ResetEvent(every=2 * sends // resets + 1, code="REFUSED_STREAM"),
        ResetEvent(every=2 * sends // resets - 1, code="INTERNAL_ERROR"),
    )
    latency = Latency(distribution="fixed", seconds=LATENCY_SECONDS)
    options = ApnsSimulatorOptions(scenario=ApnsScenario(latency=latency, events=events))
    async with (
        open_apns_simulator(options) as simulator,
        open_place(folder, simulator) as place,
        start_gateway(place, plant=plant),
        open_shop(place, "turbulence") as shop,
    ):
        for _ in range(sends // BATCH_ROWS):
            await shop.send(BATCH_ROWS)
        await shop.read_results()
        counts = simulator.statistics()
    history = shop.history
    history.ledger = simulator.ledger.entries
    return Turbulence(
        sends=len(history.ledger),
        goaways=counts.goaways,
        unprocessed=counts.unprocessed,
        resets=sum(entry.status is None for entry in history.ledger),
        findings=judge(history),
    )
