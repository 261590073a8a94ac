"""What connections hold of frames that are not whole, and of answers that nobody takes, is bounded over all of them."""

import tracemalloc

import trio
import trio.testing

from gateway.doors.socket.buffers import SMALL_BYTES, BufferRoom, BufferShare
from tests.support.door import HELLO, RawPeer, encode, make_send, open_door

MIB = 1024 * 1024


def make_share(room: BufferRoom) -> BufferShare:
    """Return a share with a scope to be cancelled."""
    share = BufferShare(room)
    share.scope = trio.CancelScope()
    return share


def test_what_is_small_does_not_count():
    room = BufferRoom(10)
    share = make_share(room)
    share.resize(SMALL_BYTES)
    assert (room.size_bytes, share.is_evicted) == (0, False)


def test_at_the_bound_the_share_without_progress_for_the_longest_time_goes():
    room = BufferRoom(3 * MIB)
    shares = [make_share(room) for _ in range(3)]
    for share in shares:
        share.resize(MIB)
    shares[1].resize(MIB + 1)
    assert [share.is_evicted for share in shares] == [True, False, False]
    assert shares[0].scope is not None
    assert shares[0].scope.cancel_called
    shares[1].resize(MIB, progressed=True)
    shares[0].resize(MIB)
    shares[1].resize(3 * MIB)
    assert [share.is_evicted for share in shares] == [True, False, True]
    assert room.size_bytes == 3 * MIB


def test_one_that_is_too_much_by_itself_goes_alone():
    room = BufferRoom(MIB)
    share = make_share(room)
    share.resize(MIB + 1)
    assert share.is_evicted
    assert room.size_bytes == 0


def test_closed_shares_leave_nothing_behind():
    room = BufferRoom(2 * MIB)
    for _ in range(10):
        share = make_share(room)
        share.resize(MIB)
        share.close()
        share.resize(MIB)
    assert room.size_bytes == 0
    assert not room._shares


async def hold_half_a_frame(peer: RawPeer, size_bytes: int) -> None:
    await peer.say(HELLO)
    assert (await peer.get())["op"] == "welcome"
    await peer.stream.send_all((2 * size_bytes).to_bytes(4, "big") + bytes(size_bytes))
    await trio.testing.wait_all_tasks_blocked()


async def test_of_many_unfinished_frames_the_oldest_are_refused_and_the_memory_is_free():
    async with open_door(batch_bytes=2 * MIB, connection_buffer_bytes=8 * MIB) as opened:
        good = await opened.greet()
        peers = [opened.connect() for _ in range(40)]
        tracemalloc.start()
        for peer in peers:
            await hold_half_a_frame(peer, MIB)
        held, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        # A byte array keeps an eighth in reserve; and one frame is on its way through the test's own hands.
        assert held < 10 * MIB
        assert most < 14 * MIB
        for peer in peers[:32]:
            (error,) = await peer.hear_all()
            assert (error["op"], error["reason"], error["retry_after_ms"] > 0) == ("error", "overloaded", True)
            await peer.stream.aclose()
        assert (await good.ask(make_send(100)))["op"] == "accepted"
        assert opened.door.statistics().connections == 9


async def test_a_large_batch_goes_on_beside_half_frames_that_stand_still():
    async with open_door(batch_bytes=2 * MIB, connection_buffer_bytes=4 * MIB) as opened:
        for _ in range(20):
            await hold_half_a_frame(opened.connect(), MIB)
        good = await opened.greet()
        data = encode(make_send(10_000))
        assert len(data) > MIB // 2
        for at in range(0, len(data), SMALL_BYTES):
            await good.stream.send_all(data[at : at + SMALL_BYTES])
            await trio.testing.wait_all_tasks_blocked()
        assert (await good.get())["op"] == "accepted"


async def test_of_many_answers_that_nobody_takes_the_oldest_are_dropped_with_their_connections():
    async with open_door(batch_bytes=MIB, connection_buffer_bytes=4 * MIB) as opened:
        for number in range(20):
            ours, theirs = trio.testing.lockstep_stream_pair()
            opened.nursery.start_soon(opened.door._serve_connection, theirs)
            peer = opened.adopt(ours)
            await peer.say(HELLO)
            assert (await peer.get())["op"] == "welcome"
            await peer.say(make_send(batch_id=f"b{number}", targets=[{"apns": {"token": "x"}}] * 5_000))
            await trio.testing.wait_all_tasks_blocked()
        assert 1 <= opened.door.statistics().connections < 12
        good = await opened.greet()
        assert (await good.ask(make_send(100, batch_id="good")))["op"] == "accepted"
        assert opened.door.statistics().admission.held_bytes == 0
