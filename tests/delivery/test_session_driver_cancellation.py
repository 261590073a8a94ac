"""A session driver that is cancelled, at whatever moment of its life: every row ends once, and the link is closed."""

import pytest
import trio
from h2.errors import ErrorCodes
from trio.testing import lockstep_stream_pair, memory_stream_pair

from gateway.delivery.pacing.limits import SessionLimits
from tests.support.driver_links import DriverLink
from tests.support.http2_peer import Peer
from tests.support.sessions import make_requests

ROWS = 12
LIMITS = SessionLimits(window=6, ping_after_seconds=10)
# More than a whole session takes over the slower streams: see the last test.
STEPS = 120


class AnsweringPeer(Peer):
    """Answers each request as its number has it: most with 200, some not, some never."""

    def receive(self, data):
        before = set(self.whole)
        super().receive(data)
        for stream_id in self.whole:
            if stream_id not in before and not self.is_over:
                self.decide(stream_id)

    def decide(self, stream_id):
        match stream_id // 2 % 6:
            case 2:
                self.answer(stream_id, 410, b'{"reason":"Unregistered"}')
            case 3:
                self.connection.reset_stream(stream_id, ErrorCodes.REFUSED_STREAM)
            case 4:
                pass
            case _:
                self.answer(stream_id)


class Run:
    """One driver with work to do, cancelled after a number of turns of the loop."""

    def __init__(self, streams):
        self.link = DriverLink(*streams(), AnsweringPeer(), LIMITS)
        self.submitted = 0
        self.turns = 0

    async def cancel_after(self, turns):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.link.serve)
            with trio.CancelScope() as scope:
                nursery.start_soon(self.feed, turns, scope)
                await self.link.driver.run()
            nursery.cancel_scope.cancel()

    async def feed(self, turns, scope):
        """Submit a row a turn wherever there is room, drain when all are out, and cancel."""
        requests = make_requests(ROWS)
        for _ in range(turns):
            self.turns += 1
            if self.submitted < ROWS and self.link.driver.available:
                self.submitted += self.link.submit(requests, self.submitted, self.submitted + 1)
            await trio.lowlevel.checkpoint()
        scope.cancel()


@pytest.mark.parametrize("streams", [memory_stream_pair, lockstep_stream_pair])
async def test_every_row_ends_once_whenever_the_driver_is_cancelled(streams):
    for turns in range(STEPS):
        run = Run(streams)
        await run.cancel_after(turns)
        assert run.link.owner.ended_rows == list(range(run.submitted)), f"cancelled after {turns} turns"
        assert len(run.link.owner.ends) == 1
        assert await run.link.is_closed()


@pytest.mark.parametrize("streams", [memory_stream_pair, lockstep_stream_pair])
async def test_the_turns_tried_reach_over_the_whole_life_of_the_session(streams):
    first, last = Run(streams), Run(streams)
    await first.cancel_after(1)
    await last.cancel_after(STEPS)
    assert first.link.owner.ended_rows == [0]
    assert last.submitted == ROWS
    assert set(last.link.owner.succeeded) == {0, 1, 5, 6, 7, 11}
    ((left, _),) = last.link.owner.ends
    assert [exchange.row for exchange in left] == [4, 10]
