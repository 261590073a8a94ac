"""Frames of a connection are dealt with in turns with those of the others."""

from collections import Counter
from functools import partial
from typing import Any

import pytest
import trio
import trio.testing

from gateway.doors.socket.closing import linger
from gateway.doors.socket.connection import SLICE_FRAMES
from gateway.intake.turns import BUSY_TURN_COST, FRESH_COST, LULL_COST, TURN_COST, TurnAccount, Turns
from tests.support.door import HELLO, encode, make_send, open_door

COMING_AFTER = 20
SETTLING_TURNS = 100  # until floods are busy: each was fresh once
UNFINISHED_BYTES = 8 * 1024 * 1024


class LoopTurns(trio.abc.Instrument):
    """Counts the turns of the loop."""

    def __init__(self) -> None:
        self.count = 0

    def before_io_wait(self, timeout: float) -> None:
        """Note that a turn has ended."""
        self.count += 1


async def work(
    turns: Turns, slices: int, name: str, note, *, account: TurnAccount | None = None, cost=TURN_COST
) -> None:
    """Take so many turns, one after the other."""
    account = account or TurnAccount(turns)
    account.begin()
    for _ in range(slices):
        held = await turns.take(account, cost)
        note(name)
        await turns.pass_on(held)
    account.end()


async def test_one_slice_of_fresh_connections_is_dealt_with_in_a_turn_of_the_loop():
    loop, turns = LoopTurns(), Turns()
    taken: list[int] = []
    trio.lowlevel.add_instrument(loop)
    async with trio.open_nursery() as nursery:
        for number in range(10):
            nursery.start_soon(work, turns, 3, f"{number}", lambda _: taken.append(loop.count))
    trio.lowlevel.remove_instrument(loop)
    assert len(taken) == len(set(taken)) == 30


async def test_busy_connections_that_are_alone_share_longer_turns_of_the_loop():
    loop, turns = LoopTurns(), Turns()
    taken: list[int] = []
    trio.lowlevel.add_instrument(loop)
    async with trio.open_nursery() as nursery:
        for number in range(10):
            nursery.start_soon(work, turns, 100, f"{number}", lambda _: taken.append(loop.count))
    trio.lowlevel.remove_instrument(loop)
    counts = Counter(taken)
    calm = [count for count in counts.values() if count > 1]
    assert max(counts.values()) <= 2 * BUSY_TURN_COST // TURN_COST
    # Each was fresh once, and every one that became busy is followed by a lull.
    assert len(counts) - len(calm) >= (10 * FRESH_COST + LULL_COST) // TURN_COST - 10
    assert sum(calm) > 500


