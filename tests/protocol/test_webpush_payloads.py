"""Plaintexts: portable content (golden files), own JSON and own bytes left as they are, what is checked in them."""

import json
import tomllib
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.preparation import Rejection
from protocol.providers.webpush import PLAINTEXT_LIMIT_BYTES, padding_bytes
from protocol.providers.webpush.payload import BODY_LIMIT_BYTES, CONSTRAINED_BODY_LIMIT_BYTES, OVERHEAD_BYTES
from protocol.reasons import Reason
from tests.support.sends import TOKEN, PreparedRow, headers_of, prepare
from tests.support.webpush_sends import WEB_SHOP, prepare_webpush, subscription

DATA = Path(__file__).parent / "data"
GOLDEN = tomllib.loads((DATA / "webpush_content.toml").read_text())["rendering"]
VECTORS = json.loads((DATA / "webpush_vectors.json").read_text())
SIZES = [case for case in VECTORS["negative_subscription"] if case["field"] == "plaintext"]
TYPES = {True: "application/notification+json", False: "application/octet-stream"}


@pytest.mark.parametrize("rendering", GOLDEN, ids=lambda rendering: rendering["name"])
def test_content_is_rendered_to_the_byte(rendering):
    row = prepare_webpush(content=rendering["content"], webpush=rendering.get("options"))
    assert isinstance(row, PreparedRow), row
    assert row.body.decode() == rendering["payload"]
    assert headers_of(row)["content-type"] == TYPES[rendering["declarative"]]


@pytest.mark.parametrize("content", [{"body": "b"}, {"title": "t"}, {"title": "t", "link": "shop://x"}])
def test_content_that_must_be_declarative_and_cannot_is_rejected(content):
    row = prepare_webpush(content=content, webpush={"declarative": True})
    assert isinstance(row, Rejection)
    assert (row.reason, row.field) == (Reason.INVALID_OPTION, "webpush.declarative")


@pytest.mark.parametrize("content", [{}, {"sound": "ding"}])
def test_content_with_nothing_for_the_web_is_rejected(content):
    row = prepare_webpush(content=content)
    assert isinstance(row, Rejection)
    assert (row.reason, row.field) == (Reason.INVALID_PAYLOAD, "content")


def test_one_content_goes_to_all_in_their_own_form():
    content = {"title": "t", "link": "https://shop.example/"}
    (device, browser), _ = prepare(WEB_SHOP, content=content, targets=[{"apns": {"token": TOKEN}}, subscription()])
    assert device.body == b'{"aps":{"alert":{"title":"t"}},"link":"https://shop.example/"}'
    assert browser.body == b'{"web_push":8030,"notification":{"title":"t","navigate":"https://shop.example/"}}'


@pytest.mark.parametrize(
    ("payload", "is_declarative"),
    [
        (b'{"a": 1.50}', False),
        (b"[1, 2]", False),
        (b"null", False),
        (b'"text"', False),
        (b' {"web_push": 8030, "notification": {"title": "t", "navigate": "https://x.example"}} ', True),
        (b'{"web_push":8030,"notification":{"title":"","navigate":""},"app_badge":18446744073709551615}', True),
        (b'{"web_push":8030,"notification":{"title":"","navigate":"","x":1},"mutable":true,"y":{}}', True),
        (b'{"title":"t","options":{},"default_action_url":"https://x.example"}', False),
    ],
)
def test_own_json_goes_byte_for_byte_and_tells_whether_it_is_declarative(payload, is_declarative):
    row = prepare_webpush(payload_json=payload)
    assert isinstance(row, PreparedRow)
    assert row.body == payload
    assert headers_of(row)["content-type"] == TYPES[is_declarative]
    (shared,), _ = prepare(WEB_SHOP, payload_json=payload, targets=[subscription()])
    assert (shared.body, shared.variant) == (row.body, row.variant)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{",
        b"{}x",
        b'"\xff"',
        b"[" * 2000,
        b'{"web_push":8031,"notification":{"title":"","navigate":""}}',
        b'{"web_push":"8030","notification":{"title":"","navigate":""}}',
        b'{"web_push":8030.0,"notification":{"title":"","navigate":""}}',
        b'{"web_push":true,"notification":{"title":"","navigate":""}}',
        b'{"web_push":8030}',
        b'{"web_push":8030,"notification":[]}',
        b'{"web_push":8030,"notification":{"navigate":""}}',
        b'{"web_push":8030,"notification":{"title":""}}',
        b'{"web_push":8030,"notification":{"title":1,"navigate":""}}',
        b'{"web_push":8030,"notification":{"title":"","navigate":""},"app_badge":"3"}',
        b'{"web_push":8030,"notification":{"title":"","navigate":""},"app_badge":-1}',
        b'{"web_push":8030,"notification":{"title":"","navigate":""},"app_badge":18446744073709551616}',
        b'{"web_push":8030,"notification":{"title":"","navigate":""},"mutable":1}',
    ],
)
def test_own_json_that_is_none_or_only_half_declarative_is_invalid(payload):
    row = prepare_webpush(payload_json=payload)
    assert isinstance(row, Rejection)
    assert (row.reason, row.field) == (Reason.INVALID_PAYLOAD, "payload_json")


