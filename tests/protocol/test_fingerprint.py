"""Two requests have the same fingerprint exactly when they ask for the same."""

import msgspec
import pytest

from protocol.send import BatchLimits, Fingerprint, decode_batch, decode_rows
from tests.support.sends import TOKEN, open_send

ROW = {"to": {"apns": {"token": TOKEN}}, "id": "n1", "content": {"data": {"a": "1", "b": "2"}}}
BASE = {"content": {"title": "Sale"}, "defaults": {"ttl": 60}, "labels": ["x"], "notifications": [ROW] * 40}


def fingerprint(slice_rows=250, **fields) -> bytes:
    return fingerprint_of(open_send(**fields), slice_rows)


def fingerprint_of(envelope, slice_rows=250) -> bytes:
    result = Fingerprint(envelope)
    for start in range(0, len(envelope), slice_rows):
        result.update(decode_rows(envelope, start, start + slice_rows))
    return result.digest()


def reversed_keys(value):
    if isinstance(value, dict):
        return {key: reversed_keys(value[key]) for key in reversed(value)}
    return [reversed_keys(element) for element in value] if isinstance(value, list) else value


def test_the_order_of_keys_has_no_effect():
    envelope = decode_batch(msgspec.msgpack.encode(reversed_keys({"op": "send", "app": "shop"} | BASE)), BatchLimits())
    assert fingerprint_of(envelope) == fingerprint(**BASE)


def test_null_is_the_same_as_absent():
    assert fingerprint(**BASE, payload_json=None) == fingerprint(**BASE)


@pytest.mark.parametrize("slice_rows", [1, 7, 15, 16, 39, 40, 100])
def test_the_cut_into_slices_has_no_effect(slice_rows):
    assert fingerprint(slice_rows, **BASE) == fingerprint(**BASE)


def test_a_slice_of_any_length_counts_its_rows_alike():
    many = open_send(targets=[{"apns": {"token": TOKEN}}] * 10_000)
    assert fingerprint_of(many, 10_000) == fingerprint_of(many, 250)


def test_the_batch_id_is_the_key_and_not_part_of_it():
    assert fingerprint(**BASE, batch_id="b1") == fingerprint(**BASE, batch_id="b2")


@pytest.mark.parametrize(
    "change",
    [
        {"app": "other"},
        {"content": {"title": "Sale!"}},
        {"content": {"body": "Sale"}},
        {"content": None, "payload_json": b"{}"},
        {"defaults": {"ttl": 61}},
        {"labels": []},
        {"notifications": [ROW] * 39},
        {"notifications": [*[ROW] * 39, ROW | {"id": "n2"}]},
        {"notifications": [*[ROW] * 39, ROW | {"ttl": 0}]},
        {"notifications": [*[ROW] * 39, ROW | {"content": {"data": {"a": "2", "b": "1"}}}]},
    ],
)
def test_every_difference_shows(change):
    assert fingerprint(**BASE | change) != fingerprint(**BASE)


def test_targets_and_notifications_differ_even_where_they_say_the_same():
    assert fingerprint(targets=[{}]) != fingerprint(notifications=[{"to": {}}])
