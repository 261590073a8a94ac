"""An FCM message short of its target and of the time it has left: what is stored, and what is filled in when.

A stored body opens with the Android section, and in it the ``ttl`` without its number; it closes the whole request:

    "android":{"ttl":"s","priority":"HIGH","collapse_key":"sale"},"notification":{…}}}

So an attempt is one concatenation: the target before, the seconds left in the gap. Nothing is parsed again. What is
merged, and only where the caller's own message leaves it out: ``priority`` from ``urgency``, ``collapse_key`` from
``collapse``. ``ttl`` is always the notification's own time, of which a message's ``android.ttl`` is one end: the
earlier one counts. All other members keep their bytes.
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
_raw = msgspec.Raw


class Transport(msgspec.Struct, frozen=True, kw_only=True):
    """How a notification wants its message carried."""

    priority: str | None
    collapse: str | None
    expires_at_ms: int
    single_try: bool


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """A checked message. ``android`` are the members of the section ``android_name``, without ``ttl``.

    ``members`` are the other sections. ``apns_headers`` is None for a caller's own message; for portable content the
    headers are made here, and ``apns`` is the rest of that section. ``ttl_seconds`` is the message's own android.ttl.
    ``payload_bytes`` counts as FCM's limit does; ``field`` is where the message came from in the caller's request.
    """

    android_name: str = "android"
    android: dict[str, msgspec.Raw]
    members: dict[str, msgspec.Raw]
    apns_headers: dict[str, str] | None = None
    apns: dict[str, Any] = {}
    ttl_seconds: int | None = None
    payload_bytes: int
    field: str


def compose(message: Message, transport: Transport) -> bytes:
    """Return the stored body of a message that is to be carried so."""
    section = _fill_android(message, transport)
    members = dict(message.members)
    if message.apns_headers is not None:
        members["apns"] = _raw(
            _encoder.encode({"headers": _fill_apns(message.apns_headers, transport), **message.apns})
        )
    head = b'"%b":{%bs"' % (message.android_name.encode(), TTL_GAP)
    return head + _join(section) + b"}" + _join(members) + b"}}"


def encode(value: object) -> msgspec.Raw:
    """Return a value as one member's JSON."""
    return _raw(_encoder.encode(value))


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
    """Return the bytes of keys and values that the fullest platform gets (reference: section 4), names in snake_case.

    Sections replace rather than add: Android's own data the common one, an APNs payload everything.
    """
    notification = message.get("notification") or {}
    data = message.get("data")
    android = message.get(android_name) or {}
    remote = (android.get("remote_notification") or {}).get("notification")
    shown = {**notification, **(android.get("notification") or {}), **(remote or {})}
    apns = (message.get("apns") or {}).get("payload")
    return max(
        _count(notification) + _count(data),
        _count(shown) + _count(android.get("data") or data),
        _count(apns),
    )


def _count(value: object) -> int:
    if isinstance(value, dict):
        return sum(len(key.encode()) + _count(inner) for key, inner in value.items())
    if isinstance(value, list):
        return sum(_count(inner) for inner in value)
    if isinstance(value, str):
        return len(value.encode())
    return 0 if value is None else len(_encoder.encode(value))


def _fill_android(message: Message, transport: Transport) -> dict[str, msgspec.Raw]:
    section = dict(message.android)
    if transport.priority is not None and message.android_name == "android":
        section.setdefault("priority", encode(transport.priority))
    if transport.collapse is not None:
        section.setdefault("collapse_key", encode(transport.collapse))
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


def _join(members: Mapping[str, msgspec.Raw]) -> bytes:
    joined = b",".join(b'"%b":%b' % (name.encode(), bytes(value)) for name, value in members.items())
    return b"," + joined if joined else b""
