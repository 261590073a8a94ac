"""Web Push sends as callers write them: one good subscription, an app that may send to it."""

from typing import Any

from protocol.preparation import AppFacts, FcmFacts, Rejection, WebPushFacts
from protocol.providers.webpush import EndpointPolicy
from tests.support.sends import SHOP, PreparedRow, prepare_one

# The receiver of the published examples (vectors.json, the good case beside the negative ones).
P256DH = "BFxntkJQqW3hklu9_ki_aHRoTwm_s9amHqj8CntQdB-AjxNWBA9JFp4P8Ww3wFi7ytFcIgcAf5Gt94N9iKvOiLs"
AUTH = "z51ftSU-BxaUEr0DH2DTUw"
ENDPOINT = "https://updates.push.services.mozilla.com/wpush/v2/gAAA"
# The application server keys of RFC 8292 and RFC 8291, as two keys of an app.
VAPID_KEY = "BA1Hxzyi1RUM1b5wjxsn7nGxAszw2u61m164i3MrAIxHF6YK5h4SDYic-dRuU_RCPCfA5aq9ojSwk5Y2EmClBPs"
OLDER_VAPID_KEY = "BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8"
WEBPUSH = WebPushFacts(
    vapid_keys={"now": VAPID_KEY, "older": OLDER_VAPID_KEY}, default_vapid_key="now", endpoints=EndpointPolicy()
)
WEB_SHOP = AppFacts(name="shop", apns=SHOP.apns, webpush=WEBPUSH)
# All three providers configured.
FULL_SHOP = AppFacts(name="shop", apns=SHOP.apns, fcm=FcmFacts(project_id="shop-1"), webpush=WEBPUSH)


def subscription(endpoint: str = ENDPOINT, *, p256dh: str = P256DH, auth: str = AUTH, **more: Any) -> dict[str, Any]:
    """Return a ``to`` with a subscription."""
    return {"webpush": {"endpoint": endpoint, "keys": {"p256dh": p256dh, "auth": auth}, **more}}


def prepare_webpush(facts: AppFacts = WEB_SHOP, **notification: Any) -> PreparedRow | Rejection:
    """Return what becomes of a single notification to the good subscription; ``to`` may name another."""
    return prepare_one(facts, **{"to": subscription()} | notification)
