"""One content, and what each provider gets of it, to the byte (golden file, read for what a person would see)."""

import tomllib
from pathlib import Path

import msgspec
import pytest

from protocol.preparation import Rejection
from protocol.providers.fcm.message_checks import check_message
from protocol.providers.webpush.payload import check_declarative
from tests.support.fcm_requests import request_of
from tests.support.sends import TOKEN, PreparedRow, headers_of, prepare_one
from tests.support.webpush_sends import FULL_SHOP, subscription

GOLDEN = tomllib.loads((Path(__file__).parent / "data" / "portable_content.toml").read_text())["content"]
TARGETS = {"apns": {"apns": {"token": TOKEN}}, "fcm": {"fcm": {"token": "c8:x"}}, "webpush": subscription()}


def send(golden, provider: str) -> PreparedRow | Rejection:
    return prepare_one(FULL_SHOP, content=golden["content"], to=TARGETS[provider], ttl=3600)


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda golden: golden["name"])
def test_apns_gets_it_to_the_byte(golden):
    row = send(golden, "apns")
    assert headers_of(row)["apns-push-type"] == golden["apns"]["type"]
    assert row.body.decode() == golden["apns"]["payload"]


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda golden: golden["name"])
def test_fcm_gets_it_to_the_byte_in_a_form_that_it_takes(golden):
    request = request_of(send(golden, "fcm"))
    assert request.decode() == golden["fcm"]["request"]
    message = msgspec.json.decode(request)["message"]
    del message["token"]
    check_message(message, "message")


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda golden: golden["name"])
def test_web_push_gets_it_to_the_byte_or_says_that_it_cannot(golden):
    row = send(golden, "webpush")
    if isinstance(row, Rejection):
        assert row.reason.word == golden["webpush"]["rejected"]
        return
    assert headers_of(row)["content-type"] == golden["webpush"]["type"]
    assert row.body.decode() == golden["webpush"]["plaintext"]
    is_declarative = check_declarative(msgspec.json.decode(row.body), "content")
    assert is_declarative == (golden["webpush"]["type"] == "application/notification+json")
