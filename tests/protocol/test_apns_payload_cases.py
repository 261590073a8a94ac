"""Payloads that APNs takes and that a check which looks too far would refuse, or take for another push type."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest

from protocol.preparation import Rejection
from protocol.providers.apns.payload import read_payload
from protocol.reasons import Reason
from protocol.rejections import RowError
from tests.support.sends import headers_of, prepare_one

CASES: list[dict[str, Any]] = [
    msgspec.json.decode(line)
    for line in (Path(__file__).parent / "data" / "apns_payloads.ndjson").read_bytes().splitlines()
]
STRANGE = [None, True, 7, 1.5, "1", "x", [1], {"id": 5}]
KEYS = ["content-available", "event", "timestamp", "content-state", "attributes-type", "attributes"]
PRIORITIES = {"alert": "10", "background": "5", "liveactivity": "10"}


def prepare(payload: Any, **options: Any) -> Any:
    return prepare_one(payload_json=msgspec.json.encode(payload), **({"apns": options} if options else {}))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_a_payload_is_sent_as_what_it_is(case):
    row = prepare(case["payload"], **case["options"])
    expected = case["expect"].removeprefix("sent as ").replace(",", " ").replace(":", " ").split()[0]
    headers = headers_of(row)
    assert headers["apns-push-type"] == expected
    assert headers["apns-priority"] == PRIORITIES[expected]
    assert row.body == msgspec.json.encode(case["payload"])


@pytest.mark.parametrize("value", STRANGE, ids=repr)
@pytest.mark.parametrize("key", KEYS)
def test_an_alert_may_have_anything_under_a_key_that_it_does_not_need(key, value):
    payload = {"aps": {"alert": "x", key: value}}
    assert headers_of(prepare(payload, push_type="alert"))["apns-push-type"] == "alert"
    assert headers_of(prepare(payload, push_type="voip"))["apns-push-type"] == "voip"
    assert headers_of(prepare(payload))["apns-push-type"] == "alert"


@pytest.mark.parametrize("value", [1, 1.0, True])
def test_what_counts_as_1_makes_a_background_push(value):
    assert headers_of(prepare({"aps": {"content-available": value}}))["apns-push-type"] == "background"


@pytest.mark.parametrize("value", [None, False, 0, "1", "true", [1], {}])
def test_what_does_not_count_as_1_makes_none(value):
    payload = {"aps": {"content-available": value}}
    assert headers_of(prepare(payload))["apns-push-type"] == "alert"
    row = prepare(payload, push_type="background")
    assert isinstance(row, Rejection)
    assert (row.reason, row.field) == (Reason.INVALID_OPTION, "apns.push_type")


@pytest.mark.parametrize("key", ["alert", "badge", "sound"])
def test_null_is_nothing_to_see_or_hear_and_everything_else_is_something(key):
    background = {"push_type": "background"}
    assert headers_of(prepare({"aps": {"content-available": 1, key: None}}, **background))["apns-priority"] == "5"
    for value in (0, "", False, {}):
        assert isinstance(prepare({"aps": {"content-available": 1, key: value}}, **background), Rejection)


@pytest.mark.parametrize(
    ("key", "value", "is_missing"),
    [
        ("timestamp", 1_796_050_815, False),
        ("timestamp", 1_796_050_815.25, False),
        ("timestamp", "1796050815", True),
        ("timestamp", True, True),
        ("timestamp", None, True),
        ("content-state", {}, False),
        ("content-state", None, True),
    ],
)
def test_a_live_activity_needs_a_time_in_a_number_and_a_state(key, value, is_missing):
    aps = {"event": "update", "timestamp": 1_796_050_815, "content-state": {"a": 1}, key: value}
    row = prepare({"aps": aps}, push_type="liveactivity")
    if is_missing:
        assert isinstance(row, Rejection)
        assert f"aps.{key}" in row.detail
    else:
        assert headers_of(row)["apns-push-type"] == "liveactivity"


@pytest.mark.parametrize("key", ["attributes-type", "attributes", "alert"])
def test_null_is_a_key_that_the_start_of_a_live_activity_lacks(key):
    aps = {
        "event": "start",
        "timestamp": 1_796_050_815,
        "content-state": {},
        "attributes-type": "Game",
        "attributes": {},
        "alert": {"title": "t"},
    }
    assert headers_of(prepare({"aps": aps}))["apns-push-type"] == "liveactivity"
    row = prepare({"aps": aps | {key: None}})
    assert isinstance(row, Rejection)
    assert f"aps.{key}" in row.detail


def test_an_event_of_the_callers_own_makes_no_live_activity_of_an_alert():
    assert headers_of(prepare({"aps": {"alert": "x", "event": "start"}}))["apns-push-type"] == "alert"
    assert headers_of(prepare({"aps": {"alert": "x", "event": "concert"}}))["apns-push-type"] == "alert"
    assert isinstance(prepare({"aps": {"event": "end"}}), Rejection)


def test_a_value_that_is_nested_too_deeply_is_a_bad_payload_and_no_crash():
    body = b'{"aps":{"event":' + b"[" * 2000 + b"]" * 2000 + b"}}"
    with suppress(RowError):
        assert read_payload(body, "payload_json").shape.event is None
