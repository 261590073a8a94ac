"""Subscriptions as browsers, forms and databases really hand them on: what becomes of each, and of its batch."""

import json
from pathlib import Path

import pytest

from protocol.providers.webpush import EndpointPolicy, Service
from protocol.reasons import Reason
from protocol.rejections import DeadDestination
from tests.support.sends import ACCEPTED_AT_MS, PreparedRow, prepare
from tests.support.webpush_sends import WEB_SHOP, subscription

CASES = [
    json.loads(line) for line in (Path(__file__).parent / "data" / "subscriptions.ndjson").read_text().splitlines()
]
# What `expect` of each case says; None: taken.
EXPIRATION = (Reason.INVALID_TOKEN, "to.webpush.expirationTime")
EXPECTED = {
    "contentEncoding": None,
    "supportedContentEncodings": None,
    "options": None,
    "subscriptionId": None,
    "extra_key_in_keys": None,
    "expiration_empty_string": None,
    "expiration_iso": EXPIRATION,
    "expiration_zero": EXPIRATION,
    "expiration_negative": EXPIRATION,
    "expiration_seconds": EXPIRATION,
    "no_keys": (Reason.INVALID_TOKEN, "to.webpush.keys"),
    "null_keys": (Reason.INVALID_TOKEN, "to.webpush.keys"),
    "permanently_removed": (Reason.DEAD_TOKEN, "to.webpush.endpoint"),
    "jmt17": None,
}
CONTENT = {"title": "Sale"}


def test_every_case_is_tried():
    assert [case["name"] for case in CASES] == list(EXPECTED)


@pytest.mark.parametrize("form", ["targets", "notifications"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_a_subscription_is_taken_or_rejected_without_its_batch(case, form):
    rows = [subscription(), {"webpush": case["subscription"]}, subscription()]
    if form == "notifications":
        rows = [{"to": row} for row in rows]
    prepared, rejections = prepare(WEB_SHOP, content=CONTENT, **{form: rows})
    expected = EXPECTED[case["name"]]
    assert [row.index for row in prepared] == ([0, 2] if expected else [0, 1, 2])
    assert [(row.index, row.reason, row.field) for row in rejections] == ([(1, *expected)] if expected else [])


@pytest.mark.parametrize(
    ("moment", "reason"),
    [
        (None, None),
        ("", None),
        (ACCEPTED_AT_MS + 1, None),
        (ACCEPTED_AT_MS + 0.5, None),
        (1e300, None),
        (ACCEPTED_AT_MS, Reason.DEAD_TOKEN),
        (1e12, Reason.DEAD_TOKEN),
        (1e12 - 1, Reason.INVALID_TOKEN),
        (ACCEPTED_AT_MS / 1000, Reason.INVALID_TOKEN),
        (0, Reason.INVALID_TOKEN),
        (-ACCEPTED_AT_MS, Reason.INVALID_TOKEN),
        (float("nan"), Reason.INVALID_TOKEN),
        (" ", Reason.INVALID_TOKEN),
        (str(ACCEPTED_AT_MS), Reason.INVALID_TOKEN),
        (True, Reason.INVALID_TOKEN),
        ([], Reason.INVALID_TOKEN),
    ],
)
def test_only_a_time_in_milliseconds_that_has_passed_makes_a_subscription_dead(moment, reason):
    prepared, rejections = prepare(WEB_SHOP, content=CONTENT, targets=[subscription(expirationTime=moment)])
    if reason is None:
        assert isinstance(prepared[0], PreparedRow)
        return
    (rejection,) = rejections
    assert (rejection.reason, rejection.field) == (reason, "to.webpush.expirationTime")
    assert (rejection.dead is None) == (reason is Reason.INVALID_TOKEN)


def test_a_dead_subscription_is_told_as_its_caller_wrote_it():
    gone = "https://Permanently-Removed.invalid:443/fcm/send/abc"
    ended = subscription(expirationTime=1_600_000_000_000.5)
    _, rejections = prepare(WEB_SHOP, content=CONTENT, targets=[subscription(gone), ended])
    assert [row.dead for row in rejections] == [
        DeadDestination(provider="webpush", destination=gone),
        DeadDestination(provider="webpush", destination=ended["webpush"]["endpoint"], since_ms=1_600_000_000_000),
    ]


@pytest.mark.parametrize("endpoint", ["https://push.example/x", "http://permanently-removed.invalid/x", "x"])
def test_what_may_not_be_sent_to_is_not_called_dead(endpoint):
    ended = subscription(endpoint, expirationTime=1_600_000_000_000)
    _, (rejection,) = prepare(WEB_SHOP, content=CONTENT, targets=[ended])
    assert (rejection.field, rejection.dead) == ("to.webpush.endpoint", None)


def test_no_setting_makes_the_removed_host_one_to_connect_to():
    policy = EndpointPolicy({"*.invalid": Service.OTHER, "permanently-removed.invalid": Service.FCM})
    app = WEB_SHOP.webpush
    assert app is not None
    facts = type(WEB_SHOP)(
        name="shop", webpush=type(app)(vapid_keys=app.vapid_keys, default_vapid_key="now", endpoints=policy)
    )
    _, (rejection,) = prepare(facts, content=CONTENT, targets=[subscription("https://permanently-removed.invalid/x")])
    assert rejection.reason is Reason.DEAD_TOKEN


def test_chromium_without_a_brand_has_the_habits_of_fcm():
    assert EndpointPolicy().find_service("https://jmt17.google.com") is Service.FCM
