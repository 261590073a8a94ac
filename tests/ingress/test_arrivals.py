"""Connections are taken in at a pace: the first few at once, then evenly."""

import os
import socket
from pathlib import Path

import pytest
import trio
import trio.testing

from gateway.caller.dialing import open_stream
from gateway.doors.socket import door
from gateway.doors.socket.door import ARRIVALS_AT_ONCE as AT_ONCE
from gateway.doors.socket.peers import PEER_LIMIT, WAITING_LIMIT, WaitingPeers, find_peer
from gateway.intake.pace import Pace
from tests.support.door import open_door, unix


async def come(arrivals: Pace, count: int) -> float:
    """Return the seconds that so many take to come in."""
    began = trio.current_time()
    for _ in range(count):
        await arrivals.wait()
    return round(trio.current_time() - began, 6)


async def test_the_first_few_come_at_once_and_the_rest_evenly(autojump_clock: trio.testing.MockClock):
    arrivals = door._pace_arrivals(10)
    assert await come(arrivals, AT_ONCE) == 0
    assert await come(arrivals, 50) == 5


async def test_who_comes_after_a_quiet_while_comes_at_once_again(autojump_clock: trio.testing.MockClock):
    arrivals = door._pace_arrivals(10)
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


async def test_a_peer_that_comes_and_goes_delays_another_one_by_one_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    peers = iter(["flood"] * (AT_ONCE + 40) + ["good"] + ["flood"] * 100)
    monkeypatch.setattr(door, "find_peer", lambda stream: (next(peers),))
    async with open_door(unix(tmp_path), connections_per_second=2) as opened:
        for _ in range(AT_ONCE + 40):
            await trio.aclose_forcefully(await open_stream(opened.addresses[0], None))
        good = await opened.dial()
        with trio.fail_after(10):  # twenty seconds where it waits behind forty
            assert (await good.get())["op"] == "welcome"


def make_stream() -> trio.abc.Stream:
    return trio.testing.memory_stream_pair()[0]


def test_peers_take_turns_each_with_its_own_in_order():
    waiting = WaitingPeers()
    streams = {name: make_stream() for name in ("a1", "a2", "a3", "b1", "b2", "c1")}
    for name, stream in streams.items():
        assert waiting.put((name[0],), stream) is None
    names = {stream: name for name, stream in streams.items()}
    assert [names[stream] for stream in waiting.take_all()] == ["a1", "b1", "c1", "a2", "b2", "a3"]
    assert len(waiting) == 0


def test_what_waits_is_bounded_and_who_has_few_keeps_a_place():
    waiting = WaitingPeers()
    for peer in range(WAITING_LIMIT // PEER_LIMIT):
        for _ in range(PEER_LIMIT):
            assert waiting.put((peer,), make_stream()) is None
        refused = make_stream()
        assert waiting.put((peer,), refused) is refused
    good = make_stream()
    assert waiting.put(("good",), good) not in {None, good}
    assert len(waiting) == WAITING_LIMIT
    assert good in waiting.take_all()


async def test_a_peer_is_a_process_of_a_user_or_an_address(tmp_path: Path):
    async with open_door(unix(tmp_path)) as opened, await open_stream(opened.addresses[0], None) as stream:
        assert find_peer(stream) == (os.getuid(), os.getpid())
    for host, family, peer in (
        ("127.0.0.1", socket.AF_INET, ("127.0.0.1",)),
        ("::1", socket.AF_INET6, (bytes(8),)),
    ):
        with socket.create_server((host, 0), family=family) as server:
            async with await trio.open_tcp_stream(*server.getsockname()[:2]) as stream:
                assert find_peer(stream) == peer
    assert find_peer(trio.testing.memory_stream_pair()[0]) == ()
