"""What brings the gateway nothing gets a share of the loop's time, over all connections, and slows nobody else."""

from typing import Any

import pytest
import trio
import trio.testing

from gateway.doors.socket.connection import RECEIVE_BYTES, SLICE_FRAMES
from gateway.intake.pace import AT_ONCE_COST, FRUITLESS_SHARE, UNFINISHED_SHARE, Pace, share_of_loop
from gateway.intake.turns import TURN_COST
from tests.support.door import RawPeer, encode, make_send, open_door

FRAMES = 4_000
REFUSED = make_send(batch_id="refused", app="not-configured")


async def spend(pace: Pace, cost: int, times: int) -> float:
    """Return the seconds it takes."""
    began = trio.current_time()
    for _ in range(times):
        await pace.wait(cost)
    return trio.current_time() - began


async def test_work_is_paced_to_its_share_and_a_little_goes_at_once(autojump_clock: trio.testing.MockClock):
    pace = share_of_loop(0.1)
    assert await spend(pace, 100, AT_ONCE_COST // 100) == pytest.approx(0, abs=1e-6)
    assert await spend(pace, 100, 1_000) == pytest.approx(1.0)
    await trio.sleep(3600)
    assert await spend(pace, 100, AT_ONCE_COST // 100) == pytest.approx(0, abs=1e-6)
    assert await spend(pace, 100, 1) > 0


async def flood(peer: RawPeer, frame: dict[str, Any], count: int) -> None:
    """Send so many frames; read every answer until ``ping`` behind them is answered."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(peer.stream.send_all, encode(frame) * count + encode({"op": "ping"}))
        while (await peer.get())["op"] != "pong":
            pass


@pytest.mark.parametrize("frame", [{"op": "pong"}, REFUSED], ids=["pong", "refused"])
async def test_a_flood_of_frames_that_bring_nothing_gets_its_share_of_the_time(
    autojump_clock: trio.testing.MockClock, frame: dict[str, Any]
):
    async with open_door(patience_seconds=3600) as opened:
        peers = [await opened.greet() for _ in range(2)]
        began = trio.current_time()
        async with trio.open_nursery() as nursery:
            for peer in peers:
                nursery.start_soon(flood, peer, frame, FRAMES)
        taken = trio.current_time() - began
    slices = 2 * FRAMES / SLICE_FRAMES
    # Of each piece that is read, the first slices are a fresh connection's.
    assert taken > 0.8 * (slices * TURN_COST - AT_ONCE_COST) * 1e-6 / FRUITLESS_SHARE


async def test_a_batch_beside_a_flood_waits_for_none_of_it(autojump_clock: trio.testing.MockClock):
    async with open_door(patience_seconds=3600) as opened:
        good, noisy = await opened.greet(), await opened.greet()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(flood, noisy, {"op": "pong"}, 10 * FRAMES)
            await trio.sleep(0.1)
            began = trio.current_time()
            assert (await good.ask(make_send(10)))["op"] == "accepted"
            assert trio.current_time() - began < 0.01
            nursery.cancel_scope.cancel()


async def test_pings_one_at_a_time_are_not_paced(autojump_clock: trio.testing.MockClock):
    async with open_door() as opened:
        peer = await opened.greet()
        began = trio.current_time()
        for _ in range(500):
            assert (await peer.ask({"op": "ping"}))["op"] == "pong"
        assert trio.current_time() == began


async def test_pieces_of_an_unfinished_frame_are_read_at_a_pace(autojump_clock: trio.testing.MockClock):
    pieces = 100
    async with open_door(patience_seconds=3600, batch_bytes=16 * 1024 * 1024) as opened:
        peer = await opened.greet()
        began = trio.current_time()
        await peer.stream.send_all((pieces * RECEIVE_BYTES).to_bytes(4, "big") + bytes(pieces * RECEIVE_BYTES))
        assert (await peer.get())["op"] == "error"  # they were no frame
        assert trio.current_time() - began > (pieces * TURN_COST - AT_ONCE_COST) * 1e-6 / UNFINISHED_SHARE
