"""Connections are taken in at a pace: the first few at once, then evenly."""

from pathlib import Path

import trio
import trio.testing

from gateway.ingress.arrivals import AT_ONCE, Arrivals
from tests.support.door import open_door, unix


async def come(arrivals: Arrivals, count: int) -> float:
    """Return the seconds that so many take to come in."""
    began = trio.current_time()
    for _ in range(count):
        await arrivals.wait()
    return round(trio.current_time() - began, 6)


async def test_the_first_few_come_at_once_and_the_rest_evenly(autojump_clock: trio.testing.MockClock):
    arrivals = Arrivals(10)
    assert await come(arrivals, AT_ONCE) == 0
    assert await come(arrivals, 50) == 5


async def test_who_comes_after_a_quiet_while_comes_at_once_again(autojump_clock: trio.testing.MockClock):
    arrivals = Arrivals(10)
    await come(arrivals, 3 * AT_ONCE)
    await trio.sleep(3600)
    assert await come(arrivals, AT_ONCE) == 0
    assert await come(arrivals, 1) > 0


async def test_callers_beyond_the_pace_wait_to_be_accepted_and_come_in_later(tmp_path: Path):
    async with open_door(unix(tmp_path), connections_per_second=1) as opened:
        peers = [await opened.dial() for _ in range(AT_ONCE + 20)]
        for peer in peers[:AT_ONCE]:
            assert (await peer.get())["op"] == "welcome"
        assert opened.door.statistics().connections < len(peers)
        assert (await peers[AT_ONCE].get())["op"] == "welcome"
