"""Single exchanges: what counts as an answer, what of it is kept, and what the counters say."""

import subprocess
import sys

import h2.errors
import pytest

from native import HeaderSet, Requests, SessionStatistics, live_objects
from protocol.errors import LocalProtocolError, RemoteProtocolError
from protocol.exchanges import Cause, Ending
from tests.support.http2_peer import (
    END_HEADERS,
    END_STREAM,
    HEADERS,
    STATUS_200,
    Peer,
    frame,
    reset_frame,
    settings_frame,
    split_frames,
)
from tests.support.sessions import (
    BATCH_HEADERS,
    TOKEN,
    connect,
    make_requests,
    make_session,
    path_of,
    pull_all,
    transfer,
)


def test_request_arrives_as_it_was_described() -> None:
    session, peer = connect()
    requests = Requests(
        paths=[path_of(7)],
        bodies=[b"unused", b'{"aps":{}}'],
        body_of_row=[1],
        header_sets=[HeaderSet(BATCH_HEADERS)],
        uuid_header=(b"apns-id", bytes.fromhex("00112233445566778899aabb"), 0xDEADBEE0),
        uuid_numbers=[0xDEADBEEF],
        row_fields=[(b"apns-collapse-id", [b"news"]), (b"apns-expiration", [None])],
    )
    session.submit(requests, 0, 1, 1.0)
    transfer(session, peer, 1.0)
    received = peer.received[1]
    assert dict(received.headers) == {
        b":method": b"POST",
        b":scheme": b"https",
        b":authority": b"api.example.com",
        b":path": path_of(7),
        b"authorization": TOKEN,
        b"apns-topic": b"com.example.shop",
        b"apns-push-type": b"alert",
        b"apns-id": b"00112233-4455-6677-8899-aabbdeadbeef",
        b"apns-collapse-id": b"news",
    }
    assert received.body == b'{"aps":{}}'
    assert received.is_whole


def test_plain_successes_make_ranges_and_no_exchange() -> None:
    session, peer = connect()
    requests = make_requests(6)
    session.submit(requests, 0, 6, 1.0)
    transfer(session, peer, 1.0)
    for stream_id in (1, 3, 7, 11):
        peer.answer(stream_id, apns_id="x")
    assert transfer(session, peer, 2.0) == []
    assert session.take_touched() == [requests]
    assert requests.take_successes() == [(0, 2), (3, 4), (5, 6)]
    assert (session.take_touched(), requests.take_successes()) == ([], [])
    assert (requests.in_flight, session.in_flight) == (2, 2)


def test_rejection_keeps_status_headers_body_and_times() -> None:
    session, peer = connect()
    requests = make_requests(1)
    session.submit(requests, 0, 1, 1.0)
    transfer(session, peer, 1.5)
    peer.answer(1, 410, b'{"reason":"Unregistered"}', apns_id="x")
    (exchange,) = transfer(session, peer, 2.0)
    assert exchange == (
        requests,
        0,
        Ending.ANSWERED,
        Cause.NONE,
        0,
        410,
        ((b"apns-id", b"x"),),
        b'{"reason":"Unregistered"}',
        1.5,
        2.0,
    )
    assert session.take_touched() == []


def test_success_is_captured_where_asked_for() -> None:
    session, peer = connect(success_status=201, captured_headers=[b"location"], capture_success_body=True)
    requests = make_requests(4)
    session.submit(requests, 0, 4, 1.0)
    transfer(session, peer)
    peer.answer(1, 201, location="/a", other="dropped")
    peer.answer(3, 201, b"body")
    peer.answer(5, 201, other="dropped")
    peer.answer(7, 200)
    exchanges = transfer(session, peer)
    assert [(e.row, e.status, e.headers, e.body) for e in exchanges] == [
        (0, 201, ((b"location", b"/a"),), b""),
        (1, 201, (), b"body"),
        (3, 200, (), b""),
    ]
    assert requests.take_successes() == [(2, 3)]


def test_body_of_a_success_is_dropped_unless_asked_for() -> None:
    session, peer = connect()
    requests = make_requests(1)
    session.submit(requests, 0, 1, 1.0)
    transfer(session, peer)
    peer.answer(1, 200, b"chatty")
    assert transfer(session, peer) == []
    assert requests.take_successes() == [(0, 1)]


def test_request_without_body_ends_with_its_headers() -> None:
    session, _peer = connect()
    session.submit(make_requests(1, body=b""), 0, 1, 1.0)
    ((kind, flags, stream_id, _),) = split_frames(session.pull(1.0))
    assert (kind, flags, stream_id) == (HEADERS, END_STREAM | END_HEADERS, 1)


