"""Headers that cost more to decode than to send: bounded for a response, for a block, for a call, for a connection."""

import os
import time

import pytest

from native import Session
from protocol.errors import RemoteProtocolError
from protocol.exchanges import Cause, Ending
from tests.support.http2_peer import (
    CONTINUATION,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    PING,
    STATUS_200,
    Peer,
    frame,
    split_frames,
)
from tests.support.sessions import connect, make_requests, submit_all, transfer

LIMIT_BYTES = 16384
STATUS_410 = b"\x48\x03410"  # :status with a literal value, indexed
BIG_FIELD = b"\x40\x01a\x7f\xdd\x1e" + b"v" * 4060  # takes the whole dynamic table
BIG_FIELD_AGAIN = b"\xbe"  # one octet that decodes to it
SMALL_FIELD = b"\x90"  # accept-encoding: gzip, deflate
# Of processor time, in the best of a few runs: what a call costs it costs each time, a busy machine's part does not.
TRIES = 3
# A call that decoded all would take ten times as much. AddressSanitizer checks each access.
TURN_SECONDS = 0.5 if "libasan" in os.environ.get("LD_PRELOAD", "") else 0.05


def ask(count: int, **options: int) -> tuple[Session, Peer]:
    session, peer = connect(window=2000, **options)
    submit_all(session, make_requests(count), 1.0)
    transfer(session, peer)
    return session, peer


def feed_all(session: Session, data: bytes) -> tuple[list[object], list[float]]:
    """Feed until nothing is left; return the endings, and the processor seconds of each call."""
    exchanges: list[object] = []
    seconds = []
    while data or session.has_unread:
        began = time.process_time()
        exchanges += session.feed(data, 2.0)
        seconds.append(time.process_time() - began)
        data = b""
    return exchanges, seconds


def feed_each(session: Session, frames: list[bytes]) -> None:
    for each in frames:
        session.feed(each, 2.0)


@pytest.mark.parametrize("status", [STATUS_200, STATUS_410], ids=["200", "410"])
def test_an_answer_whose_headers_pass_the_cap_counts_by_its_status(status: bytes) -> None:
    session, peer = ask(2)
    block = status + BIG_FIELD + BIG_FIELD_AGAIN * 1000
    exchanges = session.feed(frame(HEADERS, END_STREAM | END_HEADERS, 1, block), 2.0)
    if status == STATUS_200:
        (requests,) = session.take_touched()
        assert (exchanges, list(requests.take_successes())) == ([], [(0, 1)])
    else:
        (exchange,) = exchanges
        assert (exchange.ending, exchange.cause, exchange.status) == (
            Ending.ANSWERED,
            Cause.RESPONSE_TOO_LARGE,
            410,
        )
        assert sum(len(name) + len(value) for name, value in exchange.headers) <= LIMIT_BYTES
    peer.receive(session.pull(2.0))
    assert peer.received[1].reset_code is not None
    peer.answer(3)
    assert transfer(session, peer) == []
    assert session.statistics().answered == 2


def test_informational_headers_over_the_cap_are_no_answer() -> None:
    session, _ = ask(1)
    block = b"\x48\x03103" + BIG_FIELD + BIG_FIELD_AGAIN * 10
    (exchange,) = session.feed(frame(HEADERS, END_HEADERS, 1, block), 2.0)
    assert (exchange.ending, exchange.cause) == (Ending.UNCERTAIN, Cause.RESPONSE_TOO_LARGE)


def test_a_status_that_itself_passes_the_cap_after_hints_counts() -> None:
    session, _ = ask(1, response_headers_limit_bytes=16350)
    hints = b"\x48\x03103" + BIG_FIELD + BIG_FIELD_AGAIN * 2 + SMALL_FIELD * 67  # 16,341 bytes
    assert session.feed(frame(HEADERS, END_HEADERS, 1, hints), 2.0) == []
    (exchange,) = session.feed(frame(HEADERS, END_STREAM | END_HEADERS, 1, STATUS_410), 2.0)
    assert (exchange.ending, exchange.status) == (Ending.ANSWERED, 410)


