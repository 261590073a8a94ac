"""The last look at a row's deadline: as it is written into a buffer for the wire."""

from protocol.exchanges import Cause, Ending
from tests.support.sessions import connect, make_requests, pull_all, transfer


def test_a_row_that_expired_while_it_waited_for_the_wire_is_not_opened_and_ends_as_unreachable() -> None:
    session, peer = connect()
    session.submit(make_requests(2), 0, 2, 1.0, 5.0)
    session.submit(make_requests(3), 0, 3, 1.0)
    assert not session.has_endings
    peer.receive(pull_all(session, 5.0))
    assert len(peer.whole) == 3
    assert session.has_endings
    ended = session.expire(5.0)
    assert [(each.row, each.ending, each.cause) for each in ended] == [
        (0, Ending.UNREACHABLE, Cause.EXPIRED),
        (1, Ending.UNREACHABLE, Cause.EXPIRED),
    ]
    assert session.in_flight == 3


def test_a_row_is_opened_up_to_its_deadline() -> None:
    session, peer = connect()
    session.submit(make_requests(2), 0, 2, 1.0, 5.0)
    peer.receive(pull_all(session, 4.999))
    assert len(peer.whole) == 2
    assert transfer(session, peer, 9.0) == []


def test_expired_rows_before_a_live_one_take_no_stream_of_the_limit() -> None:
    session, peer = connect()
    session.submit(make_requests(150), 0, 150, 1.0, 5.0)
    session.submit(make_requests(1), 0, 1, 1.0)
    peer.receive(pull_all(session, 6.0))
    assert len(peer.whole) == 1
    assert len(session.expire(6.0)) == 150
