"""How connections end: the peer closes its side, or reads and acknowledges nothing, or the door drains."""

from typing import Any

import pytest
import trio
import trio.testing

from gateway.doors.socket.results import WINDOW_ROWS
from protocol.chunks import expand_ranges
from tests.support.door import HELLO, OpenDoor, RawPeer, make_send, open_door, settle

SUBSCRIBE = {"op": "subscribe"}
BACKEND = SUBSCRIBE | {"subscription": "backend"}
# The last words to a peer that stands still, and the end of its stream.
DRAIN_SECONDS = 5


async def connect_unread(opened: OpenDoor, *frames: dict[str, object]) -> RawPeer:
    """Return a peer over a stream that holds nothing: what it doesn't read stays with the gateway."""
    ours, theirs = trio.testing.lockstep_stream_pair()
    opened.nursery.start_soon(opened.door._serve_connection, theirs)
    peer = opened.adopt(ours)
    await peer.say(HELLO)
    assert (await peer.get())["op"] == "welcome"
    await peer.say(*frames)
    return peer


def count_rows(frame: dict[str, Any]) -> int:
    """Return how many results a frame has."""
    return sum(len(list(expand_ranges(block["indexes"]))) for block in frame.get("blocks", ()))


def end_door(opened: OpenDoor) -> None:
    """Have the door drain, and end once it is idle."""
    opened.door.begin_drain()
    opened.door.end_when_idle()


async def wait_gone(opened: OpenDoor, seconds: float) -> float:
    """Return after how long the last connection has ended."""
    began = trio.current_time()
    with trio.fail_after(seconds):
        while opened.door.statistics().connections:  # noqa: ASYNC110 - the door tells nobody
            await trio.sleep(0.1)
    return trio.current_time() - began


async def test_a_subscriber_that_closes_its_side_gets_its_answers_and_what_is_there_and_is_let_go(autojump_clock):
    async with open_door() as opened:
        await settle(opened, 10)
        peer = await opened.greet()
        await peer.say(SUBSCRIBE, make_send(10_000, batch_id="b2"))
        await peer.stream.send_eof()
        heard = await peer.hear_all()
        assert sorted(frame["op"] for frame in heard) == ["accepted", "results"]
        await wait_gone(opened, 1)


async def test_a_subscriber_that_closes_its_side_with_a_full_window_is_let_go(autojump_clock):
    async with open_door() as opened:
        for number in range(3):
            await settle(opened, 10_000, f"b{number}")
        peer = await opened.greet()
        await peer.say(SUBSCRIBE)
        await peer.stream.send_eof()
        heard = await peer.hear_all()
        assert WINDOW_ROWS <= sum(map(count_rows, heard)) < 30_000
        await wait_gone(opened, 1)


async def test_a_connection_ends_with_what_was_there_when_the_door_ends():
    async with open_door() as opened:
        peer, silent = await opened.greet(), await opened.greet()
        await settle(opened, 10)
        await peer.say(BACKEND)
        frame = await peer.get()
        end_door(opened)
        await peer.say({"op": "ack", "cursor": frame["cursor"]})
        assert [each["op"] for each in await peer.hear_all()] == ["goodbye"]
        assert [each["op"] for each in await silent.hear_all()] == ["goodbye"]
        assert opened.engine.statistics().unread_rows == 0


async def test_a_subscriber_whose_window_is_full_does_not_hold_up_the_drain(autojump_clock):
    async with open_door() as opened:
        for number in range(3):
            await settle(opened, 10_000, f"b{number}")
        peer = await opened.greet()
        await peer.say(BACKEND)
        await trio.sleep(1)
        end_door(opened)
        assert await wait_gone(opened, 30) < DRAIN_SECONDS


async def test_a_subscriber_that_acknowledges_until_the_end_gets_everything_in_the_drain(autojump_clock):
    async with open_door() as opened:
        for number in range(3):
            await settle(opened, 10_000, f"b{number}")
        peer = await opened.greet()
        await peer.say(BACKEND)
        await trio.sleep(1)
        end_door(opened)
        rows = 0
        while (frame := await peer.hear()) is not None:
            if frame["op"] == "results":
                rows += count_rows(frame)
                await trio.sleep(1)
                await peer.say({"op": "ack", "cursor": frame["cursor"]})
        assert rows == 30_000
        assert opened.engine.statistics().unread_rows == 0


@pytest.mark.parametrize("frame", [BACKEND, make_send(10)], ids=["results", "answers"])
async def test_what_a_peer_never_reads_does_not_hold_up_the_drain(autojump_clock, frame):
    async with open_door() as opened:
        await settle(opened, 10)
        await connect_unread(opened, frame)
        await trio.sleep(1)
        end_door(opened)
        assert await wait_gone(opened, 30) < DRAIN_SECONDS


async def test_a_peer_that_takes_nothing_for_too_long_is_let_go(autojump_clock):
    async with open_door(unread_timeout_seconds=10) as opened:
        await connect_unread(opened, {"op": "ping"})
        assert 9 < await wait_gone(opened, 20) < 11


async def test_a_peer_that_takes_something_now_and_then_is_kept(autojump_clock):
    async with open_door(unread_timeout_seconds=10) as opened:
        peer = await connect_unread(opened)
        for _ in range(5):
            await peer.say({"op": "ping"})
            await trio.sleep(9)
            assert (await peer.get())["op"] == "pong"
        assert opened.door.statistics().connections == 1
