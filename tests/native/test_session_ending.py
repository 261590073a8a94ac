"""Deadlines, PING, shutdown and close."""

from collections.abc import Callable

import h2.errors
import pytest

from native import HeaderSet, Session
from protocol.errors import LocalProtocolError
from protocol.exchanges import Cause, Ending
from tests.support.http2_peer import ACK, GOAWAY, HEADERS, PING, Peer, frame, split_frames
from tests.support.sessions import connect, make_requests, pull_all, submit_all, transfer


def test_expired_streams_are_reset_and_told_by_what_was_sent() -> None:
    session, peer = connect(Peer(initial_window_size=10), stream_timeout_seconds=5.0)
    peer.acknowledges_bodies = False
    requests = make_requests(3, bodies=[b"short", b"longer than the window", b"late"])
    session.submit(requests, 0, 2, 1.0)
    transfer(session, peer, 1.0)
    session.submit(requests, 2, 3, 2.0)
    transfer(session, peer, 2.0)
    assert session.next_deadline == 6.0
    assert session.expire(5.9) == []
    exchanges = session.expire(6.0)
    assert [(e.row, e.ending, e.cause, e.sent_at, e.ended_at) for e in exchanges] == [
        (0, Ending.UNCERTAIN, Cause.TIMEOUT, 1.0, 6.0),
        (1, Ending.UNREACHABLE, Cause.TIMEOUT, None, 6.0),
    ]
    assert (session.next_deadline, session.in_flight, session.available) == (7.0, 1, 999)
    transfer(session, peer)
    assert [received.reset_code for received in peer.received.values()] == [h2.errors.ErrorCodes.CANCEL] * 2 + [None]
    assert [e.row for e in session.expire(7.0)] == [2]
    assert session.next_deadline is None


def test_answer_to_an_expired_stream_is_dropped() -> None:
    session, peer = connect()
    requests = make_requests(1)
    submit_all(session, requests)
    transfer(session, peer)
    peer.answer(1, 400, b"late")
    assert [e.cause for e in session.expire(30.0)] == [Cause.TIMEOUT]
    assert session.feed(peer.take(), 31.0) == []
    assert requests.in_flight == 0


def test_ping_is_sent_once_until_it_is_answered() -> None:
    session, peer = connect()
    assert session.ping_sent_at is None
    session.ping(1.0)
    session.ping(2.0)
    assert session.ping_sent_at == 1.0
    peer.receive(pull_all(session))
    assert peer.pings == 1
    session.feed(peer.take(), 3.0)
    assert session.ping_sent_at is None


def test_answer_to_another_ping_is_not_taken_for_ours() -> None:
    session, _ = connect()
    session.ping(1.0)
    session.feed(frame(PING, ACK, 0, b"stranger"), 2.0)
    assert session.ping_sent_at == 1.0


def test_shutdown_announces_itself_behind_waiting_rows_and_lets_streams_finish() -> None:
    session, _peer = connect(Peer(stream_limit=2))
    requests = make_requests(2)
    submit_all(session, requests)
    session.shutdown()
    assert (session.can_submit, session.available) == (False, 0)
    assert [kind for kind, _, _, _ in split_frames(pull_all(session)) if kind in (HEADERS, GOAWAY)] == [
        HEADERS,
        HEADERS,
        GOAWAY,
    ]
    session.feed(frame(HEADERS, 5, 1, b"\x88"), 1.0)
    assert session.in_flight == 1


def test_shutdown_of_an_idle_session_says_so_at_once() -> None:
    session, peer = connect()
    session.shutdown()
    session.shutdown()
    peer.receive(pull_all(session))
    assert peer.goaway_code == 0
    assert not session.wants_write


def test_close_tells_the_cause_and_closing_twice_returns_nothing() -> None:
    session, peer = connect()
    requests = make_requests(2)
    session.submit(requests, 0, 1, 1.0)
    transfer(session, peer)
    session.submit(requests, 1, 2, 1.0)
    assert [(e.row, e.ending, e.cause) for e in session.close(2.0, Cause.TIMEOUT)] == [
        (0, Ending.UNCERTAIN, Cause.TIMEOUT),
        (1, Ending.UNREACHABLE, Cause.TIMEOUT),
    ]
    assert session.close(3.0) == []
    assert session.is_closed
    assert not session.wants_write
    assert (session.available, session.in_flight, session.next_deadline) == (0, 0, None)


@pytest.mark.parametrize(
    "use",
    [
        lambda session: session.submit(make_requests(1), 0, 1, 1.0),
        lambda session: session.pull(1.0),
        lambda session: session.feed(b"", 1.0),
        lambda session: session.expire(1.0),
        lambda session: session.ping(1.0),
        lambda session: session.shutdown(),
        lambda session: session.set_headers(HeaderSet()),
    ],
    ids=["submit", "pull", "feed", "expire", "ping", "shutdown", "set_headers"],
)
def test_closed_session_refuses_to_be_used(use: Callable[[Session], object]) -> None:
    session, _ = connect()
    session.close(1.0)
    with pytest.raises(LocalProtocolError):
        use(session)
