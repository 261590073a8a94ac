"""A lane beside peers that make sound and no progress: it goes over another session, and says when none helps."""

import pytest
import trio

from gateway.delivery.sessions.sessions import has_served
from protocol.outcomes import Outcome
from tests.support.http2_peer import Peer
from tests.support.lanes import make_push_chunk, open_delivery
from tests.support.strange_peers import StrangePeer

ROWS = 300


def strange(kind):
    """Return a peer that is open, talks, and serves nobody (any more)."""
    return {
        "answers_pings": lambda: StrangePeer(Peer(), answers=0),
        "window_used_up": lambda: StrangePeer(Peer(), answers=ROWS, opens_windows=False),
        "no_streams": lambda: StrangePeer(Peer(), answers=1, streams_after=0),
    }[kind]()


@pytest.mark.parametrize("kind", ["answers_pings", "window_used_up", "no_streams"])
async def test_a_session_without_progress_gets_another_beside_it(kind, autojump_clock):
    async with open_delivery() as delivering:
        peer = strange(kind)
        delivering.dialer.serve_next.append(peer.serve)
        body = "x" * 3000
        await delivering.push(*(make_push_chunk(at, at + 50, alert=body) for at in range(0, ROWS, 50)))
        await trio.sleep(60)
        words = await delivering.read()
        assert {words[row].outcome for row in range(ROWS)} == {Outcome.PROVIDER_ACCEPTED}
        assert delivering.listener.opened == 2
        assert delivering.listener.unanswered == []
        # What was written whole and not answered may have arrived; nothing else was tried twice.
        tried_twice = [row for row in range(ROWS) if words[row].attempts > 1]
        assert len(tried_twice) <= peer.unanswered


async def test_when_no_session_is_answered_it_is_said_once_and_the_end_of_it_once(autojump_clock):
    async with open_delivery() as delivering:
        delivering.dialer.serve_next += [StrangePeer(Peer(), answers=0).serve for _ in range(4)]
        await delivering.push(make_push_chunk(0, 50))
        await trio.sleep(29)
        assert delivering.listener.unanswered == []
        await trio.sleep(4)
        ((at, seconds),) = delivering.listener.unanswered
        assert 30 <= seconds <= 32
        assert at <= 33
        opened = delivering.listener.opened
        await trio.sleep(300)
        assert opened <= 3
        assert delivering.listener.opened <= 8
        assert len(delivering.listener.unanswered) == len(delivering.listener.answered_again) == 1
        assert len(await delivering.read()) == 50


async def test_a_lane_whose_connections_never_open_is_told_of_too(autojump_clock):
    async with open_delivery() as delivering:
        delivering.dialer.is_blocked = True
        await delivering.push(make_push_chunk(0, 50))
        await trio.sleep(40)
        ((_, seconds),) = delivering.listener.unanswered
        assert 30 <= seconds <= 32


async def test_a_lane_without_work_raises_no_alarm(autojump_clock):
    async with open_delivery() as delivering:
        await delivering.push(make_push_chunk(0, 50))
        await trio.sleep(2000)
        assert delivering.listener.unanswered == delivering.listener.answered_again == []


async def test_a_server_that_answers_an_error_and_closes_is_met_with_growing_delays(autojump_clock):
    async with open_delivery() as delivering:
        delivering.dialer.serve_next += [
            StrangePeer(Peer(), answers=1, status=500, closes=True).serve for _ in range(1000)
        ]
        await delivering.push(*(make_push_chunk(at, at + 100) for at in range(0, 1000, 100)))
        await trio.sleep(120)
        # After 1, 2, 4, 8, 16, 32 and 60 s, and once more each time: GOAWAY has another one opened first.
        assert 5 <= delivering.listener.opened <= 16


async def test_a_server_that_closes_after_every_answer_gets_fifty_connections_a_second_at_most(autojump_clock):
    async with open_delivery() as delivering:
        delivering.dialer.serve_next += [
            StrangePeer(Peer(stream_limit=1), answers=1, closes=True).serve for _ in range(1000)
        ]
        await delivering.push(*(make_push_chunk(at, at + 100) for at in range(0, 500, 100)))
        await trio.sleep(3)
        assert 20 <= delivering.listener.opened <= 151


@pytest.mark.parametrize(
    ("answered", "well", "lost", "lived", "served"),
    [
        (0, 0, 0, 0.1, False),
        (0, 0, 0, 100.0, False),
        (1, 1, 0, 0.1, True),  # a server may close after each answer
        (200, 200, 0, 0.1, True),
        (200, 200, 150, 0.1, True),
        (1, 1, 99, 0.1, False),  # one answer among a hundred rows does not excuse the rest
        (1, 0, 0, 0.1, False),  # 500, and closed
        (100, 40, 0, 0.1, False),
        (100, 1, 50, 10.0, True),  # it costs one connection in ten seconds
        (100, 0, 0, 10.0, False),
    ],
)
def test_a_session_served_when_it_answered_well_more_than_it_lost_or_lived(answered, well, lost, lived, served):
    class Ended:
        opened_at = 5.0
        answered_well = well

    Ended.answered = answered
    assert has_served(Ended(), lost, 5.0 + lived) is served
