"""An FCM message short of its target and of the time it has left: what is stored, and what is filled in when.

A stored body opens with the Android section, and in it the ``ttl`` without its number; it closes the whole request:

    "android":{"ttl":"s","priority":"HIGH","collapse_key":"sale"},"notification":{…}}}

So an attempt is one concatenation: the target before, the seconds left in the gap. Nothing is parsed again. What is
merged, and only where the caller's own message leaves it out: ``priority`` from ``urgency``, ``collapse_key`` from
``collapse``, and the caller's FCM options. ``ttl`` is always the notification's own time, of which a message's
``android.ttl`` is one end: the earlier one counts. All other members keep their bytes.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from protocol.providers.apns.headers import fit_collapse_id
from protocol.reasons import Reason
from protocol.rejections import RowError

PAYLOAD_LIMIT_BYTES = 4096
FAN_OUT_PAYLOAD_LIMIT_BYTES = 2048
# Callers' messages over this are not even looked into: sections for three platforms, each at the limit, fit in it.
MESSAGE_LIMIT_BYTES = 16 * 1024
TTL_GAP = b'"ttl":"'

_encoder = msgspec.json.Encoder()


class Transport(msgspec.Struct, frozen=True, kw_only=True):
    """How a notification wants its message carried. ``android`` are further members of that section."""

    priority: str | None
    collapse: str | None
    expires_at_ms: int
    single_try: bool
    android: tuple[tuple[str, object], ...] = ()
    analytics_label: str | None = None
    validate_only: bool = False


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """A checked message. ``android`` are the members of the section ``android_name``, without ``ttl``.

    ``members`` are the other sections; in a caller's own message either are undecoded (msgspec.Raw). ``apns_headers``
    is None for such a message; for portable content the headers are made here, ``apns`` is the rest of that section.
    ``ttl_seconds`` is the message's own android.ttl. ``payload_bytes`` counts as FCM's limit does; ``field`` is where
    the message came from in the caller's request.
    """

    android_name: str = "android"
    android: Mapping[str, Any]
    members: Mapping[str, Any]
    apns_headers: dict[str, str] | None = None
    apns: dict[str, Any] = {}
    ttl_seconds: int | None = None
    payload_bytes: int
    field: str


def compose(message: Message, transport: Transport) -> bytes:
    """Return the stored body of a message that is to be carried so."""
    members = dict(message.members)
    if message.apns_headers is not None:
        members["apns"] = {"headers": _fill_apns(message.apns_headers, transport), **message.apns}
    if transport.analytics_label is not None:
        members.setdefault("fcm_options", {"analytics_label": transport.analytics_label})
    opened = {message.android_name: {"ttl": "s", **_fill_android(message, transport)}, **members}
    return _encoder.encode(opened)[1:] + (b',"validate_only":true}' if transport.validate_only else b"}")


def check_payload_bytes(message: Message, *, is_fan_out: bool) -> None:
    """Raise RowError for a message over FCM's limit, which is half as much for topics and conditions."""
    limit = FAN_OUT_PAYLOAD_LIMIT_BYTES if is_fan_out else PAYLOAD_LIMIT_BYTES
    if message.payload_bytes > limit:
        raise RowError(
            Reason.PAYLOAD_TOO_LARGE,
            message.field,
            f"FCM takes at most {limit} bytes of keys and values here, this message has {message.payload_bytes}",
        )


def measure_payload(message: Mapping[str, Any], android_name: str = "android") -> int:
    """Return the bytes of keys and values that the fullest platform gets (docs/fcm.md#limits), names in snake_case.

    Sections replace rather than add: Android's own data the common one, an APNs payload everything.
    """
    notification = message.get("notification") or {}
    data = message.get("data")
    common = _count(notification) + _count(data)
    apns = (message.get("apns") or {}).get("payload")
    android = message.get(android_name)
    if not android:
        return max(common, _count(apns))
    remote = (android.get("remote_notification") or {}).get("notification")
    shown = {**notification, **(android.get("notification") or {}), **(remote or {})}
    return max(common, _count(shown) + _count(android.get("data") or data), _count(apns))


def _count(value: object) -> int:
    if isinstance(value, str):
        return len(value) if value.isascii() else len(value.encode())
    if isinstance(value, dict):
        return sum([_count(key) + _count(inner) for key, inner in value.items()])
    if isinstance(value, list):
        return sum([_count(inner) for inner in value])
    return 0 if value is None else len(_encoder.encode(value))


def _fill_android(message: Message, transport: Transport) -> dict[str, Any]:
    section = dict(message.android)
    if transport.priority is not None and message.android_name == "android":
        section.setdefault("priority", transport.priority)
    if transport.collapse is not None:
        section.setdefault("collapse_key", transport.collapse)
    for name, value in transport.android:
        section.setdefault(name, value)
    return section


def _fill_apns(headers: Mapping[str, str], transport: Transport) -> dict[str, str]:
    """Return the headers that an iPhone behind FCM needs for the same time, priority and replacement."""
    filled = dict(headers)
    filled["apns-expiration"] = "0" if transport.single_try else str(-(-transport.expires_at_ms // 1000))
    if transport.priority is not None:
        filled.setdefault("apns-priority", "10" if transport.priority == "HIGH" else "5")
    if transport.collapse is not None:
        filled["apns-collapse-id"] = fit_collapse_id(transport.collapse).decode()
    return filled
