"""A caller that outlives its connections, against a real door that goes away and comes back."""

from contextlib import asynccontextmanager

import pytest
import trio

from gateway.access import DEFAULT, OnePrincipal
from gateway.caller import BatchRefusedError, open_steady_caller
from gateway.clock import TrioClock
from gateway.config import LimitSettings, ListenSettings
from gateway.doors.socket import SocketDoor
from gateway.journal.memory.engine import MemoryEngine
from protocol.results import expand
from tests.support.door import settle_everything
from tests.support.patience import HANG_SECONDS
from tests.support.sends import TOKEN
from tests.support.webpush_sends import FULL_SHOP

TARGET = {"apns": {"token": TOKEN}}


class Gatehouse:
    """One engine, and a door that can be closed and opened again at the same address."""

    def __init__(self, folder):
        self.address = f"unix:{folder / 'gateway.sock'}"
        self.engine = MemoryEngine(TrioClock())

    @asynccontextmanager
    async def open(self):
        """Serve for the block; every connection breaks with its end."""
        door = SocketDoor(
            listen=ListenSettings(socket=(self.address,)),
            limits=LimitSettings(),
            engine=self.engine,
            apps={"shop": FULL_SHOP},
            authenticator=OnePrincipal(DEFAULT),
            clock=TrioClock(),
            random_bytes=bytes,
        )
        async with trio.open_nursery() as nursery:
            await nursery.start(door.serve)
            yield door
            nursery.cancel_scope.cancel()


@pytest.fixture
async def gatehouse(tmp_path):
    return Gatehouse(tmp_path)


async def until(holds):
    """Look again and again until something holds."""
    while not holds():  # noqa: ASYNC110 - what is looked at has no event
        await trio.sleep(0.01)


def make_batch(batch_id, rows=1, **fields):
    return {"app": "shop", "batch_id": batch_id, "content": {"title": "Sale"}, "targets": [TARGET] * rows} | fields


async def test_a_batch_waits_for_a_gateway_that_is_not_there_yet(gatehouse, nursery):
    with trio.fail_after(HANG_SECONDS):
        async with open_steady_caller(gatehouse.address) as caller:
            answers = []

            async def send():
                answers.append(await caller.send(make_batch("a", 3)))

            nursery.start_soon(send)
            await until(lambda: caller.tries >= 2)
            assert not answers
            async with gatehouse.open():
                await until(lambda: answers)
    assert (answers[0].batch_id, answers[0].accepted) == ("a", 3)


async def test_sending_and_reading_go_on_over_a_gateway_that_restarts(gatehouse, nursery):
    seen = []

    async def read(caller):
        async for page in caller.results("backend"):
            seen.extend((result.batch_id, result.index) for block in page.blocks for result in expand(block))
            caller.acknowledge(page)

    with trio.fail_after(HANG_SECONDS):
        async with open_steady_caller(gatehouse.address) as caller:
            nursery.start_soon(read, caller)
            nursery.start_soon(settle_everything, gatehouse.engine)
            for expected in (5, 10, 15):
                async with gatehouse.open():
                    accepted = await caller.send(make_batch(f"b{expected}", 5))
                    assert accepted.accepted == 5
                    await until(lambda: len(set(seen)) == expected)  # noqa: B023 - it is used up in this round
            await until(lambda: caller.losses >= 3)
            nursery.cancel_scope.cancel()
    assert set(seen) == {(f"b{round_}", index) for round_ in (5, 10, 15) for index in range(5)}


async def test_a_batch_whose_answer_was_lost_is_taken_once(gatehouse):
    with trio.fail_after(HANG_SECONDS):
        async with open_steady_caller(gatehouse.address) as caller:
            async with gatehouse.open():
                first = await caller.send(make_batch("a", 4))
            async with gatehouse.open():
                assert await caller.send(make_batch("a", 4)) == first
    assert gatehouse.engine.statistics().owed_rows == 4


async def test_a_refusal_that_will_not_pass_is_raised(gatehouse):
    with trio.fail_after(HANG_SECONDS):
        async with gatehouse.open(), open_steady_caller(gatehouse.address) as caller:
            with pytest.raises(BatchRefusedError, match="unknown_app"):
                await caller.send(make_batch("a", app="nobody"))