@pytest.mark.parametrize(("cost", "most"), [(TURN_COST // 4, 4), (10 * TURN_COST, 1)])
async def test_cheap_slices_share_a_turn_of_the_loop_and_dear_ones_do_not(cost: int, most: int):
    loop, turns = LoopTurns(), Turns()
    taken: list[int] = []
    trio.lowlevel.add_instrument(loop)
    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(partial(work, turns, 2, "x", lambda _: taken.append(loop.count), cost=cost))
    trio.lowlevel.remove_instrument(loop)
    assert max(Counter(taken).values()) == most


async def test_of_busy_connections_one_with_many_tasks_gets_no_more_than_one_with_a_single_task():
    turns, names = Turns(), []
    many, single, fresh = TurnAccount(turns), TurnAccount(turns), TurnAccount(turns)
    fresh.begin()  # so that one slice is dealt with in a turn of the loop
    for account in (many, single):
        account.begin()
        assert account.spend_fresh(FRESH_COST)
    async with trio.open_nursery() as nursery:
        for _ in range(16):
            nursery.start_soon(partial(work, turns, 10, "many", names.append, account=many))
        nursery.start_soon(partial(work, turns, 40, "single", names.append, account=single))
    last = len(names) - names[::-1].index("single")
    assert names[:last].count("many") <= 40 + 16


async def test_who_comes_anew_goes_before_those_who_want_another_turn_but_not_all_the_time():
    turns, names = Turns(), []
    async with trio.open_nursery() as nursery:

        def note(name: str) -> None:
            names.append(name)
            if len(names) == COMING_AFTER:
                for _ in range(10):
                    nursery.start_soon(work, turns, 1, "anew", names.append)

        for _ in range(5):
            account = TurnAccount(turns)
            account.begin()
            account.spend_fresh(FRESH_COST)
            nursery.start_soon(partial(work, turns, 10, "flood", note, account=account))
    after = names[COMING_AFTER:]
    last = max(at for at, name in enumerate(after) if name == "anew")
    assert after.count("anew") == 10
    assert last <= 20 + BUSY_TURN_COST // TURN_COST
    assert "flood" in after[:3]


async def test_a_turn_goes_on_when_who_has_it_is_cancelled():
    turns, names = Turns(), []
    async with trio.open_nursery() as nursery:
        held = [await turns.take(TurnAccount(turns), TURN_COST) for _ in range(BUSY_TURN_COST // TURN_COST)]
        nursery.start_soon(work, turns, 1, "waits", names.append)
        await trio.testing.wait_all_tasks_blocked()
        assert not names
        with trio.CancelScope() as scope:
            scope.cancel()
            for part in held:
                await turns.pass_on(part)
    assert names == ["waits"]
    with trio.CancelScope() as scope:
        scope.cancel()
        await turns.pass_on(await turns.take(TurnAccount(turns), TURN_COST))
    await work(turns, 1, "free", names.append)
    assert names == ["waits", "free"]


@pytest.mark.parametrize("fresh_cost", [0, FRESH_COST])
async def test_who_waits_for_a_turn_may_be_cancelled(fresh_cost: int):
    turns, names = Turns(), []
    held = [await turns.take(TurnAccount(turns), TURN_COST) for _ in range(BUSY_TURN_COST // TURN_COST)]
    account = TurnAccount(turns)
    account.spend_fresh(fresh_cost)
    with trio.move_on_after(0):
        await turns.take(account, TURN_COST)
    for part in held:
        await turns.pass_on(part)
    for _ in range(2 * BUSY_TURN_COST // TURN_COST):
        await work(turns, 1, "free", names.append)
    assert len(names) == 2 * BUSY_TURN_COST // TURN_COST
    assert not turns.are_waited_for


@pytest.mark.parametrize("flood", [{"op": "pong"}, make_send(batch_id="refused", notifications=[{"to": 5}])])
async def test_an_accept_takes_as_many_turns_of_the_loop_beside_a_flood_as_alone(flood: dict[str, Any]):
    loop = LoopTurns()
    async with open_door() as opened:
        good = await opened.greet()

        async def count_turns(batch_id: str) -> int:
            before = loop.count
            assert (await good.ask(make_send(10, batch_id=batch_id)))["op"] == "accepted"
            return loop.count - before

        trio.lowlevel.add_instrument(loop)
        alone = await count_turns("alone")
        for _ in range(20):
            flooding = await opened.greet()
            await flooding.say(*[flood] * (100 * SLICE_FRAMES))
        for _ in range(SETTLING_TURNS):
            await trio.lowlevel.checkpoint()
        beside = await count_turns("beside")
        trio.lowlevel.remove_instrument(loop)
    # For each of its slices (frame, reading, preparing) one more than alone for who has the turn when it comes, and one
    # for who was promised the next.
    assert beside <= alone + 3 * 2


class Inexhaustible(trio.abc.Stream):
    """A peer that has always more to say and takes all that it is told; it notes in which loop turns it is read."""

    def __init__(self, loop: LoopTurns, read_in: list[int], first: bytes) -> None:
        self._loop = loop
        self._read_in = read_in
        self._next = first

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Return at once what there is."""
        await trio.lowlevel.checkpoint()
        self._read_in.append(self._loop.count)
        piece, self._next = self._next, bytes(max_bytes or 1)
        return piece

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Take it."""
        await trio.lowlevel.checkpoint()

    async def wait_send_all_might_not_block(self) -> None:
        """Be ready."""
        await trio.lowlevel.checkpoint()

    async def aclose(self) -> None:
        """Close nothing."""
        await trio.lowlevel.checkpoint()


async def count_most_reads(streams: list[Inexhaustible], read_in: list[int], serve) -> int:
    """Return how many reads a loop turn saw at most, once each stream was read a few times."""
    async with trio.open_nursery() as nursery:
        for stream in streams:
            nursery.start_soon(serve, stream)
        while len(read_in) < 10 * len(streams):
            await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()
    return max(Counter(read_in[5 * len(streams) :]).values())


async def test_a_few_pieces_of_all_unfinished_frames_are_received_in_a_turn_of_the_loop():
    loop, read_in = LoopTurns(), []
    first = encode(HELLO) + UNFINISHED_BYTES.to_bytes(4, "big")
    async with open_door() as opened:
        trio.lowlevel.add_instrument(loop)
        streams = [Inexhaustible(loop, read_in, first) for _ in range(20)]
        most = await count_most_reads(streams, read_in, opened.door._serve_connection)
        trio.lowlevel.remove_instrument(loop)
    assert most <= BUSY_TURN_COST // TURN_COST


async def test_a_few_pieces_of_what_is_thrown_away_are_received_in_a_turn_of_the_loop():
    loop, read_in, turns = LoopTurns(), [], Turns()
    trio.lowlevel.add_instrument(loop)
    streams = [Inexhaustible(loop, read_in, b"x") for _ in range(20)]
    most = await count_most_reads(streams, read_in, lambda stream: linger(stream, turns, TurnAccount(turns)))
    trio.lowlevel.remove_instrument(loop)
    assert most <= BUSY_TURN_COST // TURN_COST
