"""A row that goes against the schema is rejected alone, with its place, and told apart from every other request."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.reasons import Reason
from protocol.refusals import RESERVED_FIELDS
from protocol.send import Fingerprint, UnreadableRow, decode_rows
from tests.support.sends import TOKEN, open_send, prepare
from tests.support.webpush_sends import FULL_SHOP, subscription

ROW = {"to": {"apns": {"token": TOKEN}}}
TARGET = ROW["to"]
GONE = subscription()["webpush"]
CONTENT = {"title": "Sale"}
HALF_AN_EMOJI = b"\xed\xa0\xbd"


def raw_text(data: bytes) -> msgspec.Raw:
    """Return a msgpack text of any bytes."""
    return msgspec.Raw(bytes([0xA0 + len(data)]) + data)


# Rows of `notifications`, and what is said of each.
NOTIFICATIONS = [
    ({}, Reason.INVALID_TOKEN, "to"),
    ({"to": None}, Reason.INVALID_TOKEN, "to"),
    ({"to": "9f"}, Reason.INVALID_TOKEN, "to"),
    ({"to": {"apns": {"token": 5}}}, Reason.INVALID_TOKEN, "to.apns.token"),
    ({"to": {"apns": {"token": ""}}}, Reason.INVALID_TOKEN, "to.apns.token"),
    ({"to": {"apns": {"token": TOKEN, "environment": "SECRET"}}}, Reason.INVALID_TOKEN, "to.apns.environment"),
    ({"to": {"apns": {"token": TOKEN, "bundle": "x"}}}, Reason.UNKNOWN_FIELD, "to.apns.bundle"),
    ({"to": {"fcm": {"token": ["SECRET"]}}}, Reason.INVALID_TOKEN, "to.fcm.token"),
    ({"to": {"fcm": {"token": "SECRET" * 1000}}}, Reason.INVALID_TOKEN, "to.fcm.token"),
    ({"to": {"fcm": "SECRET"}}, Reason.INVALID_TOKEN, "to.fcm"),
    ({"to": {"fcm": {"registration": "x"}}}, Reason.UNKNOWN_FIELD, "to.fcm.registration"),
    ({"to": {"webpush": GONE | {"keys": {"auth": "x"}}}}, Reason.INVALID_TOKEN, "to.webpush.keys.p256dh"),
    ({"to": {"webpush": GONE | {"keys": "SECRET"}}}, Reason.INVALID_TOKEN, "to.webpush.keys"),
    ({"to": {"webpush": GONE | {"endpoint": None}}}, Reason.INVALID_TOKEN, "to.webpush.endpoint"),
    ({"to": {"webpush": GONE | {"vapid_key": 7}}}, Reason.INVALID_TOKEN, "to.webpush.vapid_key"),
    ({"to": TARGET | {"sms": {}}}, Reason.UNKNOWN_FIELD, "to.sms"),
    (ROW | {"ttl": -1}, Reason.INVALID_OPTION, "ttl"),
    (ROW | {"ttl": 1.5}, Reason.INVALID_OPTION, "ttl"),
    (ROW | {"not_before": 2**63}, Reason.INVALID_OPTION, "not_before"),
    (ROW | {"urgency": "SECRET"}, Reason.INVALID_OPTION, "urgency"),
    (ROW | {"track": b"x" * 129}, Reason.INVALID_OPTION, "track"),
    (ROW | {"cancel_keys": ["k"] * 5}, Reason.INVALID_OPTION, "cancel_keys"),
    (ROW | {"apns": {"priority": 7}}, Reason.INVALID_OPTION, "apns.priority"),
    (ROW | {"webpush": {"urgency": "high", "image": "x"}}, Reason.UNKNOWN_FIELD, "webpush.image"),
    (ROW | {"content": {"titel": "x"}}, Reason.UNKNOWN_FIELD, "content.titel"),
    (ROW | {"content": {"data": {"a": 1}}}, Reason.INVALID_PAYLOAD, "content.data[...]"),
    (ROW | {"payload_json": "SECRET"}, Reason.INVALID_PAYLOAD, "payload_json"),
    (ROW | {"payload_bytes": 7}, Reason.INVALID_PAYLOAD, "payload_bytes"),
    (ROW | {"colour": 1}, Reason.UNKNOWN_FIELD, "colour"),
    (ROW | {"content": {"title": raw_text(HALF_AN_EMOJI)}}, Reason.MALFORMED, None),
    (5, Reason.MALFORMED, None),
    (None, Reason.MALFORMED, None),
    ([], Reason.MALFORMED, None),
]
# Rows of `targets`: each is the address itself.
TARGETS = [
    ({"apns": {"foo": 1}}, Reason.UNKNOWN_FIELD, "to.apns.foo"),
    ({"fcm": None, "apns": {"token": 5}}, Reason.INVALID_TOKEN, "to.apns.token"),
    (TARGET | {"id": 7}, Reason.INVALID_OPTION, "id"),
    (TARGET | {"ttl": 7}, Reason.UNKNOWN_FIELD, "to.ttl"),
    (5, Reason.MALFORMED, None),
]


@pytest.mark.parametrize(("row", "reason", "field"), NOTIFICATIONS)
def test_a_notification_that_cannot_be_read_is_rejected_alone(row, reason, field):
    check_rejected_alone("notifications", ROW, row, reason, field)


@pytest.mark.parametrize(("row", "reason", "field"), TARGETS)
def test_a_target_that_cannot_be_read_is_rejected_alone(row, reason, field):
    check_rejected_alone("targets", TARGET, row, reason, field)


def check_rejected_alone(form, good, row, reason, field):
    prepared, rejections = prepare(FULL_SHOP, content=CONTENT, **{form: [good, row, good]})
    assert [row.index for row in prepared] == [0, 2]
    (rejection,) = rejections
    assert (rejection.index, rejection.reason, rejection.field) == (1, reason, field)
    assert "secret" not in f"{rejection.field} {rejection.detail}".lower()


@pytest.mark.parametrize("name", sorted(RESERVED_FIELDS))
def test_reserved_fields_are_not_supported_yet(name):
    _, (rejection,) = prepare(content=CONTENT, notifications=[ROW | {name: 1}])
    assert (rejection.reason, rejection.field) == (Reason.NOT_SUPPORTED, name)


@pytest.mark.parametrize(
    ("more", "given"),
    [({"id": "n1"}, "n1"), ({"id": ""}, None), ({"id": "x" * 65}, None), ({"id": 5}, None), ({}, None)],
)
def test_a_row_is_named_by_its_id_where_that_can_be_read(more, given):
    _, (rejection,) = prepare(content=CONTENT, notifications=[{"to": 5} | more])
    assert rejection.id == given


def test_an_id_is_given_once_even_where_its_first_row_cannot_be_read():
    rows = [{"to": 5, "id": "n1"}, ROW | {"id": "n1"}]
    _, rejections = prepare(content=CONTENT, notifications=rows)
    assert [row.reason for row in rejections] == [Reason.INVALID_TOKEN, Reason.DUPLICATE_ID]


def test_a_huge_row_is_not_searched_for_its_id():
    _, (rejection,) = prepare(content=CONTENT, notifications=[{"to": 5, "id": "n1", "x": "x" * 70_000}])
    assert (rejection.reason, rejection.id) == (Reason.INVALID_TOKEN, None)


def fingerprint(rows, slice_rows=250, form="targets") -> bytes:
    envelope = open_send(content=CONTENT, **{form: rows})
    result = Fingerprint(envelope)
    for start in range(0, len(envelope), slice_rows):
        result.update(decode_rows(envelope, start, start + slice_rows))
    return result.digest()


def test_a_repeat_of_a_request_with_a_bad_row_is_the_same_one_and_every_other_is_not():
    def with_row(row):
        return fingerprint([TARGET, row, TARGET])

    first = with_row({"apns": {"token": 5}})
    assert with_row({"apns": {"token": 5}}) == first
    others = [{"apns": {"token": 6}}, {"apns": {"token": "5"}}, TARGET, {"fcm": {"token": 5}}, 5]
    assert len({first, *map(with_row, others)}) == len(others) + 1


def test_a_bad_row_cannot_pass_for_a_good_one_that_looks_like_it_inside():
    bad = {"apns": {"token": 5}}
    (read,) = decode_rows(open_send(targets=[bad]), 0, 1)
    assert isinstance(read, UnreadableRow)
    assert fingerprint([bad]) != fingerprint([[read.raw, read.rows_field, read.id]])


@given(bad=st.sets(st.integers(0, 39)), slice_rows=st.integers(1, 41))
def test_the_cut_into_slices_has_no_effect_on_bad_rows(bad, slice_rows):
    rows = [{"apns": {"token": number if number in bad else TOKEN}} for number in range(40)]
    assert fingerprint(rows, slice_rows) == fingerprint(rows)
    _, rejections = prepare(content=CONTENT, targets=rows)
    assert [row.index for row in rejections] == sorted(bad)


def test_keys_that_are_passed_over_make_no_other_request():
    plain = fingerprint([subscription()])
    assert fingerprint([subscription(contentEncoding="aes128gcm")]) == plain
