"""When two messages say the same: what the ledger's ``message_sha256`` passes over, and what it doesn't."""

import json

import pytest

from bench.simulators.fcm import hash_message
from tests.support.fcm_sender import FcmRules

MESSAGE = {
    "notification": {"title": "Größe", "body": "b"},
    "data": {"b": "1", "a": "2"},
    "android": {"priority": "HIGH"},
    "apns": {"headers": {"apns-push-type": "alert"}, "payload": {"aps": {"badge": 1}}},
}


@pytest.mark.parametrize(
    "same",
    [
        {"token": "c8:x", **MESSAGE},
        {"topic": "news", **dict(reversed(MESSAGE.items()))},
        {**MESSAGE, "data": {"a": "2", "b": "1"}},
        {**MESSAGE, "android": {"ttl": "17s", "priority": "HIGH"}},
        {**MESSAGE, "webpush": {}},
        {**MESSAGE, "apns": {**MESSAGE["apns"], "headers": {"apns-expiration": "1", "apns-push-type": "alert"}}},
    ],
)
def test_target_times_and_spelling_make_no_difference(same: dict):
    assert hash_message(same) == hash_message(MESSAGE)


@pytest.mark.parametrize(
    "other",
    [
        {**MESSAGE, "notification": {"title": "größe", "body": "b"}},
        {**MESSAGE, "data": {"a": "2"}},
        {**MESSAGE, "android": {"priority": "NORMAL"}},
        {**MESSAGE, "android": {"priority": "HIGH", "collapse_key": "k"}},
        {**MESSAGE, "apns": {**MESSAGE["apns"], "payload": {"aps": {"badge": 2}}}},
        {**MESSAGE, "fcm_options": {"analytics_label": "l"}},
    ],
)
def test_everything_else_does(other: dict):
    assert hash_message(other) != hash_message(MESSAGE)


def test_an_android_section_that_had_its_time_alone_is_none():
    assert hash_message({"data": {"a": "1"}, "android": {"ttl": "5s"}}) == hash_message({"data": {"a": "1"}})


def test_the_ledger_has_it_of_a_message_however_it_was_spelled():
    spelled = json.loads('{"token":"c8:x","data":{"a":"\\u00e4"},"android":{"collapseKey":"k","ttl":"9s"}}')
    judgement = FcmRules().judge(spelled)
    expected = hash_message({"data": {"a": "ä"}, "android": {"collapse_key": "k"}})
    assert judgement.ledger_fields["message_sha256"] == expected
