"""P18, the socket: callers that flood the door, or never read, take little of what another one's batches need.

The short form judges work, not time: the CPU that the whole process spends while a good caller's batch is on its way,
beside twenty floods that wait for nothing but their turn, against what it spends when the caller is alone.
"""

import time

import pytest
import trio
import trio.testing

from gateway.doors.socket import connection
from tests.support.door import HELLO, OpenDoor, RawPeer, encode, make_send, open_door
from tests.support.sends import TOKEN

FLOODS = 20
FLOOD_BYTES = 512 * 1024  # of each; in the long form they never end
BATCHES = 20
# The long form holds the time to 2. Here it is 2 to 18, for the floods stand in memory and nothing else takes long; and
# beyond 40 where all that has come is dealt with at once.
MOST_RATIO = 25.0
KINDS = {
    "pongs": {"op": "pong"},
    "pings that nobody reads": {"op": "ping"},
    "acknowledgements of nothing": {"op": "ack", "cursor": "0"},
    "cancels": {"op": "cancel", "batch_id": "cancelled", "indexes": list(range(0, 100, 2))},
    "batches of an app that isn't there": make_send(app="nobody", batch_id="refused"),
    "batches against the schema": make_send(wait_ms=5, batch_id="refused"),
    "batches that can't be decoded": make_send(batch_id="refused", notifications=[{"to": 5}]),
    "batches whose last row can't be": make_send(
        batch_id="refused", notifications=[{"to": {"apns": {"token": TOKEN}}}] * 249 + [{"to": 5}]
    ),
    "batches that were accepted before": make_send(100, batch_id="cancelled"),
    "batches without a good row": make_send(batch_id=None, notifications=[{"to": {"apns": {"token": "zz"}}}]),
}


async def find_cost(good: RawPeer, name: str) -> float:
    """Return the CPU seconds of the process from a batch's sending to its answer, on average."""
    began = time.process_time()
    for number in range(BATCHES):
        assert (await good.ask(make_send(10, batch_id=f"{name}-{number}")))["op"] == "accepted"
    return (time.process_time() - began) / BATCHES


async def open_floods(opened: OpenDoor) -> list[trio.testing.MemoryReceiveStream]:
    """Connect callers that never read what they hear, and return what the door reads of each."""
    streams = []
    for _ in range(FLOODS):
        ours, theirs = trio.testing.memory_stream_pair()
        opened.nursery.start_soon(opened.door._serve_connection, theirs)
        await opened.adopt(ours).say(HELLO)
        streams.append(theirs.receive_stream)
    return streams


async def find_ratio(kind: str) -> float:
    """Return how much more a good caller's batch takes beside floods than alone."""
    async with open_door() as opened:
        good = await opened.greet()
        await good.ask(make_send(100, batch_id="cancelled"))
        await find_cost(good, "warm-up")
        alone = await find_cost(good, "alone")
        floods = await open_floods(opened)
        for stream in floods:
            frame = encode(KINDS[kind])
            stream.put_data(frame * (FLOOD_BYTES // len(frame)))
        beside = await find_cost(good, "beside")
        return beside / alone


@pytest.mark.parametrize("kind", KINDS)
async def test_a_flood_takes_little_of_what_a_batch_of_another_caller_needs(kind: str):
    assert await find_ratio(kind) < MOST_RATIO


@pytest.mark.planted("P18", "all-at-once")
async def test_a_door_that_deals_with_all_that_has_come_at_once_is_found_out(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(connection, "SLICE_FRAMES", 1_000_000)
    monkeypatch.setattr(connection, "SLICE_BYTES", 1_000_000_000)
    assert await find_ratio("pongs") > MOST_RATIO
