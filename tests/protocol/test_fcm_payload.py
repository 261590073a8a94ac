"""A caller's own FCM message: what is checked, what is merged, and that the rest keeps its bytes."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.preparation import Rejection
from protocol.providers.fcm.message_fields import MESSAGE
from protocol.reasons import Reason
from tests.support.fcm_requests import request_of
from tests.support.sends import ACCEPTED_AT_MS, FCM_SHOP, PreparedRow, prepare, prepare_fcm

DAY_MS = 24 * 3600 * 1000
ANDROID_NOTIFICATION = {
    "title": "t",
    "color": "#00ff7F",
    "body_loc_args": ["a"],
    "sticky": True,
    "event_time": "2026-05-28T20:26:40.5Z",
    "notification_priority": "PRIORITY_HIGH",
    "vibrate_timings": ["0.5s", "1s"],
    "visibility": "PUBLIC",
    "notification_count": 3,
    "light_settings": {"color": {"red": 1, "green": 0.5, "blue": 0, "alpha": 1}, "light_on_duration": "1s"},
    "proxy": "IF_PRIORITY_LOWERED",
}


def send(message: Any, **options: Any) -> PreparedRow | Rejection:
    payload = message if isinstance(message, bytes) else msgspec.json.encode(message)
    return prepare_fcm(payload_json=payload, **options)


def rejected(message: Any, **options: Any) -> tuple[Reason, str | None]:
    row = send(message, **options)
    assert isinstance(row, Rejection), row
    return row.reason, row.field


@pytest.mark.parametrize(
    ("payload", "request_body"),
    [
        (b"{}", b'{"message":{"token":"c8:x","android":{"ttl":"60s"}}}'),
        (b'{"android":null,"data":null}', b'{"message":{"token":"c8:x","android":{"ttl":"60s"}}}'),
        (
            b' { "notification" : { "title" : "a\\u00e4" } , "data":{ "b":"1" , "a":"2"} }\n',
            (
                b'{"message":{"token":"c8:x","android":{"ttl":"60s"},'
                b'"notification":{ "title" : "a\\u00e4" },"data":{ "b":"1" , "a":"2"}}}'
            ),
        ),
        (
            b'{"data":{"a":"1"},"android":{"collapseKey":"own","ttl":"3600s","priority":"normal"}}',
            (
                b'{"message":{"token":"c8:x","android":{"ttl":"60s","collapse_key":"own","priority":"normal"},'
                b'"data":{"a":"1"}}}'
            ),
        ),
        (
            b'{"android_v2":{"background_sync":{}},"apns":{"payload":{"aps":{"x":1.50}}}}',
            (
                b'{"message":{"token":"c8:x","android_v2":{"ttl":"60s","background_sync":{},"collapse_key":"c"},'
                b'"apns":{"payload":{"aps":{"x":1.50}}}}}'
            ),
        ),
    ],
)
def test_members_keep_their_bytes_around_what_is_merged(payload, request_body):
    options = {"urgency": "high", "collapse": "c"} if b"own" in payload or b"v2" in payload else {}
    assert request_of(send(payload, ttl=60, **options)) == request_body


def test_options_fill_only_what_the_message_leaves_out():
    message = msgspec.json.decode(request_of(send({"data": {"a": "1"}}, urgency="normal", collapse="c", ttl=9)))
    assert message["message"]["android"] == {"ttl": "9s", "priority": "NORMAL", "collapse_key": "c"}
    assert "apns" not in message["message"]


@pytest.mark.parametrize(
    ("own", "options", "expires_in_ms", "single_try"),
    [
        ("3600s", {}, 3_600_000, False),
        ("3.5s", {}, 3000, False),
        ("2419200s", {}, 28 * DAY_MS, False),
        ("0s", {}, 30_000, True),
        ("0.9s", {}, 30_000, True),
        ("60s", {"ttl": 3600}, 60_000, False),
        ("3600s", {"ttl": 60}, 60_000, False),
        ("3600s", {"expires_at": ACCEPTED_AT_MS + 5000}, 5000, False),
        ("0s", {"ttl": 5}, 30_000, True),
        ("60s", {"ttl": 0}, 30_000, True),
        (None, {}, DAY_MS, False),
    ],
)
def test_a_message_ends_at_the_earlier_of_its_own_ttl_and_the_notifications(own, options, expires_in_ms, single_try):
    row = send({"android": {} if own is None else {"ttl": own}}, **options)
    assert isinstance(row, PreparedRow)
    assert (row.variant.expires_at_ms - ACCEPTED_AT_MS, row.variant.single_try) == (expires_in_ms, single_try)


@pytest.mark.parametrize("ttl", ["2419201s", "2419200.5s", "-1s", "-0.5s", "3600", 3600, "", "s", "1.s", "1e3s", True])
def test_a_ttl_of_another_form_is_refused_with_its_place(ttl):
    for section in ("android", "android_v2"):
        assert rejected({section: {"ttl": ttl}}) == (Reason.INVALID_PAYLOAD, f"payload_json.{section}.ttl")


@pytest.mark.parametrize("value", [1, 1.5, True, None, {}, []])
@pytest.mark.parametrize("section", [("data",), ("android", "data"), ("android_v2", "data"), ("apns", "headers")])
def test_every_value_of_a_map_of_strings_is_a_string(section, value):
    message: Any = {"count": value}
    for name in reversed(section):
        message = {name: message}
    assert rejected(message) == (Reason.INVALID_PAYLOAD, f"payload_json.{'.'.join(section)}.count")


@pytest.mark.parametrize("key", ["from", "message_type", "google", "google.a", "gcm", "gcm.notification.x"])
def test_reserved_data_keys_are_refused(key):
    assert rejected({"data": {key: "x"}}) == (Reason.INVALID_PAYLOAD, f"payload_json.data.{key}")
    assert isinstance(send({"apns": {"headers": {key: "x"}}}), PreparedRow)


@pytest.mark.parametrize("key", ["fromage", "googled", "gcmx", "Message_type", "content"])
def test_keys_that_only_resemble_reserved_ones_are_taken(key):
    assert isinstance(send({"data": {key: "x"}}), PreparedRow)


@pytest.mark.parametrize(
    ("message", "place"),
    [
        ({"message": {}}, "message"),
        ({"name": "x"}, "name"),
        ({"android": {"tttl": "1s"}}, "android.tttl"),
        (
            {"android": {"notification": {"light_settings": {"colour": {}}}}},
            "android.notification.light_settings.colour",
        ),
        ({"android_v2": {"priority": "HIGH"}}, "android_v2.priority"),
        ({"android_v2": {"background_sync": {"x": 1}}}, "android_v2.background_sync.x"),
        ({"fcm_options": {"x\ny": "1"}}, "fcm_options.x?y"),
    ],
)
def test_a_field_that_fcm_does_not_have_is_named(message, place):
    assert rejected(message) == (Reason.UNKNOWN_FIELD, f"payload_json.{place}")


@pytest.mark.parametrize("name", ["token", "fid", "topic", "condition"])
def test_the_target_stands_outside_the_message(name):
    assert rejected({name: "x"}) == (Reason.INVALID_PAYLOAD, f"payload_json.{name}")


@pytest.mark.parametrize(
    ("message", "place"),
    [
        ({"data": []}, ".data"),
        ({"notification": "x"}, ".notification"),
        ({"notification": {"title": 1}}, ".notification.title"),
        ({"android": {"priority": "LOW"}}, ".android.priority"),
        ({"android": {"direct_boot_ok": "true"}}, ".android.direct_boot_ok"),
        ({"android": {"collapse_key": "a", "collapseKey": "b"}}, ".android.collapseKey"),
        ({"android": {"notification": {"color": "red"}}}, ".android.notification.color"),
        ({"android": {"notification": {"event_time": "now"}}}, ".android.notification.event_time"),
        ({"android": {"notification": {"notification_count": True}}}, ".android.notification.notification_count"),
        ({"android": {"notification": {"notification_count": "three"}}}, ".android.notification.notification_count"),
        ({"android": {"notification": {"vibrate_timings": [1]}}}, ".android.notification.vibrate_timings"),
        ({"android": {"notification": {"body_loc_args": "a"}}}, ".android.notification.body_loc_args"),
        ({"apns": {"payload": []}}, ".apns.payload"),
        ({"webpush": {"fcm_options": {"link": "http://x"}}}, ".webpush.fcm_options.link"),
        ({"fcm_options": {"analytics_label": "a b"}}, ".fcm_options.analytics_label"),
        ({"android": {}, "android_v2": {}}, ""),
        ({"android_v2": {"remote_notification": {}, "backgroundSync": {}}}, ".android_v2"),
    ],
)
def test_a_field_of_another_form_is_refused_with_its_place(message, place):
    assert rejected(message) == (Reason.INVALID_PAYLOAD, f"payload_json{place}")


@pytest.mark.parametrize(
    "message",
    [
        {"notification": {"title": "t", "body": "b", "image": "i"}, "fcm_options": {"analytics_label": "a-1"}},
        {"android": {"notification": ANDROID_NOTIFICATION, "restricted_package_name": "com.example"}},
        {"android": {"notification": {"notificationCount": "3", "tag": None}, "directBootOk": True}},
        {"android_v2": {"remote_notification": {"notification": ANDROID_NOTIFICATION | {"id": 7}}}},
        {"android_v2": {"remote_notification": {"mutable_content": True, "use_as_v1_data_message": False}}},
        {"apns": {"headers": {"apns-priority": "5"}, "payload": {"aps": {}}, "live_activity_token": "x"}},
        {"webpush": {"headers": {"TTL": "15"}, "data": {"from": "x"}, "notification": {"actions": [1]}}},
        {"webpush": {"fcm_options": {"link": "https://shop.example/"}}},
    ],
)
def test_fields_of_the_discovery_document_pass(message):
    assert isinstance(send(message), PreparedRow)


@pytest.mark.parametrize(
    "payload", [b"", b"null", b"[]", b"{", b"{}x", b'{"data":{"x":"\xff"}}', b'{"x":' + b"[" * 3000]
)
def test_what_is_no_json_object_is_invalid(payload):
    assert rejected(payload) == (Reason.INVALID_PAYLOAD, "payload_json")


@pytest.mark.parametrize(
    "message",
    [
        {"data": {"k": "x" * 4095}},
        {"notification": {"title": "x" * 4091}},
        {"data": {"k": "x" * 4095}, "android": {"data": {"k": "x"}}},
        {"data": {"k": "x"}, "android": {"data": {"k": "x" * 4095}}},
        {"notification": {"title": "x" * 4000}, "android": {"notification": {"title": "x" * 4091}}},
        {"notification": {"title": "x" * 4072}, "android": {"notification": {"notification_count": 3}}},
        {"android_v2": {"remote_notification": {"notification": {"title": "x" * 4091}}}},
        {"apns": {"payload": {"aps": {"a": ["x" * 4090, 12, None]}}}},
    ],
)
def test_4096_bytes_of_keys_and_values_pass_and_4097_do_not(message):
    text = msgspec.json.encode(message).decode()
    at = text.rindex("x" * 4000) if "x" * 4000 in text else text.index("x" * 1000)
    assert isinstance(send(text.encode()), PreparedRow)
    assert rejected((text[:at] + "x" + text[at:]).encode()) == (Reason.PAYLOAD_TOO_LARGE, "payload_json")


@pytest.mark.parametrize("to", [{"topic": "news"}, {"condition": "'a' in topics"}])
def test_topics_take_half_as_much(to):
    fits, over = ({"data": {"k": "x" * size}} for size in (2047, 2048))
    assert isinstance(send(fits, to={"fcm": to}), PreparedRow)
    assert rejected(over, to={"fcm": to}) == (Reason.PAYLOAD_TOO_LARGE, "payload_json")


def test_a_message_over_every_limit_is_not_even_looked_into():
    assert rejected(b"[" * 16385) == (Reason.PAYLOAD_TOO_LARGE, "payload_json")


def test_a_shared_message_is_read_once_and_its_fault_is_told_for_each_row():
    targets = [{"fcm": {"token": "a"}}, {"fcm": {"token": "b"}}]
    prepared, rejections = prepare(FCM_SHOP, payload_json=b'{"data":{"a":"1"}}', targets=targets)
    assert prepared[0].body is prepared[1].body
    assert prepared[0].variant is prepared[1].variant
    prepared, rejections = prepare(FCM_SHOP, payload_json=b'{"aps":{}}', targets=targets)
    assert [(row.index, row.reason) for row in rejections] == [(0, Reason.UNKNOWN_FIELD), (1, Reason.UNKNOWN_FIELD)]
    assert not prepared


values = st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(["1s", "HIGH", "#ffffff"])
names = st.sampled_from([*MESSAGE, "ttl", "priority", "title", "headers", "payload", "collapseKey", "x"])
messages = st.recursive(
    values, lambda inner: st.dictionaries(names, inner, max_size=4) | st.lists(inner, max_size=2), max_leaves=10
)


@given(st.binary(max_size=60) | st.dictionaries(names, messages, max_size=5).map(msgspec.json.encode))
def test_any_bytes_are_a_request_in_json_or_a_rejection(payload):
    row = prepare_fcm(payload_json=payload)
    if isinstance(row, PreparedRow):
        message = msgspec.json.decode(request_of(row))["message"]
        assert message["token"] == "c8:x"
        assert len({"android", "android_v2"} & set(message)) == 1


@pytest.mark.parametrize(
    "message",
    [
        {"data": {"a": "b"}, "token": None},
        {"android": None, "android_v2": {"data": {"a": "b"}}},
        {"android_v2": {"remote_notification": None, "background_sync": {}}},
        {"android": {"collapse_key": None, "collapseKey": "x"}, "data": {"a": "b"}},
        {"android": {"notification": {"title": "x", "notification_count": 3.0}}},
        {"android": {"priority": 1, "notification": {"title": "x", "visibility": 3, "notification_priority": 0}}},
        {"android": {"notification": {"title": "x", "light_settings": {"color": {"red": "0.5", "green": 1}}}}},
    ],
    ids=str,
)
def test_what_proto3_json_takes_is_not_refused_here(message):
    assert isinstance(prepare_fcm(payload_json=msgspec.json.encode(message)), PreparedRow)


@pytest.mark.parametrize("count", [3.5, "3.5", True, "", "x", 2**31, "9999999999", 1e30])
def test_a_count_is_whole(count):
    message = {"android": {"notification": {"title": "x", "notification_count": count}}}
    row = prepare_fcm(payload_json=msgspec.json.encode(message))
    assert isinstance(row, Rejection)
    assert row.field == "payload_json.android.notification.notification_count"
