"""Opening a batch and decoding its rows: what is refused whole, and with which place."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.reasons import Reason
from protocol.refusals import RESERVED_FIELDS
from protocol.send import (
    BatchLimits,
    RequestError,
    SliceLimits,
    TargetRow,
    cut_slices,
    decode_batch,
    decode_rows,
    find_batch_id,
)
from protocol.send.fields import ROWS_CEILING
from tests.support.sends import TOKEN, encode_send, open_send

ROW = {"to": {"apns": {"token": TOKEN}}}
TARGET = {"apns": {"token": TOKEN}}
ROW_BYTES = len(msgspec.msgpack.encode(TARGET))


def refused(**fields) -> RequestError:
    with pytest.raises(RequestError) as caught:
        open_send(**fields)
    return caught.value


def test_targets_and_notifications_are_split_and_decoded():
    envelope = open_send(targets=[TARGET, TARGET | {"id": "n2"}], labels=["a"], defaults={"ttl": 5})
    assert (len(envelope), envelope.rows_field, envelope.labels, envelope.defaults.ttl) == (2, "targets", ("a",), 5)
    first, second = decode_rows(envelope, 0, 2)
    assert isinstance(first, TargetRow)
    assert (first.id, second.id) == (None, "n2")
    (row,) = decode_rows(open_send(notifications=[ROW | {"ttl": 60}]), 0, 1)
    assert row.ttl == 60
    assert row.to.apns.token == TOKEN


@given(count=st.integers(1, 40), size=st.integers(1, 40))
def test_slices_of_any_size_give_the_same_rows(count, size):
    envelope = open_send(targets=[TARGET | {"id": f"n{number}"} for number in range(count)])
    rows = [row for start in range(0, count, size) for row in decode_rows(envelope, start, start + size)]
    assert rows == decode_rows(envelope, 0, count)
    assert [row.id for row in rows] == [f"n{number}" for number in range(count)]


@pytest.mark.parametrize(
    ("fields", "reason", "field"),
    [
        ({"targets": [TARGET], "notifications": [ROW]}, Reason.MALFORMED, "notifications"),
        ({}, Reason.MALFORMED, "notifications"),
        ({"targets": []}, Reason.MALFORMED, "targets"),
        ({"notifications": []}, Reason.MALFORMED, "notifications"),
        ({"targets": 7}, Reason.MALFORMED, "targets"),
        ({"targets": [TARGET], "wait_ms": 10}, Reason.NOT_SUPPORTED, "wait_ms"),
        ({"targets": [TARGET], "content": {}, "payload_json": b"{}"}, Reason.MALFORMED, "payload_json"),
        ({"targets": [TARGET], "labels": ["ok"] * 9}, Reason.MALFORMED, "labels"),
        ({"targets": [TARGET], "labels": ["ok", "é" * 33]}, Reason.MALFORMED, "labels[1]"),
        ({"targets": [TARGET], "batch_id": ""}, Reason.MALFORMED, "batch_id"),
        ({"targets": [TARGET], "batch_id": "a b"}, Reason.MALFORMED, "batch_id"),
        ({"targets": [TARGET], "batch_id": "a\n"}, Reason.MALFORMED, "batch_id"),
        ({"targets": [TARGET], "batch_id": "x" * 256}, Reason.MALFORMED, "batch_id"),
        ({"targets": [TARGET], "app": None}, Reason.MALFORMED, "app"),
        ({"targets": [TARGET], "content": {"titel": "x"}}, Reason.UNKNOWN_FIELD, "content.titel"),
        ({"targets": [TARGET], "content": {"data": {"a": 1}}}, Reason.MALFORMED, "content.data[...]"),
        ({"targets": [TARGET], "content": {"data": {"k" * 256: "1"}}}, Reason.MALFORMED, "content.data"),
        ({"targets": [TARGET], "payload_json": "text"}, Reason.MALFORMED, "payload_json"),
        ({"targets": [TARGET], "defaults": {"id": "x"}}, Reason.UNKNOWN_FIELD, "defaults.id"),
        ({"targets": [TARGET], "defaults": {"ttl": 28 * 86400 + 1}}, Reason.MALFORMED, "defaults.ttl"),
    ],
)
def test_what_goes_against_the_schema_is_refused_whole_with_its_place(fields, reason, field):
    refusal = refused(**fields)
    assert (refusal.reason, refusal.field) == (reason, field)


@pytest.mark.parametrize("name", sorted(RESERVED_FIELDS))
def test_reserved_fields_are_not_supported_yet(name):
    for fields, field in (({name: 1}, name), ({"defaults": {name: 1}}, f"defaults.{name}")):
        refusal = refused(targets=[TARGET], **fields)
        assert (refusal.reason, refusal.field) == (Reason.NOT_SUPPORTED, field)


@pytest.mark.parametrize(
    "fields",
    [
        {"targets": [TARGET], "defaults": {"urgency": "SECRET"}},
        {"targets": [TARGET], "defaults": {"apns": "SECRET"}},
        {"targets": [TARGET], "batch_id": "SECRET!"},
        {"targets": [TARGET], "content": {"data": {"SECRET": 1}}},
        {"targets": [TARGET], "content": {"data": {"SECRET" * 100: "1"}}},
    ],
)
def test_a_refusal_never_repeats_a_value(fields):
    refusal = refused(**fields)
    assert "secret" not in f"{refusal} {refusal.field} {refusal.detail}".lower()


def test_an_unknown_name_is_repeated_shortened_and_printable():
    refusal = refused(targets=[TARGET], **{"a\x1b[31m" + "b" * 1000: 1})
    assert refusal.field is not None
    assert refusal.field.startswith("a?[31mb")
    assert len(refusal.field) <= 200


def test_more_rows_or_bytes_than_the_limits_are_too_large():
    body = encode_send(batch_id="b1", targets=[TARGET] * 3)
    with pytest.raises(RequestError) as caught:
        decode_batch(body, BatchLimits(notifications=2))
    assert (caught.value.reason, caught.value.field, caught.value.batch_id) == (Reason.TOO_LARGE, "targets", "b1")
    with pytest.raises(RequestError) as caught:
        decode_batch(body, BatchLimits(bytes=len(body) - 1))
    assert (caught.value.reason, caught.value.field) == (Reason.TOO_LARGE, None)
    assert len(decode_batch(body, BatchLimits(notifications=3, bytes=len(body)))) == 3


def test_a_list_over_the_ceiling_is_too_large_before_it_is_read():
    count = (ROWS_CEILING + 1).to_bytes(4, "big")
    with pytest.raises(RequestError) as caught:
        decode_batch(b"\x82\xa3app\xa1a\xa7targets\xdd" + count, BatchLimits())
    assert (caught.value.reason, caught.value.field) == (Reason.TOO_LARGE, "targets")


def test_a_broken_request_still_tells_its_batch_id_where_that_can_be_read():
    assert refused(batch_id="b1", targets=[TARGET], colour=1).batch_id == "b1"
    assert find_batch_id(msgspec.msgpack.encode({"batch_id": "not valid"})) == "not valid"
    assert find_batch_id(msgspec.msgpack.encode({"batch_id": "x" * 1024})) == "x" * 1024
    assert find_batch_id(msgspec.msgpack.encode({"batch_id": "x" * 1025})) is None
    assert find_batch_id(msgspec.msgpack.encode({"batch_id": 5})) is None
    assert find_batch_id(b"\xc1") is None


def test_deep_nesting_is_refused_not_followed():
    with pytest.raises(RequestError) as caught:
        decode_batch(b"\x82\xa3app\xa1a\xa7targets\x91" + b"\x91" * 200_000, BatchLimits())
    assert (caught.value.reason, caught.value.detail) == (Reason.MALFORMED, "nested too deep")


@pytest.mark.parametrize(
    ("limits", "slices"),
    [
        (SliceLimits(rows=2, bytes=10_000), [(0, 2), (2, 4), (4, 5)]),
        (SliceLimits(rows=5, bytes=10_000), [(0, 5)]),
        (SliceLimits(rows=9, bytes=10_000), [(0, 5)]),
        (SliceLimits(rows=9, bytes=1), [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5)]),
        (SliceLimits(rows=9, bytes=2 * ROW_BYTES), [(0, 2), (2, 4), (4, 5)]),
        (SliceLimits(rows=9, bytes=2 * ROW_BYTES - 1), [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5)]),
    ],
)
def test_a_slice_ends_at_its_bound_in_rows_or_in_bytes(limits, slices):
    envelope = open_send(targets=[TARGET] * 5)
    assert list(cut_slices(envelope, limits)) == slices


def test_a_row_over_the_bound_is_a_slice_of_its_own():
    large = ROW | {"payload_json": b"x" * 500}
    envelope = open_send(notifications=[ROW, large, ROW, ROW])
    assert list(cut_slices(envelope, SliceLimits(rows=9, bytes=400))) == [(0, 1), (1, 2), (2, 4)]
