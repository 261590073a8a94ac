"""Stream limits and flow control: obeyed at every moment, also downwards and late."""

import pytest

from native import Session
from protocol.exchanges import Cause, Ending
from tests.support.http2_peer import (
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    STATUS_200,
    WINDOW_UPDATE,
    Peer,
    frame,
    settings_frame,
    split_frames,
)
from tests.support.sessions import connect, make_requests, make_session, pull_all, submit_all, transfer

LIMIT = 3  # SETTINGS_MAX_CONCURRENT_STREAMS


def _opened(data: bytes) -> list[int]:
    return [stream_id for kind, _, stream_id, _ in split_frames(data) if kind == HEADERS]


def _answer(*stream_ids: int) -> bytes:
    return b"".join(frame(HEADERS, END_STREAM | END_HEADERS, stream_id, STATUS_200) for stream_id in stream_ids)


def test_limit_is_one_until_the_first_settings_arrive() -> None:
    session = make_session()
    requests = make_requests(10)
    assert (session.stream_limit, session.available, session.settings_received) == (1, 1, 0)
    assert submit_all(session, requests) == 1
    assert _opened(pull_all(session)) == [1]
    session.feed(settings_frame((LIMIT, 4)), 1.0)
    assert (session.stream_limit, session.available, session.settings_received) == (4, 3, 1)


def test_settings_without_a_limit_leave_only_the_window() -> None:
    session = make_session(window=7)
    session.feed(settings_frame(), 1.0)
    assert (session.stream_limit, session.available) == (2**32 - 1, 7)


def test_limit_moves_in_mid_flight_to_one_thousand_and_one_and_nought_and_back() -> None:
    session = make_session(window=5000)
    requests = make_requests(3000)
    session.feed(settings_frame((LIMIT, 1)), 0.0)
    assert submit_all(session, requests) == 1
    assert _opened(pull_all(session)) == [1]
    session.feed(settings_frame((LIMIT, 1000)), 0.0)
    taken = 1
    while submitted := session.submit(requests, taken, 3000, 0.0):
        taken += submitted
    assert taken == 1000
    assert len(_opened(pull_all(session))) == 999
    session.feed(settings_frame((LIMIT, 1)) + _answer(*range(1, 1990, 2)), 0.0)  # five are left in flight
    assert (session.in_flight, session.available, session.can_submit) == (5, 0, True)
    session.feed(settings_frame((LIMIT, 0)) + _answer(*range(1991, 2000, 2)), 0.0)
    assert (session.in_flight, session.available) == (0, 0)
    assert session.submit(requests, taken, 3000, 0.0) == 0
    session.feed(settings_frame((LIMIT, 500)), 0.0)
    assert session.available == 500


def test_rows_taken_before_the_limit_fell_wait_for_it() -> None:
    session = make_session()
    session.feed(settings_frame((LIMIT, 10)), 0.0)
    requests = make_requests(10)
    assert submit_all(session, requests) == 10
    session.feed(settings_frame((LIMIT, 2)), 0.0)
    assert _opened(pull_all(session)) == [1, 3]
    assert not session.wants_write
    session.feed(_answer(1), 0.0)
    assert _opened(pull_all(session)) == [5]
    session.feed(settings_frame((LIMIT, 0)) + _answer(3, 5), 0.0)
    assert _opened(pull_all(session)) == []
    waiting = session.expire(100.0)
    assert [(e.row, e.ending, e.cause) for e in waiting] == [
        (row, Ending.UNREACHABLE, Cause.TIMEOUT) for row in range(3, 10)
    ]


def test_window_caps_below_the_peers_limit_and_may_fall_below_the_flight() -> None:
    session, peer = connect(window=3)
    requests = make_requests(10)
    assert submit_all(session, requests) == 3
    session.window = 1
    assert session.available == 0
    transfer(session, peer)
    peer.answer(1)
    transfer(session, peer)
    assert (session.in_flight, session.available) == (2, 0)
    session.window = 4
    assert session.available == 2
    with pytest.raises(ValueError, match="negative"):
        session.window = -1


def test_submit_takes_at_most_two_hundred_a_call() -> None:
    session, _ = connect()
    assert session.submit(make_requests(500), 0, 500, 0.0) == 200


@pytest.mark.parametrize("window", [1, 7, 100])
def test_bodies_pass_through_a_tiny_stream_window(window: int) -> None:
    session, peer = connect(Peer(initial_window_size=window))
    requests = make_requests(5, body=bytes(range(250)))
    submit_all(session, requests)
    transfer(session, peer)
    assert [received.body for received in peer.received.values()] == [bytes(range(250))] * 5
    assert peer.whole == [1, 3, 5, 7, 9]


def test_exhausted_connection_window_holds_rows_back_until_it_opens() -> None:
    session = make_session()
    session.feed(settings_frame((LIMIT, 100)), 0.0)
    requests = make_requests(40, body=b"x" * 4000)
    assert submit_all(session, requests) == 40
    frames = split_frames(pull_all(session))
    assert sum(len(payload) for kind, _, _, payload in frames if kind == DATA) == 65535
    assert len([1 for kind, _, _, _ in frames if kind == HEADERS]) == 17
    session.feed(frame(WINDOW_UPDATE, payload=(1 << 20).to_bytes(4, "big")), 0.0)
    frames += split_frames(pull_all(session))
    assert sum(1 for kind, flags, _, _ in frames if kind == DATA and flags & END_STREAM) == 40
    assert {e.ending for e in session.close(1.0)} == {Ending.UNCERTAIN}


def test_larger_frames_of_the_peer_change_nothing() -> None:
    session, peer = connect(Peer(max_frame_size=65536, initial_window_size=1 << 20))
    requests = make_requests(2, body=b"x" * 60000)
    submit_all(session, requests)
    transfer(session, peer)
    assert [len(received.body) for received in peer.received.values()] == [60000, 60000]


def test_four_thousand_rejections_with_bodies_do_not_stall_a_session() -> None:
    session, peer = connect()
    body = b'{"reason":"BadDeviceToken"}' + b" " * 300  # over a connection window of 64 KiB many times
    requests = make_requests(4000)
    rejected, taken = 0, 0
    while rejected < 4000:
        taken += session.submit(requests, taken, 4000, 0.0)
        peer.receive(pull_all(session))
        for stream_id in list(peer.whole):
            peer.answer(stream_id, 400, body)
            del peer.received[stream_id]
        exchanges = session.feed(peer.take(), 0.0)
        assert {e.body for e in exchanges} <= {body}
        rejected += len(exchanges)
    assert (session.in_flight, session.statistics().answered) == (0, 4000)


def _nearly_used_up() -> Session:
    session = make_session(first_stream_id=0x7FF00000 - 7)
    session.feed(settings_frame((LIMIT, 100)), 0.0)
    return session


def test_stream_ids_run_out_long_before_their_end() -> None:
    session = _nearly_used_up()
    assert session.can_submit
    requests = make_requests(100)
    assert session.submit(requests, 0, 100, 0.0) == 100
    assert (session.can_submit, session.available) == (False, 0)
    assert _opened(pull_all(session))[-1] == 0x7FF00000 - 7 + 198
    assert session.submit(requests, 0, 100, 0.0) == 0
