"""Deadlines, PING, shutdown and close."""

from collections.abc import Callable

import h2.errors
import pytest

from native import HeaderSet, Session
from protocol.errors import LocalProtocolError, RemoteProtocolError
from protocol.exchanges import Cause, Ending
from tests.support.http2_peer import ACK, DATA, GOAWAY, HEADERS, PING, Peer, frame, split_frames
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


def test_rows_not_handed_out_whole_are_taken_back_and_the_others_go_on() -> None:
    session, peer = connect(Peer(initial_window_size=150))
    peer.acknowledges_bodies = False
    requests = make_requests(6, bodies=[b"x" * 100, b"x" * 200] * 3)
    session.submit(requests, 0, 4, 1.0)
    peer.receive(session.pull(1.0))
    session.submit(requests, 4, 6, 1.0)
    taken_back = session.withdraw(2.0)
    assert sorted((e.row, e.ending, e.sent_at) for e in taken_back) == [
        (row, Ending.UNREACHABLE, None) for row in (1, 3, 4, 5)
    ]
    peer.receive(session.pull(2.0))
    assert [received.reset_code for received in peer.received.values()] == [None, 8, None, 8]
    assert session.withdraw(2.0) == []
    peer.answer(1)
    peer.answer(5)
    assert transfer(session, peer) == []
    assert session.statistics().answered == 2


@pytest.mark.parametrize("end", ["expire", "withdraw"])
def test_rows_are_ended_two_hundred_a_call(end: str) -> None:
    session, peer = connect()
    submit_all(session, make_requests(450))
    if end == "expire":
        transfer(session, peer)
    counts = []
    while ended := getattr(session, end)(1000.0):
        counts.append(len(ended))
    assert counts == [200, 200, 50]


@pytest.mark.parametrize(("code", "said"), [(0, 0), (11, 11)])
def test_the_last_words_are_what_waited_and_a_goaway(code: int, said: int) -> None:
    session, _ = connect()
    session.feed(frame(PING, 0, 0, b"12345678"), 1.0)
    frames = split_frames(session.leave(code))
    assert [kind for kind, _, _, _ in frames] == [PING, GOAWAY]
    assert frames[1][3] == bytes(4) + said.to_bytes(4, "big")


def test_a_goaway_that_a_broken_rule_or_a_drain_has_queued_is_not_said_twice() -> None:
    drained, _ = connect()
    drained.shutdown()
    assert [kind for kind, _, _, _ in split_frames(drained.leave())] == [GOAWAY]
    broken, _ = connect()
    with pytest.raises(RemoteProtocolError) as error:
        broken.feed(frame(DATA, stream_id=0, payload=b"?"), 1.0)
    ((kind, _, _, payload),) = split_frames(broken.leave(error.value.code))
    assert (kind, int.from_bytes(payload[4:8], "big")) == (GOAWAY, error.value.code)


def test_a_session_whose_peer_reads_nothing_still_has_last_words() -> None:
    session, _ = connect()
    with pytest.raises(RemoteProtocolError, match="more than it reads") as error:
        session.feed(frame(PING, 0, 0, bytes(8)) * 5000, 1.0)
    ((kind, _, _, payload),) = split_frames(session.leave(error.value.code))
    assert (kind, payload[4:]) == (GOAWAY, (11).to_bytes(4, "big"))
