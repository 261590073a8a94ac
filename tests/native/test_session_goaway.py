"""GOAWAY: who was processed, who not, and that the lower of two ids wins."""

import pytest

from native import GoAway
from protocol.errors import RemoteProtocolError
from protocol.exchanges import Cause, Ending
from tests.support.http2_peer import Peer, goaway_frame
from tests.support.sessions import connect, make_requests, submit_all, transfer

REASON = b'{"reason":"Shutdown"}'


def test_streams_above_the_last_id_are_unprocessed_and_the_others_go_on() -> None:
    session, peer = connect()
    submit_all(session, make_requests(4))
    transfer(session, peer)
    exchanges = session.feed(goaway_frame(3, 0, REASON), 2.0)
    assert sorted((e.row, e.ending, e.cause) for e in exchanges) == [
        (2, Ending.UNPROCESSED, Cause.GOAWAY),
        (3, Ending.UNPROCESSED, Cause.GOAWAY),
    ]
    assert session.goaway == GoAway(3, 0, REASON)
    assert (session.can_submit, session.available, session.in_flight) == (False, 0, 2)
    peer.answer(1)
    peer.answer(3)
    assert session.feed(peer.take(), 3.0) == []
    assert session.in_flight == 0


def test_second_goaway_with_a_lower_id_takes_back_more() -> None:
    session, peer = connect()
    submit_all(session, make_requests(4))
    transfer(session, peer)
    first = session.feed(goaway_frame(5, 0, REASON), 2.0)
    second = session.feed(goaway_frame(1, 2), 3.0)
    assert [e.row for e in first] == [3]
    assert sorted((e.row, e.ending, e.cause, e.error_code) for e in second) == [
        (1, Ending.UNPROCESSED, Cause.GOAWAY, 2),
        (2, Ending.UNPROCESSED, Cause.GOAWAY, 2),
    ]
    assert session.goaway == GoAway(1, 2, b"")
    assert [(e.row, e.ending) for e in session.close(4.0)] == [(0, Ending.UNCERTAIN)]
    assert session.goaway == GoAway(1, 2, b"")


def test_goaway_whose_id_rises_breaks_the_protocol() -> None:
    session, peer = connect()
    submit_all(session, make_requests(4))
    transfer(session, peer)
    session.feed(goaway_frame(1), 2.0)
    with pytest.raises(RemoteProtocolError):
        session.feed(goaway_frame(5), 3.0)


def test_rows_that_wait_when_the_goaway_comes_are_unreachable() -> None:
    session, peer = connect(Peer(stream_limit=2))
    requests = make_requests(2)
    submit_all(session, requests)
    exchanges = session.feed(goaway_frame(2**31 - 1), 2.0)
    assert [(e.row, e.ending, e.cause) for e in exchanges] == [
        (0, Ending.UNREACHABLE, Cause.GOAWAY),
        (1, Ending.UNREACHABLE, Cause.GOAWAY),
    ]
    transfer(session, peer)
    assert peer.received == {}


def test_half_sent_request_below_the_last_id_is_sent_to_its_end() -> None:
    session, peer = connect(Peer(initial_window_size=10))
    peer.acknowledges_bodies = False
    submit_all(session, make_requests(1, body=b"x" * 30))
    transfer(session, peer)
    session.feed(goaway_frame(1), 2.0)
    peer.connection.increment_flow_control_window(100, 1)
    session.feed(peer.take(), 2.0)
    assert session.in_flight == 1
    peer.receive(session.pull(2.0))
    assert peer.received[1].is_whole
    peer.answer(1)
    assert session.feed(peer.take(), 3.0) == []
    assert session.in_flight == 0
