"""Who rows were accepted for, and what settings lack to send them as that."""

import pytest

from protocol.preparation import ApnsFacts, AppFacts, FcmFacts, WebPushFacts, find_missing
from protocol.providers.webpush import EndpointPolicy

KEY, OTHER_KEY = "B" * 86 + "A", "C" * 86 + "A"


def shop(**apns):
    facts = {"topic": "com.example.shop", "environment": "production", "token_auth": True, "team_id": "TEAM"} | apns
    return AppFacts(
        name="shop",
        apns=ApnsFacts(**facts),
        fcm=FcmFacts(project_id="shop-1"),
        webpush=WebPushFacts(vapid_keys={"a": KEY}, default_vapid_key="a", endpoints=EndpointPolicy({})),
    )


SHOP = shop()
CERTIFICATE = shop(token_auth=False, team_id=None, certificate_topics=frozenset({"com.example.shop"}))
ANY_TOPIC = shop(topic=None)


@pytest.mark.parametrize(
    ("app", "lane", "account", "missing"),
    [
        (SHOP, "shop/apns/production", "TEAM/com.example.shop", None),
        (SHOP, "shop/apns/sandbox/broadcast", "TEAM/com.example.shop", None),
        (SHOP, "shop/apns/production", "", None),
        (SHOP, "shop/apns/production", "TEAM/", None),
        (SHOP, "shop/apns/production", "OTHER/", "apps.shop.apns.team_id is TEAM, and was OTHER"),
        (SHOP, "shop/apns/production", "TEAM/a.b", "apps.shop.apns.topic is com.example.shop, and was a.b"),
        (SHOP, "shop/apns/moon", "", "APNs has no environment moon"),
        (ANY_TOPIC, "shop/apns/production", "TEAM/a.b", None),
        (ANY_TOPIC, "shop/apns/production/broadcast", "TEAM/a.b", "apps.shop.apns.topic is not set, and broadcasts"),
        (CERTIFICATE, "shop/apns/production", "TEAM/com.example.shop", None),
        (
            shop(topic=None, token_auth=False, certificate_topics=frozenset({"a.b"})),
            "shop/apns/production",
            "/com.example.shop",
            "apps.shop.apns.certificate_file is not for the topic com.example.shop",
        ),
        (
            shop(token_auth=False, certificate_topics=frozenset({"com.example.shop.voip"})),
            "shop/apns/production",
            "/com.example.shop",
            None,
        ),
        (SHOP, "shop/fcm/shop-1", "", None),
        (SHOP, "shop/fcm/shop-1/topics", "", None),
        (SHOP, "shop/fcm/old-1", "", "apps.shop.fcm is for the project shop-1, and was for old-1"),
        (SHOP, "shop/webpush/https://push.example", KEY, None),
        (SHOP, "shop/webpush/https://push.example", OTHER_KEY, f"apps.shop.webpush has not the VAPID key {OTHER_KEY}"),
        (SHOP, "store/apns/production", "", "apps.store is not configured"),
        (SHOP, "shop/unknown", "", "lane shop/unknown is of no provider"),
        (AppFacts(name="shop"), "shop/apns/production", "", "apps.shop.apns is not configured"),
        (AppFacts(name="shop"), "shop/fcm/shop-1", "", "apps.shop.fcm is not configured"),
        (AppFacts(name="shop"), "shop/webpush/https://push.example", "", "apps.shop.webpush is not configured"),
    ],
)
def test_what_is_missing_is_named_by_its_setting(app, lane, account, missing):
    found = find_missing({"shop": app}, lane, account)
    assert found is None if missing is None else found is not None and found.startswith(missing)


def test_an_account_has_the_team_and_the_topic_that_the_app_chose():
    assert SHOP.apns.name_account(names_topic=False) == "TEAM/com.example.shop"
    assert SHOP.apns.name_account(names_topic=True) == "TEAM/"
    assert ANY_TOPIC.apns.name_account(names_topic=False) == "TEAM/"
    one_topic = ApnsFacts(topic=None, environment=None, token_auth=False, certificate_topics=frozenset({"a.b"}))
    assert one_topic.name_account(names_topic=False) == "/a.b"
