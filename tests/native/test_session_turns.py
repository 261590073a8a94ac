"""A call makes only so many answers into objects, so that whoever looks at them holds nobody up."""

from native import Exchange
from tests.support.sessions import connect, make_requests, submit_all, transfer

MOST_A_CALL = 70


def test_a_thousand_rejections_in_one_read_come_some_at_a_call() -> None:
    session, peer = connect(window=1000)
    submit_all(session, make_requests(1000))
    transfer(session, peer)
    for stream_id in range(1, 2001, 2):
        peer.answer(stream_id, status=410, body=b'{"reason":"Unregistered"}')
    calls: list[list[Exchange]] = [session.feed(peer.take(), 2.0)]
    while session.has_unread:
        calls.append(session.feed(b"", 2.0))
    assert [exchange.row for call in calls for exchange in call] == list(range(1000))
    assert max(len(call) for call in calls) <= MOST_A_CALL


def test_plain_successes_make_no_objects_and_come_all_at_once() -> None:
    session, peer = connect(window=1000)
    submit_all(session, make_requests(1000))
    transfer(session, peer)
    for stream_id in range(1, 2001, 2):
        peer.answer(stream_id)
    assert session.feed(peer.take(), 2.0) == []
    assert not session.has_unread
    assert session.in_flight == 0
