"""The extremes of every field of every frame cost about what their bytes do: no number from outside becomes a size."""

import math
import time
import tracemalloc
from collections.abc import Iterator

import msgspec
import pytest

from gateway.journal.memory.engine import MemoryEngine
from gateway.journal.sqlite import SqliteEngine
from protocol.frames import Hello, SendFrame
from tests.support.door import EngineMaker, OpenDoor, RawPeer, make_send, open_door, settle
from tests.support.extremes import extreme_frames, frame_types

pytestmark = pytest.mark.long

# For each 64 KiB of a frame, begun ones too.
CPU_SECONDS = 0.05
# What a frame costs it costs each time; a collection of garbage or a busy machine does not come three times.
TRIES = 3
PIECE_BYTES = 64 * 1024
MEMORY_FACTOR = 4
# Lists have at most 10,000 items by the schema: as objects, in a list and a set, ids of 4 bytes take 1.2 MB.
MEMORY_FLOOR_BYTES = 2 * 1024 * 1024
PING = {"op": "ping"}
# Batches are decoded and prepared alike whichever engine keeps them.
CASES = [
    (engine, kind)
    for kind in frame_types()
    for engine in (("memory",) if kind is SendFrame else ("memory", "sqlite"))
    if msgspec.structs.fields(kind)
]


class Prober:
    """Sends frames to a door with a batch of 100 and some results, and looks at what each one costs."""

    def __init__(self, opened: OpenDoor) -> None:
        self._opened = opened
        self._peer: RawPeer | None = None

    async def prepare(self) -> None:
        """Have something there for frames to be about: rows that are owed under ``b1``, results of another batch."""
        await settle(self._opened, 100, "b0")
        peer = await self._opened.greet()
        assert (await peer.ask(make_send(100, defaults={"cancel_keys": ["k"]})))["op"] == "accepted"

    async def measure(self, frame: bytes, *, comes_first: bool) -> tuple[float, int]:
        """Return the CPU seconds from sending a frame to its last answer, and the bytes taken at the most meanwhile."""
        if self._peer is None or comes_first:
            self._peer = self._opened.connect() if comes_first else await self._greet()
        tracemalloc.reset_peak()
        held = tracemalloc.get_traced_memory()[0]
        began = time.process_time()
        await self._peer.stream.send_all(frame)
        await self._peer.say(PING)
        while (answer := await self._peer.hear()) is not None and answer["op"] != "pong":
            pass
        cpu_seconds, peak = time.process_time() - began, tracemalloc.get_traced_memory()[1]
        if answer is None:
            self._peer = None
        return cpu_seconds, peak - held

    async def _greet(self) -> RawPeer:
        """Return a connection with a subscription, so that there is something to acknowledge."""
        peer = await self._opened.greet()
        assert (await peer.ask({"op": "subscribe", "subscription": "reader"}))["op"] == "results"
        return peer


@pytest.fixture
def tracing() -> Iterator[None]:
    """Have allocations counted, which makes everything several times slower: the bound on CPU has room for it."""
    tracemalloc.start()
    yield
    tracemalloc.stop()


@pytest.fixture
def make_engine(engine, tmp_path) -> EngineMaker:
    """Return what makes the engine of that name."""
    return MemoryEngine if engine == "memory" else lambda clock: SqliteEngine(tmp_path / "journal", clock)


@pytest.mark.parametrize(("engine", "kind"), CASES)
async def test_no_extreme_of_a_field_takes_more_than_its_bytes(kind: type[msgspec.Struct], make_engine, tracing):
    async with open_door(make_engine=make_engine, patience_seconds=math.inf) as opened:
        await opened.engine.recover()
        prober = Prober(opened)
        await prober.prepare()
        for place, frame in extreme_frames(kind):
            most_seconds = CPU_SECONDS * (1 + len(frame) // PIECE_BYTES)
            for _ in range(TRIES):
                cpu_seconds, taken_bytes = await prober.measure(frame, comes_first=kind is Hello)
                if cpu_seconds < most_seconds:
                    break
            assert cpu_seconds < most_seconds, place
            assert taken_bytes < MEMORY_FLOOR_BYTES + MEMORY_FACTOR * len(frame), place
        await opened.engine.aclose()