def test_informational_responses_and_trailers_are_passed_over() -> None:
    session, peer = connect()
    requests = make_requests(1)
    session.submit(requests, 0, 1, 1.0)
    transfer(session, peer)
    peer.connection.send_headers(1, [(":status", "103"), ("link", "</x>")])
    peer.connection.send_headers(1, [(":status", "400"), ("apns-id", "x")])
    peer.connection.send_data(1, b"no")
    peer.connection.send_headers(1, [("checksum", "1")], end_stream=True)
    (exchange,) = transfer(session, peer)
    assert (exchange.status, exchange.headers, exchange.body) == (400, ((b"apns-id", b"x"),), b"no")


def test_whole_answer_before_the_request_is_out_counts_and_resets_the_rest() -> None:
    session, peer = connect(Peer(initial_window_size=10))
    peer.acknowledges_bodies = False
    requests = make_requests(1, body=b"x" * 100)
    session.submit(requests, 0, 1, 1.0)
    transfer(session, peer)
    assert peer.received[1].body == b"x" * 10
    peer.answer(1, 413, b"too large")
    (exchange,) = transfer(session, peer)
    assert (exchange.ending, exchange.status, exchange.body, exchange.sent_at) == (
        Ending.ANSWERED,
        413,
        b"too large",
        None,
    )
    assert peer.received[1].reset_code == h2.errors.ErrorCodes.NO_ERROR
    assert session.statistics().round_trips == 0


def test_refused_stream_is_unprocessed_and_another_reset_uncertain() -> None:
    session, peer = connect()
    requests = make_requests(2)
    session.submit(requests, 0, 2, 1.0)
    transfer(session, peer)
    exchanges = session.feed(reset_frame(1, 7) + reset_frame(3, 2), 2.0)
    assert [(e.row, e.ending, e.cause, e.error_code) for e in exchanges] == [
        (0, Ending.UNPROCESSED, Cause.REFUSED_STREAM, 7),
        (1, Ending.UNCERTAIN, Cause.RESET, 2),
    ]


def test_reset_before_the_request_is_out_is_unreachable() -> None:
    session, peer = connect(Peer(initial_window_size=10))
    peer.acknowledges_bodies = False
    session.submit(make_requests(1, body=b"x" * 100), 0, 1, 1.0)
    transfer(session, peer)
    (exchange,) = session.feed(reset_frame(1, 8), 2.0)
    assert (exchange.ending, exchange.cause, exchange.sent_at) == (Ending.UNREACHABLE, Cause.RESET, None)


@pytest.mark.parametrize("part", ["headers", "body"])
def test_too_large_response_is_reset_and_its_status_kept(part: str) -> None:
    session, peer = connect(response_headers_limit_bytes=400, response_body_limit_bytes=100)
    session.submit(make_requests(1), 0, 1, 1.0)
    transfer(session, peer)
    if part == "headers":
        peer.answer(1, 500, b"x", long="y" * 400)
    else:
        peer.answer(1, 500, b"x" * 101)
    (exchange,) = transfer(session, peer)
    assert (exchange.ending, exchange.cause, exchange.status) == (Ending.ANSWERED, Cause.RESPONSE_TOO_LARGE, 500)
    assert exchange.body == b""
    assert session.available == 1000


@pytest.mark.parametrize(
    "block",
    [b"\x00\x04Name\x01v", b"\x00\x01a\x01b", STATUS_200 + STATUS_200, b"\x08\x032x0", STATUS_200 + b"\x0f\x0d\x015"],
    ids=["upper-case name", "no status", "status twice", "status not a number", "content-length without content"],
)
def test_malformed_response_ends_the_row_in_the_same_call(block: bytes) -> None:
    session, peer = connect()
    session.submit(make_requests(1), 0, 1, 1.0)
    transfer(session, peer)
    (exchange,) = session.feed(frame(HEADERS, END_STREAM | END_HEADERS, 1, block), 2.0)
    assert (exchange.ending, exchange.cause, exchange.error_code) == (Ending.UNCERTAIN, Cause.MALFORMED_RESPONSE, 1)
    assert session.can_submit


def test_broken_http2_is_told_once_the_goaway_can_be_pulled() -> None:
    session, peer = connect()
    requests = make_requests(3)
    session.submit(requests, 0, 3, 1.0)
    transfer(session, peer)
    peer.answer(1)
    peer.answer(3, 400)
    with pytest.raises(RemoteProtocolError, match="PROTOCOL_ERROR") as caught:
        session.feed(peer.take() + settings_frame((2, 5)), 2.0)
    assert caught.value.code == 1
    assert not session.can_submit
    peer.receive(session.pull(2.0))
    assert peer.goaway_code == 1
    assert [(e.row, e.ending) for e in session.close(2.5)] == [(1, Ending.ANSWERED), (2, Ending.UNCERTAIN)]
    assert session.take_touched() == [requests]
    assert requests.take_successes() == [(0, 1)]


