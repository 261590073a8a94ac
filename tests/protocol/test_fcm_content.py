"""Portable content as FCM messages, to the byte (golden file)."""

import tomllib
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.preparation import Rejection
from protocol.providers.fcm.message_checks import check_message
from protocol.reasons import Reason
from tests.support.fcm_requests import request_of
from tests.support.sends import FCM_SHOP, prepare, prepare_fcm

GOLDEN = tomllib.loads((Path(__file__).parent / "data" / "fcm_content.toml").read_text())["rendering"]


@pytest.mark.parametrize("rendering", GOLDEN, ids=lambda rendering: rendering["name"])
def test_content_is_rendered_to_the_byte(rendering):
    row = prepare_fcm(content=rendering["content"], **{"ttl": 3600} | rendering.get("options", {}))
    request = request_of(row)
    assert request.decode() == rendering["request"]
    message = msgspec.json.decode(request)["message"]
    del message["token"]
    check_message(message, "message")


def test_a_notifications_keys_replace_those_of_the_batch():
    to = {"fcm": {"token": "c8:x"}}
    notifications = [{"to": to, "content": {"title": "t"}}]
    ((row,), _) = prepare(FCM_SHOP, content={"title": "T", "body": "B"}, notifications=notifications)
    assert msgspec.json.decode(request_of(row))["message"]["notification"] == {"title": "t", "body": "B"}


@pytest.mark.parametrize(
    ("content", "reason", "field"),
    [
        ({}, Reason.INVALID_PAYLOAD, "content"),
        ({"data": {"link": "x"}, "link": "y"}, Reason.INVALID_PAYLOAD, "content.data"),
        ({"data": {"from": "x"}}, Reason.INVALID_PAYLOAD, "content.data.from"),
        ({"data": {"message_type": "x"}}, Reason.INVALID_PAYLOAD, "content.data.message_type"),
        ({"data": {"google.x": "x"}}, Reason.INVALID_PAYLOAD, "content.data.google.x"),
        ({"data": {"gcm.notification.title": "x"}}, Reason.INVALID_PAYLOAD, "content.data.gcm.notification.title"),
        ({"data": {"gcm": "x"}}, Reason.INVALID_PAYLOAD, "content.data.gcm"),
        ({"body": "x" * 4093}, Reason.PAYLOAD_TOO_LARGE, "content"),
    ],
)
def test_content_that_fcm_would_refuse_is_rejected_here(content, reason, field):
    row = prepare_fcm(content=content)
    assert isinstance(row, Rejection)
    assert (row.reason, row.field) == (reason, field)


def test_a_collapse_text_that_apple_cannot_carry_is_hashed_for_apple_alone():
    message = msgspec.json.decode(request_of(prepare_fcm(content={"title": "t"}, collapse="é" * 40)))["message"]
    assert message["android"]["collapse_key"] == "é" * 40
    assert len(message["apns"]["headers"]["apns-collapse-id"]) == 32


@given(st.text(max_size=50), st.text(max_size=50), st.text(min_size=1, max_size=40))
def test_any_text_reads_back_from_the_request_as_it_was(title, value, collapse):
    row = prepare_fcm(content={"title": title, "data": {"k": value}}, collapse=collapse, ttl=60)
    message = msgspec.json.decode(request_of(row))["message"]
    assert (message["notification"], message["data"]) == ({"title": title}, {"k": value})
    assert message["android"] == {"ttl": "60s", "collapse_key": collapse}
