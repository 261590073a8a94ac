"""P22: a peer that is gone without a word is found, and what was on its way to it is sent again or told as unknown."""

import math

import pytest
import trio

from bench.faults.gateway_process import open_place, start_gateway
from bench.faults.half_open import ROWS, BlackHole, find_black_hole, find_idler
from bench.faults.proxy import open_proxy
from bench.faults.shop import open_shop
from bench.judging.findings import judge
from bench.simulators.apns import open_apns_simulator
from bench.simulators.server import SilenceEvent, StreamLimitEvent

pytestmark = pytest.mark.long

CUTS = 2
PING_AFTER_SECONDS = 0.5
# Replaced 5 s after an unanswered ping; the rest is for a crowded machine, and ends before a session that answers
# nothing is replaced for that alone, after 15 s.
LONGEST_SECONDS = PING_AFTER_SECONDS + 5.0 + 8.0


@pytest.fixture(scope="module")
def black_holes(tmp_path_factory) -> list[BlackHole]:
    """Return what a gateway makes of a black hole, and one that never asks whether its peer is there; side by side."""
    seen = {}

    async def look(name: str, ping_after_seconds: float) -> None:
        seen[name] = await find_black_hole(
            tmp_path_factory.mktemp(name), ping_after_seconds=ping_after_seconds, patience_seconds=LONGEST_SECONDS
        )

    async def look_at_both() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(look, "asks", PING_AFTER_SECONDS)
            nursery.start_soon(look, "never-asks", 3600.0)

    trio.run(look_at_both)
    return [seen["asks"], seen["never-asks"]]


def test_a_black_hole_is_found_and_what_was_in_it_is_sent_again(black_holes):
    seen = black_holes[0]
    assert seen.connections == 2
    assert list(seen.findings.failures()) == []


@pytest.mark.planted("P22", "never-ask")
def test_a_gateway_that_never_asks_whether_its_peer_is_there_is_found_out(black_holes):
    seen = black_holes[1]
    assert seen.connections == 1
    assert len(seen.findings.lost) == 100


async def test_a_session_that_was_forgotten_while_idle_takes_no_row(tmp_path):
    seen = await find_black_hole(tmp_path, idle_seconds=1.0)
    assert seen.connections == 2
    assert list(seen.findings.failures()) == []
    assert seen.uncertain == 0


@pytest.mark.parametrize(
    ("event", "uncertain"),
    [
        (SilenceEvent(every=1, connection=1), ROWS),  # all were written, and may have arrived
        (StreamLimitEvent(at_request=1, connection=1, limit=0), 0),
    ],
    ids=["answers_pings_only", "allows_no_streams"],
)
async def test_a_session_that_serves_nothing_is_found_and_what_waits_goes_over_another(tmp_path, event, uncertain):
    seen = await find_idler(tmp_path, event, stall_after_seconds=1.0)
    assert seen.connections == 2
    assert list(seen.findings.failures()) == []
    assert seen.uncertain == uncertain
    assert seen.seconds_to_another < seen.seconds_to_finish


async def test_what_comes_byte_by_byte_is_understood(tmp_path):
    async with (
        open_apns_simulator() as simulator,
        open_proxy(simulator.port) as proxy,
        open_place(tmp_path, simulator, port=proxy.port) as place,
        start_gateway(place),
        open_shop(place, "bytes") as shop,
    ):
        proxy.is_byte_by_byte = True
        await shop.send(20)
        await shop.read_results()
    shop.history.ledger = simulator.ledger.entries
    assert list(judge(shop.history).failures()) == []
    assert proxy.connections == 1


async def test_connections_that_are_cut_anywhere_lose_nothing(tmp_path):
    sections = {"apns": {"reconnect_delay_seconds": 0.05, "reconnect_ceiling_seconds": 0.1}}
    async with (
        open_apns_simulator() as simulator,
        open_proxy(simulator.port) as proxy,
        open_place(tmp_path, simulator, port=proxy.port, **sections) as place,
        start_gateway(place),
        open_shop(place, "cuts") as shop,
    ):
        proxy.cut_after_bytes = 6_000
        await shop.send(100)
        while proxy.connections < CUTS:  # noqa: ASYNC110 - the proxy tells nobody
            await trio.sleep(0.01)
        proxy.cut_after_bytes = math.inf
        await shop.read_results()
    shop.history.ledger = simulator.ledger.entries
    assert judge(shop.history).lost == []
    assert proxy.connections >= CUTS