def test_flood_of_pings_without_reading_ends_the_session() -> None:
    session, _ = connect()
    with pytest.raises(RemoteProtocolError) as caught:
        session.feed(frame(6, 0, 0, b"01234567") * 5000, 1.0)
    assert caught.value.code == 11
    session.close(1.0)


def test_row_in_flight_is_refused_a_second_time_and_free_after_its_end() -> None:
    session, peer = connect()
    requests = make_requests(1)
    session.submit(requests, 0, 1, 1.0)
    with pytest.raises(LocalProtocolError, match="row 0"):
        session.submit(requests, 0, 1, 1.0)
    transfer(session, peer)
    session.feed(reset_frame(1, 7), 1.0)
    assert session.submit(requests, 0, 1, 1.0) == 1


def test_two_sessions_share_a_batch_and_each_tells_its_successes_once() -> None:
    (first, first_peer), (second, second_peer) = connect(), connect()
    requests = make_requests(4)
    first.submit(requests, 0, 2, 1.0)
    second.submit(requests, 2, 4, 1.0)
    for session, peer in ((first, first_peer), (second, second_peer)):
        transfer(session, peer)
    for stream_id in (1, 3):
        for session, peer in ((first, first_peer), (second, second_peer)):
            peer.answer(stream_id)
            transfer(session, peer)
    assert first.take_touched() == second.take_touched() == [requests]
    assert requests.take_successes() == [(0, 4)]


def test_statistics_count_and_time_answers() -> None:
    session, peer = connect()
    requests = make_requests(3)
    session.submit(requests, 0, 3, 1.0)
    transfer(session, peer, 1.0)
    peer.answer(1)
    transfer(session, peer, 3.0)
    peer.answer(3, 400)
    transfer(session, peer, 5.0)
    statistics = session.statistics()
    assert statistics == SessionStatistics(
        submitted=3,
        answered=2,
        in_flight=1,
        bytes_sent=statistics.bytes_sent,
        bytes_received=statistics.bytes_received,
        round_trips=2,
        round_trip_sum=6.0,
        round_trip_min=2.0,
        round_trip_max=4.0,
    )
    assert session.last_received_at == 5.0


def test_unread_session_and_batch_show_themselves() -> None:
    session, _ = connect()
    requests = make_requests(2)
    session.submit(requests, 0, 2, 1.0)
    assert repr(session) == "<Session api.example.com: open, 2 in flight (2 waiting), window 1000, stream limit 1000>"
    assert repr(requests) == "<Requests of 2 rows, 2 in flight>"
    assert TOKEN.decode() not in repr(HeaderSet([(b"authorization", TOKEN, True)]))
    session.close(2.0)
    assert repr(session) == "<Session api.example.com: closed>"


def test_everything_is_released(live_before: dict[str, int]) -> None:
    session, peer = connect()
    requests = make_requests(300)
    session.submit(requests, 0, 200, 1.0)
    transfer(session, peer)
    peer.answer(1, 400, b"kept")
    transfer(session, peer)
    session.close(2.0)
    del session, requests
    assert live_objects() == live_before


def test_session_dropped_with_streams_in_flight_releases_its_rows(live_before: dict[str, int]) -> None:
    session, peer = connect()
    requests = make_requests(5)
    session.submit(requests, 0, 5, 1.0)
    transfer(session, peer)
    peer.answer(1)
    pull_all(session)
    del session
    assert requests.in_flight == 0
    del requests
    assert live_objects() == live_before


def test_interpreter_exits_silently_with_streams_in_flight() -> None:
    script = """
from native import Requests, Session
session = Session(authority=b"api.example.com", now=0.0)
requests = Requests(paths=[b"/x"], bodies=[b"body"], owner=session)
assert session.submit(requests, 0, 1, 0.0) == 1 and session.pull(0.0)
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)  # noqa: S603
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, b"", b"")


def test_session_is_refused_without_a_sound_authority_or_with_headers_too_long() -> None:
    for authority in (b"", b"a b"):
        with pytest.raises(ValueError, match="authority"):
            make_session(authority=authority)
    with pytest.raises(ValueError, match="6144 bytes"):
        make_session(headers=HeaderSet([(b"authorization", b"x" * 6200, True)]))
