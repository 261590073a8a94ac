"""Whatever bytes arrive, the answer is a value or a RequestError."""

import contextlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.frames import FrameReader, decode_caller_frame, decode_gateway_frame
from protocol.outcomes import Verdict
from protocol.preparation import Preparation
from protocol.providers.apns import classify, classify_goaway
from protocol.refusals import RequestError
from protocol.send import BatchLimits, SendFrame, decode_rows, open_batch
from tests.support.sends import ACCEPTED_AT_MS, SHOP, TOKEN, encode_send, read_rows
from tests.support.webpush_sends import AUTH, ENDPOINT, FULL_SHOP, P256DH, subscription

VALID = encode_send(
    batch_id="b1",
    content={"title": "Sale", "data": {"a": "1"}},
    defaults={"ttl": 60, "apns": {"push_type": "alert"}},
    notifications=[
        {"id": "n1", "to": {"apns": {"token": TOKEN, "environment": "sandbox"}}, "track": b"t"},
        {"to": subscription(expirationTime=None), "webpush": {"topic": "t", "declarative": False}},
        {"to": {"fcm": {"token": "c"}}, "payload_json": b'{"aps":{"event":"update"}}', "urgency": "low"},
    ],
)

numbers = st.integers(-(2**63), 2**64 - 1) | st.floats()
json_scalars = st.none() | st.booleans() | numbers | st.text(max_size=8)
scalars = json_scalars | st.binary(max_size=8)
WORDS = """op app targets notifications to apns fcm webpush token topic condition channel endpoint keys p256dh auth
vapid_key id ttl content data title link badge defaults urgency labels payload_json payload_bytes declarative send shop
high"""
words = st.sampled_from([*WORDS.split(), TOKEN, ENDPOINT, P256DH, AUTH])
values = st.recursive(
    scalars | words,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words | st.text(max_size=4), inner, max_size=5),
    max_leaves=20,
)


def take(body: bytes) -> None:
    """Go the whole way of a caller's frame; only RequestError may end it early."""
    with contextlib.suppress(RequestError):
        frame = decode_caller_frame(body)
        if isinstance(frame, SendFrame):
            envelope = open_batch(frame, BatchLimits(notifications=100))
            rows = decode_rows(envelope, 0, len(envelope))
            for facts in (SHOP, FULL_SHOP):
                prepared, rejections = Preparation(envelope, facts, ACCEPTED_AT_MS).prepare_slice(rows, 0)
                assert sorted(row.index for row in [*read_rows(prepared), *rejections]) == list(range(len(envelope)))


@given(st.binary(max_size=300))
def test_arbitrary_bytes(body):
    take(body)
    with contextlib.suppress(RequestError):
        decode_gateway_frame(body)
    with contextlib.suppress(RequestError):
        list(FrameReader(100).feed(body))


@given(st.dictionaries(words, values, max_size=6))
def test_arbitrary_maps_that_look_like_a_send(fields):
    take(encode_send(**{name: value for name, value in fields.items() if name not in {"op", "app"}}))


@given(st.lists(values, min_size=1, max_size=4), st.sampled_from(["targets", "notifications"]))
def test_arbitrary_rows(rows, field):
    take(encode_send(content={"title": "t"}, **{field: rows}))


@given(at=st.integers(0, len(VALID) - 1), byte=st.integers(0, 255))
def test_a_valid_send_with_one_byte_changed(at, byte):
    take(VALID[:at] + bytes([byte]) + VALID[at + 1 :])


@pytest.mark.parametrize("stop", range(len(VALID)))
def test_a_valid_send_cut_short_is_refused(stop):
    with pytest.raises(RequestError):
        decode_caller_frame(VALID[:stop])


answers = st.dictionaries(st.sampled_from(["reason", "timestamp"]), json_scalars).map(msgspec.json.encode)


@given(
    status=st.integers(-1, 1000),
    headers=st.lists(st.tuples(st.sampled_from([b"retry-after", b"x"]), st.binary(max_size=30)), max_size=3),
    body=st.binary(max_size=60) | answers,
)
def test_whatever_a_provider_answers_there_is_a_verdict(status, headers, body):
    assert isinstance(classify(status, headers, body, 1_780_000_000.0), Verdict)
    assert isinstance(classify_goaway(body), Verdict | None)
