"""What becomes an APNs payload beside the golden contents, and own payloads left as they are."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.preparation import Rejection
from protocol.reasons import Reason
from tests.support.sends import TOKEN, PreparedRow, prepare, prepare_one


def test_a_notifications_keys_replace_those_of_the_batch():
    shared = {"title": "T", "body": "B", "badge": 1, "sound": "s", "image": "i", "link": "l", "data": {"a": "1"}}
    own = {"title": "t", "badge": 0, "data": {"b": "2"}}
    ((row,), _) = prepare(content=shared, notifications=[{"to": {"apns": {"token": TOKEN}}, "content": own}])
    assert msgspec.json.decode(row.body) == {
        "aps": {"alert": {"title": "t", "body": "B"}, "badge": 0, "sound": "s", "mutable-content": 1},
        "b": "2",
        "image": "i",
        "link": "l",
    }
    every = {"title": "t", "body": "b", "badge": 2, "sound": "z", "image": "y", "link": "x", "data": {"c": "3"}}
    ((row,), _) = prepare(content=shared, notifications=[{"to": {"apns": {"token": TOKEN}}, "content": every}])
    assert row.body == prepare_one(content=every).body


def test_own_content_replaces_a_shared_payload_and_the_other_way_round():
    to = {"apns": {"token": TOKEN}}
    ((row,), _) = prepare(payload_json=b'{"aps":{"badge":1}}', notifications=[{"to": to, "content": {"title": "t"}}])
    assert row.body == b'{"aps":{"alert":{"title":"t"}}}'
    ((row,), _) = prepare(content={"title": "t"}, notifications=[{"to": to, "payload_json": b'{"aps":{"badge":1}}'}])
    assert row.body == b'{"aps":{"badge":1}}'


@pytest.mark.parametrize("key", ["aps", "image", "link"])
def test_data_cannot_take_a_key_that_has_a_meaning(key):
    row = prepare_one(content={"title": "t", "data": {key: "x"}})
    assert isinstance(row, Rejection)
    assert (row.reason, row.field) == (Reason.INVALID_PAYLOAD, "content.data")


@pytest.mark.parametrize(
    "payload",
    [
        b'{"aps":{"alert":"hi"}}',
        b' { "aps" : { "alert" : "hi" } , "b" : 1.50 , "a" : 1e2 }\n',
        b'{"z":1,"aps":{"badge":1},"a":2,"a":3}',
        '{"aps":{"alert":"häßlich \\u00e4 🎉"}}'.encode(),
        b'{"aps":{"timestamp":1,"event":"update","content-state":{"b":1.0,"a":0.10}}}',
        b"{}",
    ],
)
def test_an_own_payload_goes_byte_for_byte(payload):
    row = prepare_one(payload_json=payload)
    assert isinstance(row, PreparedRow)
    assert row.body == payload
    (shared,), _ = prepare(payload_json=payload, targets=[{"apns": {"token": TOKEN}}])
    assert shared.body == payload


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"null",
        b"[]",
        b'"text"',
        b"{",
        b"{}x",
        b'{"aps":[]}',
        b'{"x":"\xff"}',
        b'{"x":' + b"[" * 2000,
    ],
)
def test_a_payload_that_is_no_object_for_apns_is_invalid(payload):
    row = prepare_one(payload_json=payload)
    assert isinstance(row, Rejection)
    assert (row.reason, row.field) == (Reason.INVALID_PAYLOAD, "payload_json")


def test_a_payload_over_every_limit_is_not_even_looked_into():
    row = prepare_one(payload_json=b"[" * 5121)
    assert isinstance(row, Rejection)
    assert row.reason is Reason.PAYLOAD_TOO_LARGE


@given(st.text(max_size=50), st.dictionaries(st.text(min_size=1, max_size=10), st.text(max_size=20), max_size=5))
def test_any_text_reads_back_from_the_payload_as_it_was(text, data):
    data = {key: value for key, value in data.items() if key not in {"aps", "image", "link"}}
    row = prepare_one(content={"title": text, "data": data})
    assert isinstance(row, PreparedRow)
    assert msgspec.json.decode(row.body) == {"aps": {"alert": {"title": text}}, **data}


@given(st.binary(max_size=200))
def test_any_bytes_are_a_payload_or_a_rejection(payload):
    assert isinstance(prepare_one(payload_json=payload), PreparedRow | Rejection)