def test_a_block_without_end_ends_the_session() -> None:
    data = frame(HEADERS, END_STREAM, 1, STATUS_200 + BIG_FIELD + BIG_FIELD_AGAIN * 8000)
    data += frame(CONTINUATION, 0, 1, BIG_FIELD_AGAIN * 16384) * 15
    seconds = []
    for _ in range(TRIES):
        session, _ = ask(1)
        began = time.process_time()
        with pytest.raises(RemoteProtocolError):
            session.feed(data, 2.0)
        seconds.append(time.process_time() - began)
    assert min(seconds) < TURN_SECONDS


def test_answers_over_the_cap_again_and_again_end_the_session() -> None:
    session, _ = ask(100)
    block = STATUS_200 + BIG_FIELD + BIG_FIELD_AGAIN * 10000
    answers = [frame(HEADERS, END_STREAM | END_HEADERS, stream_id, block) for stream_id in range(1, 200, 2)]
    feed_each(session, answers[:60])
    with pytest.raises(RemoteProtocolError, match="more header fields") as broken:
        feed_each(session, answers[60:])
    assert broken.value.code == 11
    ((_, _, _, payload),) = split_frames(session.leave(broken.value.code))
    assert payload[4:] == (11).to_bytes(4, "big")


def test_many_answers_that_decode_to_the_cap_each_are_taken_in_turns() -> None:
    data = frame(HEADERS, END_HEADERS, 1, STATUS_200 + BIG_FIELD)
    data += b"".join(
        frame(HEADERS, END_HEADERS | END_STREAM, stream_id, STATUS_200 + BIG_FIELD_AGAIN * 3)
        for stream_id in range(3, 2001, 2)
    )
    runs = []
    for _ in range(TRIES):
        session, _ = ask(1000)
        exchanges, seconds = feed_all(session, data)
        assert exchanges == []
        assert session.statistics().answered == 999
        assert len(seconds) > 10
        runs.append(seconds)
    assert max(map(min, zip(*runs, strict=True))) < TURN_SECONDS


def test_ordinary_answers_are_taken_in_one_call() -> None:
    session, peer = ask(500)
    for stream_id in peer.whole:
        peer.answer(stream_id, apns_id="123e4567-e89b-12d3-a456-426614174000")
    _, seconds = feed_all(session, peer.take())
    assert (session.statistics().answered, len(seconds)) == (500, 1)


def test_headers_for_nobody_end_the_session_and_answers_to_streams_given_up_do_not() -> None:
    session, _ = ask(100)
    given_up = 0
    while ended := session.expire(1000.0):
        given_up += len(ended)
    assert given_up == 100
    late = frame(HEADERS, END_HEADERS | END_STREAM, 1, STATUS_200 + SMALL_FIELD * 900)
    for stream_id in range(1, 200, 2):
        assert session.feed(late[:5] + stream_id.to_bytes(4, "big") + late[9:], 1000.0) == []
    assert session.can_submit
    flood = frame(HEADERS, END_HEADERS, 1, b"\x48\x03103" + SMALL_FIELD * 16000)
    with pytest.raises(RemoteProtocolError, match="more header fields"):
        feed_each(session, [flood] * 10)


def test_unread_octets_come_before_those_fed_next() -> None:
    session, _ = ask(400)
    before = session.statistics().bytes_received
    data = frame(HEADERS, END_HEADERS, 1, STATUS_200 + BIG_FIELD)
    data += b"".join(
        frame(HEADERS, END_HEADERS | END_STREAM, stream_id, STATUS_200 + BIG_FIELD_AGAIN * 3)
        for stream_id in range(3, 801, 2)
    )
    for part in (data[:-7], data[-7:]):
        session.feed(part, 2.0)
    assert session.has_unread
    feed_all(session, frame(PING, 0, 0, bytes(8)))
    assert session.statistics().answered == 399
    assert session.statistics().bytes_received == before + len(data) + 17


def test_the_fields_of_a_push_promise_are_nobodys_answer() -> None:
    session, _ = ask(1)
    promise = frame(5, END_HEADERS, 1, (2).to_bytes(4, "big") + b"\x82\x86\x84\x41\x01a")
    with pytest.raises(RemoteProtocolError):
        session.feed(promise, 2.0)