@pytest.mark.parametrize("payload", [b"", b"\x00", b"\xff" * 10, b'{"web_push":8030}', b"x" * PLAINTEXT_LIMIT_BYTES])
def test_own_bytes_are_not_looked_into(payload):
    row = prepare_webpush(payload_bytes=payload)
    assert isinstance(row, PreparedRow)
    assert row.body == payload
    assert headers_of(row)["content-type"] == TYPES[False]
    (shared,), _ = prepare(WEB_SHOP, payload_bytes=payload, targets=[subscription()])
    assert shared.body == payload


def test_own_bytes_are_for_web_push_alone():
    (browser,), (device,) = prepare(WEB_SHOP, payload_bytes=b"x", targets=[subscription(), {"apns": {"token": TOKEN}}])
    assert browser.body == b"x"
    assert (device.reason, device.field) == (Reason.INVALID_PAYLOAD, "payload_bytes")
    own = prepare_webpush(payload_bytes=b"x", to={"apns": {"token": TOKEN}})
    assert isinstance(own, Rejection)
    assert (own.reason, own.field) == (Reason.INVALID_PAYLOAD, "payload_bytes")


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"content": {"title": "t"}, "payload_json": b"{}"}, "payload_json"),
        ({"content": {"title": "t"}, "payload_bytes": b""}, "payload_bytes"),
        ({"payload_json": b"{}", "payload_bytes": b""}, "payload_bytes"),
    ],
)
def test_a_notification_says_one_thing(said, field):
    row = prepare_webpush(**said)
    assert isinstance(row, Rejection)
    assert (row.reason, row.field) == (Reason.INVALID_PAYLOAD, field)


@pytest.mark.parametrize("case", SIZES, ids=lambda case: case["name"])
def test_no_plaintext_and_padding_makes_a_body_over_4096_bytes(case):
    size = case["plaintext_len"]
    if case.get("pad"):
        assert padding_bytes(size) == 0
        return
    for said in ({"payload_bytes": b"x" * size}, {"payload_json": b'"%s"' % (b"x" * (size - 2))}):
        row = prepare_webpush(**said)
        assert isinstance(row, Rejection)
        assert row.reason is Reason.PAYLOAD_TOO_LARGE
    row = prepare_webpush(content={"body": "x" * size})
    assert isinstance(row, Rejection)
    assert (row.reason, row.field) == (Reason.PAYLOAD_TOO_LARGE, "content")


@given(st.integers(0, PLAINTEXT_LIMIT_BYTES))
def test_padding_fills_the_next_bucket(size):
    assert size + padding_bytes(size) in {128, 512, 1024, 2820, 2967, PLAINTEXT_LIMIT_BYTES}
    assert padding_bytes(size, ()) == 0


@given(st.text(max_size=50), st.dictionaries(st.text(min_size=1, max_size=10), st.text(max_size=20), max_size=5))
def test_any_text_reads_back_from_the_payload_as_it_was(text, data):
    row = prepare_webpush(content={"title": text, "data": data})
    assert isinstance(row, PreparedRow)
    assert msgspec.json.decode(row.body) == {"notification": {"title": text, "data": data}}


@pytest.mark.parametrize("body_limit", [CONSTRAINED_BODY_LIMIT_BYTES, BODY_LIMIT_BYTES])
def test_what_fits_a_services_limit_unpadded_fits_it_padded(body_limit):
    most = body_limit - OVERHEAD_BYTES
    assert {size for size in range(most + 1) if size + padding_bytes(size) > most} == set()
    assert 1030 + padding_bytes(1030) == 2820
