"""A connection is freed by reference counts, however it ends: nothing of it is left to the cycle collector."""

from contextlib import suppress

import pytest
import trio
import trio.testing

from tests.support.door import HELLO, OpenDoor, RawPeer, encode, make_send, open_door, settle
from tests.support.leftovers import expecting_no_leftovers

PING = {"op": "ping"}
SUBSCRIBE = {"op": "subscribe", "subscription": "reader"}
# Everything that a caller says in its life, and at each of its bytes the line is cut.
LIFE = b"".join(
    encode(frame)
    for frame in (
        HELLO,
        SUBSCRIBE,
        make_send(3, batch_id="b2"),
        {"op": "ack", "cursor": "10"},
        {"op": "cancel", "batch_id": "b2", "indexes": [1]},
        {"op": "unsubscribe", "subscription": "reader"},
        PING,
        {"op": "goodbye"},
    )
)


async def serve(opened: OpenDoor, act, make_pair=trio.testing.memory_stream_pair) -> None:
    """Serve a connection while its peer acts, until both have ended."""
    ours, theirs = make_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(opened.door._serve_connection, theirs)
        try:
            await act(RawPeer(ours))
        finally:
            await trio.aclose_forcefully(ours)


def cut_after(size_bytes: int, how: str):
    """Return a peer that says so much of its life, hears what comes of it, and is gone, or sends no more."""

    async def act(peer: RawPeer) -> None:
        await peer.stream.send_all(LIFE[:size_bytes])
        await trio.testing.wait_all_tasks_blocked()
        if how == "closes its side":
            await peer.stream.send_eof()
            await peer.hear_all()

    return act


@pytest.mark.parametrize("how", ["is gone", "closes its side"])
async def test_of_one_that_is_cut_at_any_byte(autojump_clock: trio.testing.MockClock, how: str):
    async with open_door() as opened:
        await settle(opened, 10)
        with expecting_no_leftovers():
            for size_bytes in range(len(LIFE) + 1):
                await serve(opened, cut_after(size_bytes, how))


async def say_nonsense(peer: RawPeer) -> None:
    await peer.say(HELLO, {"op": "dance"}, PING)
    await peer.hear_all()


async def be_of_another_version(peer: RawPeer) -> None:
    await peer.say(HELLO | {"version": 7})
    await peer.hear_all()


async def announce_too_much(peer: RawPeer) -> None:
    await peer.say(HELLO)
    await peer.stream.send_all(b"\xff\xff\xff\xff")
    await peer.hear_all()


async def be_too_slow(peer: RawPeer) -> None:
    await peer.say(HELLO)
    await peer.stream.send_all(encode(make_send())[:-1])
    await peer.hear_all()


async def have_everything_refused(peer: RawPeer) -> None:
    await peer.say(HELLO, make_send(app="other"), {"op": "ack", "cursor": "1"}, make_send(targets=[{}]), {"op": "send"})
    for _ in range(5):
        await peer.get()


ENDS = [say_nonsense, be_of_another_version, announce_too_much, be_too_slow, have_everything_refused]


@pytest.mark.parametrize("end", ENDS, ids=lambda end: end.__name__)
async def test_of_one_that_is_refused(autojump_clock: trio.testing.MockClock, end):
    async with open_door() as opened:
        with expecting_no_leftovers():
            await serve(opened, end)


async def ask_and_never_read(peer: RawPeer) -> None:
    with trio.move_on_after(30):
        await peer.say(HELLO)
        while True:
            await peer.say(*[PING] * 1000)


async def subscribe_and_never_read(peer: RawPeer) -> None:
    await peer.say(HELLO, SUBSCRIBE)
    await trio.sleep(30)


@pytest.mark.parametrize("act", [ask_and_never_read, subscribe_and_never_read], ids=lambda act: act.__name__)
async def test_of_one_that_never_reads(autojump_clock: trio.testing.MockClock, act):
    async with open_door(unread_timeout_seconds=10) as opened:
        await settle(opened, 10)
        with expecting_no_leftovers():
            await serve(opened, _survive_being_cut(act), trio.testing.lockstep_stream_pair)


def _survive_being_cut(act):
    async def survive(peer: RawPeer) -> None:
        with suppress(trio.BrokenResourceError):
            await act(peer)

    return survive


async def test_of_one_whose_writer_breaks_with_answers_unsent(autojump_clock: trio.testing.MockClock):
    async def break_off(peer: RawPeer) -> None:
        await peer.say(HELLO, make_send(5), PING, PING)
        await trio.testing.wait_all_tasks_blocked()

    async with open_door() as opened:
        with expecting_no_leftovers():
            await serve(opened, break_off, trio.testing.lockstep_stream_pair)


async def test_of_those_that_are_there_when_the_door_ends(autojump_clock: trio.testing.MockClock):
    async with open_door() as opened:
        await settle(opened, 10)

        async def stay(peer: RawPeer) -> None:
            await peer.say(HELLO, SUBSCRIBE)
            await trio.testing.wait_all_tasks_blocked()
            opened.door.begin_drain()
            opened.door.end_when_idle()
            await peer.hear_all()

        with expecting_no_leftovers():
            await serve(opened, stay)
