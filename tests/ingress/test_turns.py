"""Frames of a connection are dealt with in turns with those of the others."""

from collections import Counter

import trio
import trio.testing

from gateway.ingress.closing import linger
from gateway.ingress.turns import SLICE_FRAMES, Turns
from tests.support.door import HELLO, encode, make_send, open_door

COMING_AFTER = 20
UNFINISHED_BYTES = 8 * 1024 * 1024


class LoopTurns(trio.abc.Instrument):
    """Counts the turns of the loop."""

    def __init__(self) -> None:
        self.count = 0

    def before_io_wait(self, timeout: float) -> None:
        """Note that a turn has ended."""
        self.count += 1


async def work(turns: Turns, slices: int, name: str, note) -> None:
    """Take so many turns, one after the other."""
    for number in range(slices):
        await turns.take(again=number > 0)
        note(name)
        await turns.pass_on()


async def test_there_is_one_turn_in_each_turn_of_the_loop():
    loop, turns = LoopTurns(), Turns()
    taken: list[int] = []
    trio.lowlevel.add_instrument(loop)
    async with trio.open_nursery() as nursery:
        for number in range(10):
            nursery.start_soon(work, turns, 3, f"{number}", lambda _: taken.append(loop.count))
    trio.lowlevel.remove_instrument(loop)
    assert len(taken) == len(set(taken)) == 30


async def test_who_comes_anew_goes_before_those_who_want_another_turn_but_not_all_the_time():
    turns, names = Turns(), []
    async with trio.open_nursery() as nursery:

        def note(name: str) -> None:
            names.append(name)
            if len(names) == COMING_AFTER:
                for _ in range(10):
                    nursery.start_soon(work, turns, 1, "anew", names.append)

        for _ in range(5):
            nursery.start_soon(work, turns, 10, "flood", note)
    after = names[COMING_AFTER:]
    last = max(at for at, name in enumerate(after) if name == "anew")
    assert after.count("anew") == 10
    assert last <= 20
    assert "flood" in after[:3]


async def test_a_turn_goes_on_when_who_has_it_is_cancelled():
    turns, names = Turns(), []
    async with trio.open_nursery() as nursery:
        await turns.take(again=False)
        nursery.start_soon(work, turns, 1, "waits", names.append)
        with trio.CancelScope() as scope:
            scope.cancel()
            await turns.pass_on()
    assert names == ["waits"]
    with trio.CancelScope() as scope:
        scope.cancel()
        await turns.take(again=False)
        await turns.pass_on()
    await work(turns, 1, "free", names.append)
    assert names == ["waits", "free"]


async def test_who_waits_for_a_turn_may_be_cancelled():
    turns, names = Turns(), []
    await turns.take(again=False)
    with trio.move_on_after(0):
        await turns.take(again=False)
    await turns.pass_on()
    await work(turns, 1, "free", names.append)
    assert names == ["free"]


async def test_an_accept_takes_as_many_turns_of_the_loop_beside_a_flood_as_alone():
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
            await flooding.say(*[{"op": "pong"}] * (100 * SLICE_FRAMES))
        beside = await count_turns("beside")
        trio.lowlevel.remove_instrument(loop)
    # One more than alone for who has the turn when it comes, and one for who was promised the next.
    assert beside <= alone + 2


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


async def test_one_piece_of_all_unfinished_frames_is_received_in_a_turn_of_the_loop():
    loop, read_in = LoopTurns(), []
    first = encode(HELLO) + UNFINISHED_BYTES.to_bytes(4, "big")
    async with open_door() as opened:
        trio.lowlevel.add_instrument(loop)
        streams = [Inexhaustible(loop, read_in, first) for _ in range(20)]
        most = await count_most_reads(streams, read_in, opened.door._serve_connection)
        trio.lowlevel.remove_instrument(loop)
    assert most <= 2


async def test_one_piece_of_what_is_thrown_away_is_received_in_a_turn_of_the_loop():
    loop, read_in, turns = LoopTurns(), [], Turns()
    trio.lowlevel.add_instrument(loop)
    streams = [Inexhaustible(loop, read_in, b"x") for _ in range(20)]
    most = await count_most_reads(streams, read_in, lambda stream: linger(stream, turns))
    trio.lowlevel.remove_instrument(loop)
    assert most <= 2
