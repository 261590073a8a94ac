"""What the caller of a row that is rejected at the door is advised to do."""

import pytest

from protocol.outcomes import Advice
from protocol.preparation import ApnsFacts, AppFacts
from protocol.reasons import Reason
from protocol.rejections import Rejection, advise
from tests.support.sends import SHOP, TOKEN, prepare_one
from tests.support.webpush_sends import prepare_webpush, subscription

NO_ENVIRONMENT = AppFacts(name="shop", apns=ApnsFacts(topic="com.example.shop", environment=None, token_auth=True))
CONTENT = {"title": "Sale"}


def advice_of(row) -> Advice:
    assert isinstance(row, Rejection), row
    return row.advice


@pytest.mark.parametrize(
    ("advice", "facts", "notification"),
    [
        (Advice.FIX_TARGET, SHOP, {"to": {"apns": {"token": "xyz"}}}),
        (Advice.FIX_TARGET, SHOP, {"to": {}}),
        (Advice.CHECK_ENVIRONMENT, NO_ENVIRONMENT, {"to": {"apns": {"token": TOKEN}}}),
        (Advice.FIX_CREDENTIALS, SHOP, {"to": {"fcm": {"token": "c8:x"}}}),
        (Advice.FIX_PAYLOAD, SHOP, {"apns": {"push_type": "background"}}),
        (Advice.FIX_PAYLOAD, SHOP, {"content": None, "payload_json": b"[]"}),
        (Advice.FIX_PAYLOAD, SHOP, {"content": {"title": "x" * 5000}}),
        (Advice.FIX_PAYLOAD, SHOP, {"ttl": 60, "expires_at": 1}),
    ],
)
def test_a_row_is_rejected_with_advice(advice, facts, notification):
    assert advice_of(prepare_one(facts, **{"content": CONTENT} | notification)) is advice


@pytest.mark.parametrize(
    ("advice", "to"),
    [
        (Advice.DELETE_PENDING, subscription() | {"webpush": subscription()["webpush"] | {"expirationTime": 1.6e12}}),
        (Advice.FIX_TARGET, subscription("https://127.0.0.1/x")),
        (Advice.FIX_TARGET, subscription(auth="AAAA")),
        (Advice.FIX_TARGET, subscription(vapid_key="another")),
    ],
)
def test_a_subscription_is_rejected_with_advice(advice, to):
    assert advice_of(prepare_webpush(content=CONTENT, to=to)) is advice


@pytest.mark.parametrize("reason", Reason)
def test_whatever_the_reason_there_is_advice_and_a_token_is_given_up_by_one_alone(reason):
    for field in (None, "to", "to.fcm", "to.apns.environment", "together", "content", "apns.topic"):
        assert (advise(reason, field) is Advice.DELETE_PENDING) is (reason is Reason.DEAD_TOKEN)
    assert advise(Reason.UNKNOWN_FIELD, "to.apns.x") is Advice.FIX_TARGET
    assert advise(Reason.UNKNOWN_FIELD, "together") is Advice.FIX_PAYLOAD
    assert advise(Reason.EXPIRED, "expires_at") is Advice.NONE
