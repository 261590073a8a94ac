"""One batch over all three providers: each row goes where its target says, in that provider's own words."""

import pytest

from protocol.preparation import AppFacts, Rejection
from protocol.reasons import Reason
from tests.support.sends import TOKEN, prepare, prepare_one
from tests.support.webpush_sends import FULL_SHOP, subscription

CONTENT = {"title": "Sale"}
APNS = {"apns": {"token": TOKEN}}
FCM = {"fcm": {"token": "c8:x"}}
WEB = subscription()
LANES = [
    "shop/apns/production",
    "shop/fcm/shop-1",
    "shop/webpush/https://updates.push.services.mozilla.com",
]


def test_notifications_of_one_batch_go_to_all_three_each_with_its_own_options():
    defaults = {"apns": {"priority": 5}, "fcm": {}, "webpush": {"topic": "t"}}
    rows, rejections = prepare(
        FULL_SHOP, content=CONTENT, defaults=defaults, notifications=[{"to": to} for to in (APNS, FCM, WEB)]
    )
    assert not rejections
    assert [(row.index, row.lane) for row in rows] == list(enumerate(LANES))
    assert (b"apns-priority", b"5") in rows[0].variant.headers
    assert rows[1].variant.headers == ()
    assert (b"topic", b"t") in rows[2].variant.headers


def test_a_fan_out_shares_one_body_and_one_variant_for_each_provider():
    targets = [{**(APNS, FCM, WEB)[number % 3], "id": f"n{number}"} for number in range(10_000)]
    rows, rejections = prepare(FULL_SHOP, content=CONTENT, targets=targets)
    assert not rejections
    assert [row.lane for row in rows] == [LANES[number % 3] for number in range(10_000)]
    assert len({id(row.body) for row in rows}) == len({id(row.variant) for row in rows}) == 3


def test_content_that_one_provider_cannot_carry_rejects_the_rows_of_that_one_alone():
    rows, rejections = prepare(FULL_SHOP, content={"sound": "ding"}, targets=[APNS, WEB, FCM])
    assert [row.index for row in rows] == [0, 2]
    assert [(row.index, row.reason, row.field) for row in rejections] == [(1, Reason.INVALID_PAYLOAD, "content")]


def test_bytes_that_are_no_json_reach_web_push_alone():
    rows, rejections = prepare(FULL_SHOP, payload_bytes=b"\x00", targets=[APNS, WEB, FCM])
    assert [(row.index, row.body) for row in rows] == [(1, b"\x00")]
    assert {(row.reason, row.field) for row in rejections} == {(Reason.INVALID_PAYLOAD, "payload_bytes")}


@pytest.mark.parametrize(
    ("to", "words"),
    [
        ({}, "names none"),
        (APNS | FCM, "names apns and fcm"),
        (FCM | WEB, "names fcm and webpush"),
        (APNS | FCM | WEB, "names apns and fcm and webpush"),
    ],
)
def test_a_target_names_exactly_one_provider(to, words):
    rejection = prepare_one(FULL_SHOP, content=CONTENT, to=to)
    assert isinstance(rejection, Rejection)
    assert (rejection.reason, rejection.field) == (Reason.INVALID_TOKEN, "to")
    assert rejection.detail.endswith(words)


@pytest.mark.parametrize(
    ("to", "name", "title"), [(APNS, "apns", "APNs"), (FCM, "fcm", "FCM"), (WEB, "webpush", "Web Push")]
)
def test_a_provider_without_credentials_is_named(to, name, title):
    rejection = prepare_one(AppFacts(name="shop"), content=CONTENT, to=to)
    assert isinstance(rejection, Rejection)
    assert (rejection.reason, rejection.field) == (Reason.NOT_SUPPORTED, f"to.{name}")
    assert rejection.detail == f"the app has no credentials for {title} configured"
