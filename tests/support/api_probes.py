"""One field of the API at a time, in a request that is right otherwise: whether the protocol takes its value."""

from collections.abc import Callable
from typing import Any

import msgspec

from protocol.frames import decode_caller_frame
from protocol.preparation import AppFacts, FcmFacts, Rejection, WebPushFacts
from protocol.providers.webpush import EndpointPolicy
from protocol.reasons import Reason
from protocol.refusals import RequestError
from tests.support.sends import SHOP, prepare
from tests.support.webpush_sends import OLDER_VAPID_KEY, VAPID_KEY, subscription

# An app at all three providers, as the document's examples have it.
FULL_SHOP = AppFacts(
    name="shop",
    apns=SHOP.apns,
    fcm=FcmFacts(project_id="shop-1"),
    webpush=WebPushFacts(
        vapid_keys={"2025": OLDER_VAPID_KEY, "2026": VAPID_KEY}, default_vapid_key="2025", endpoints=EndpointPolicy()
    ),
)
TOKEN = {"token": "9f" * 32}
FCM = {"token": "c8:x"}
WEBPUSH: dict[str, Any] = subscription()["webpush"]
CONTENT = {"title": "Sale", "link": "https://shop.example/sale"}
ACTIVITY = b'{"aps": {"event": "end", "timestamp": 1780000000}}'
# What a field can't do without, or not with.
BESIDE: dict[tuple[str, str], dict[str, Any]] = {
    ("Batch", "payload_json"): {"content": None},
    ("Batch", "payload_bytes"): {"content": None, "targets": [{"webpush": WEBPUSH}]},
    ("Batch", "notifications"): {"targets": None},
    ("Notification", "payload_json"): {"content": None},
    ("Notification", "payload_bytes"): {"content": None, "to": {"webpush": WEBPUSH}},
    ("To APNs", "channel"): {"content": None, "payload_json": ACTIVITY},
}


def try_value(heading: str, field: str, value: object) -> Reason | None:
    """Return why a value is refused at a field of the table under a heading; None: it is taken."""
    try:
        return _TRIES[heading](field, value, BESIDE.get((heading, field), {}))
    except RequestError as refusal:
        return refusal.reason


def _try_batch(field: str, value: object, beside: dict[str, Any]) -> Reason | None:
    request = {"content": CONTENT, "targets": [{"apns": TOKEN}]} | beside | {field: value}
    return _first_reason(prepare(FULL_SHOP, **request)[1])


def _try_row(field: str, value: object, beside: dict[str, Any]) -> Reason | None:
    return _try_batch("targets", [{"apns": TOKEN, field: value}], beside)


def _try_notification(field: str, value: object, beside: dict[str, Any]) -> Reason | None:
    notification = {"to": {"apns": TOKEN}, "content": CONTENT} | beside | {field: value}
    given = {name: each for name, each in notification.items() if each is not None}
    return _first_reason(prepare(FULL_SHOP, notifications=[given])[1])


def _try_inside(name: str, **others: Any) -> Callable[[str, object, dict[str, Any]], Reason | None]:
    """Return a try of the fields of a notification's map ``name``; ``others`` are the notification's other fields."""

    def attempt(field: str, value: object, beside: dict[str, Any]) -> Reason | None:
        return _try_notification(name, {field: value}, others | beside)

    return attempt


def _try_address(provider: str, good: dict[str, Any]) -> Callable[[str, object, dict[str, Any]], Reason | None]:
    def attempt(field: str, value: object, beside: dict[str, Any]) -> Reason | None:
        return _try_notification("to", {provider: good | {field: value}}, beside)

    return attempt


def _try_key(field: str, value: object, beside: dict[str, Any]) -> Reason | None:
    target = WEBPUSH | {"keys": WEBPUSH["keys"] | {field: value}}
    return _try_notification("to", {"webpush": target}, beside)


def _try_frame(op: str) -> Callable[[str, object, dict[str, Any]], Reason | None]:
    def attempt(field: str, value: object, beside: dict[str, Any]) -> Reason | None:
        decode_caller_frame(msgspec.msgpack.encode({"op": op, field: value} | beside))
        return None

    return attempt


def _try_token(field: str, value: object, beside: dict[str, Any]) -> Reason | None:
    return _try_address("apns", {} if field == "channel" else TOKEN)(field, value, beside)


def _first_reason(rejections: list[Rejection]) -> Reason | None:
    return rejections[0].reason if rejections else None


_TRIES: dict[str, Callable[[str, object, dict[str, Any]], Reason | None]] = {
    "Batch": _try_batch,
    "Notification": _try_notification,
    "Target row": _try_row,
    "Content": _try_inside("content"),
    "To APNs": _try_token,
    "To FCM": _try_address("fcm", {}),
    "To Web Push": _try_address("webpush", WEBPUSH),
    "Web Push keys": _try_key,
    "Options": _try_notification,
    "APNs options": _try_inside("apns"),
    "FCM options": _try_inside("fcm", to={"fcm": FCM}),
    "Web Push options": _try_inside("webpush", to={"webpush": WEBPUSH}),
    "Cancelling": _try_frame("cancel"),
    "Results": _try_frame("subscribe"),
    "Forgetting a name": _try_frame("unsubscribe"),
    "Confirming held ones": _try_frame("confirm_dead_tokens"),
}
