"""Frames whole, byte by byte, with trailing bytes, and broken."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.dead_tokens import DeadToken
from protocol.frames import (
    LENGTH_BYTES,
    Accepted,
    Ack,
    Cancel,
    Cancelled,
    ConfirmDeadTokens,
    Confirmed,
    Credits,
    DeadTokens,
    Error,
    FrameError,
    FrameReader,
    GatewayGoodbye,
    GatewayPing,
    GatewayPong,
    Goodbye,
    Hello,
    Limits,
    Ping,
    Pong,
    RejectedRow,
    Results,
    SendFrame,
    Subscribe,
    Unsubscribe,
    Welcome,
    decode_caller_frame,
    decode_gateway_frame,
    encode_frame,
    frame_body,
)
from protocol.reasons import Reason
from protocol.refusals import RequestError
from protocol.results import ResultBlock
from tests.support.sends import TOKEN, encode_send

CALLER_FRAMES = [
    Hello(version=1),
    Hello(version=1, key="secret"),
    Cancel(batch_id="b1"),
    Cancel(batch_id="b1", ids=["n1"], indexes=[0, 2]),
    Cancel(app="shop", cancel_key="order-7"),
    Subscribe(),
    Subscribe(cursor="17"),
    Subscribe(subscription="billing"),
    Unsubscribe(subscription="billing"),
    Subscribe(feed="dead_tokens", cursor="9"),
    ConfirmDeadTokens(app="shop"),
    Ack(cursor="17"),
    Ping(),
    Pong(),
    Goodbye(),
]
CREDITS = Credits(notifications=20_000, bytes=1 << 24)
GATEWAY_FRAMES = [
    Welcome(
        version=1,
        limits=Limits(batch_notifications=10_000, batch_bytes=1 << 23, frame_bytes=1 << 23),
        credits=CREDITS,
        features=["apns"],
    ),
    Accepted(
        batch_id="b1",
        accepted=1,
        rejected=[RejectedRow(index=1, id=None, reason="invalid_token", field="to.apns.token", detail="no")],
        credits=CREDITS,
    ),
    Accepted(batch_id="b1", accepted=0, rejected=[]),
    Error(reason="malformed", detail="no"),
    Error(reason="overloaded", detail="no", batch_id="b1", field="x", retry_after_ms=5, credits=CREDITS),
    Cancelled(cancelled=1, too_late=2, not_found=3, batch_id="b1"),
    DeadTokens(
        cursor="5",
        tokens=[
            DeadToken(
                batch_id="b1",
                index=3,
                id=None,
                app="shop",
                provider="fcm",
                destination="c8:x",
                dead_since=5,
            )
        ],
    ),
    Confirmed(app="shop", tokens=12),
    Results(
        cursor="9",
        blocks=[
            ResultBlock(
                batch_id="b1",
                app="shop",
                provider="apns",
                outcome="provider_accepted",
                indexes=[0, 3],
                accepted_at=1,
                finished_at=2,
            )
        ],
    ),
    GatewayPing(),
    GatewayPong(),
    GatewayGoodbye(),
]


@pytest.mark.parametrize("frame", CALLER_FRAMES, ids=lambda frame: type(frame).__name__)
def test_callers_frames_survive_the_wire(frame):
    (body,) = FrameReader(1 << 20).feed(encode_frame(frame))
    assert decode_caller_frame(body) == frame


@pytest.mark.parametrize("frame", GATEWAY_FRAMES, ids=lambda frame: type(frame).__name__)
def test_the_gateways_frames_survive_the_wire(frame):
    (body,) = FrameReader(1 << 20).feed(encode_frame(frame))
    assert decode_gateway_frame(body) == frame


def test_a_send_is_one_of_the_callers_frames():
    frame = decode_caller_frame(encode_send(batch_id="b1", targets=[{"apns": {"token": TOKEN}}]))
    assert isinstance(frame, SendFrame)
    assert frame.batch_id == "b1"


def test_byte_by_byte_gives_the_same_frames_as_at_once():
    stream = b"".join(encode_frame(frame) for frame in CALLER_FRAMES)
    reader = FrameReader(1000)
    bodies = [body for byte in stream for body in reader.feed(bytes([byte]))]
    assert [decode_caller_frame(body) for body in bodies] == CALLER_FRAMES
    assert not reader.is_mid_frame
    assert list(FrameReader(1000).feed(stream)) == bodies


@given(
    bodies=st.lists(st.binary(max_size=50), max_size=10),
    cuts=st.lists(st.integers(0, 600), max_size=10),
    trailing=st.binary(max_size=3),
)
def test_frames_come_out_however_the_stream_is_cut(bodies, cuts, trailing):
    stream = b"".join(frame_body(body) for body in bodies) + trailing
    ends = [*sorted(cuts), len(stream)]
    reader = FrameReader(50)
    start, found = 0, []
    for stop in ends:
        found += reader.feed(stream[start:stop])
        start = max(start, stop)
    assert found == bodies
    assert reader.is_mid_frame == bool(trailing)


def test_bodies_not_taken_come_first_the_next_time():
    reader = FrameReader(100)
    assert next(reader.feed(frame_body(b"one") + frame_body(b"two"))) == b"one"
    assert list(reader.feed(frame_body(b"three"))) == [b"two", b"three"]


def test_a_frame_at_the_limit_is_read_and_one_over_it_is_refused_by_its_length_alone():
    assert list(FrameReader(5).feed(frame_body(b"12345"))) == [b"12345"]
    with pytest.raises(FrameError) as caught:
        list(FrameReader(5).feed((6).to_bytes(LENGTH_BYTES, "big")))
    assert caught.value.reason is Reason.TOO_LARGE


def test_frames_before_an_oversize_one_are_still_given():
    bodies = FrameReader(5).feed(frame_body(b"first") + b"\xff\xff\xff\xff")
    assert next(bodies) == b"first"
    with pytest.raises(FrameError, match="4294967295"):
        next(bodies)


@pytest.mark.parametrize(
    ("body", "reason", "field"),
    [
        (b"", Reason.MALFORMED, None),
        (b"\xc1", Reason.MALFORMED, None),
        (b"\x90", Reason.MALFORMED, None),
        (b"\x81\xa2op\xa2\xff\xff", Reason.MALFORMED, None),
        (b"\x82\xa2op\xa4ping\xa1x" + b"\x91" * 100_000, Reason.UNKNOWN_FIELD, "x"),
        (encode_frame(Ping())[LENGTH_BYTES:] + b"x", Reason.MALFORMED, None),
        (msgspec.msgpack.encode({"version": 1}), Reason.MALFORMED, "op"),
        (msgspec.msgpack.encode({"op": "shout"}), Reason.MALFORMED, "op"),
        (msgspec.msgpack.encode({"op": 7}), Reason.MALFORMED, "op"),
        (msgspec.msgpack.encode({"op": "hello", "version": -1}), Reason.MALFORMED, "version"),
        (msgspec.msgpack.encode({"op": "hello", "version": 1, "colour": 1}), Reason.UNKNOWN_FIELD, "colour"),
        (msgspec.msgpack.encode({"op": "ack"}), Reason.MALFORMED, "cursor"),
        (msgspec.msgpack.encode({"op": "cancel", "indexes": [0, 2**31]}), Reason.MALFORMED, "indexes[1]"),
    ],
)
def test_a_frame_that_cannot_be_read_ends_the_connection_with_its_place(body, reason, field):
    with pytest.raises(FrameError) as caught:
        decode_caller_frame(body)
    assert (caught.value.reason, caught.value.field) == (reason, field)


def test_a_send_against_the_schema_is_refused_alone_and_by_its_name():
    with pytest.raises(RequestError) as caught:
        decode_caller_frame(encode_send(batch_id="b1", colour="red"))
    assert not isinstance(caught.value, FrameError)
    assert (caught.value.reason, caught.value.field) == (Reason.UNKNOWN_FIELD, "colour")
    assert caught.value.batch_id == "b1"


def test_callers_pass_over_fields_that_a_newer_gateway_adds():
    body = msgspec.msgpack.encode({"op": "accepted", "batch_id": "b", "accepted": 1, "rejected": [], "mood": "good"})
    assert decode_gateway_frame(body) == Accepted(batch_id="b", accepted=1, rejected=[])
    assert decode_gateway_frame(msgspec.msgpack.encode({"op": "pong", "at": 1})) == GatewayPong()


def test_an_answer_that_cannot_be_read_is_an_error_too():
    with pytest.raises(FrameError) as caught:
        decode_gateway_frame(b"\x81\xa2op\xa5never")
    assert caught.value.reason is Reason.MALFORMED
