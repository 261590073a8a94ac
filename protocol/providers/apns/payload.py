"""What a payload is, as far as the request's headers must agree with it (docs/apns.md#what-the-app-receives).

The bytes are never changed: they are only looked into, and no further than the chosen push type needs. What an app
keeps under one of these keys for itself is its own affair. ``null`` is an absent key.

| key | counts as there when it is | because |
|---|---|---|
| alert, badge, sound | anything but null | their forms are the app's affair |
| content-available | 1, also as 1.0 and true | Apple writes 1, and takes true, which is a number to it |
| event | "start", "update" or "end" | nothing else is an event of a Live Activity |
| timestamp | a number, also with a fraction | Apple's page types it Number: UNIX seconds, not said to be whole |
| attributes-type | a text | it names a Swift type |
| content-state, attributes | anything but null | their forms are the app's own types |
"""

from typing import Any

import msgspec

from protocol.providers.apns.push_types import LARGEST_PAYLOAD_BYTES
from protocol.reasons import Reason
from protocol.refusals import DECODING_ERRORS, translate_decoding_error
from protocol.rejections import RowError


class PayloadShape(msgspec.Struct, frozen=True, kw_only=True):
    """``is_visible``: it has an alert, badge or sound.

    ``event`` is that of a Live Activity, ``missing`` are the ``aps`` keys that it needs and lacks.
    ``is_live_activity``: with its event it has a state or a time, or nothing that an alert would show.
    """

    is_visible: bool = False
    is_content_available: bool = False
    is_live_activity: bool = False
    event: str | None = None
    missing: tuple[str, ...] = ()


class Body(msgspec.Struct, frozen=True, kw_only=True):
    """A request body and what is known of it; ``field`` is where it came from in the caller's request."""

    data: bytes
    shape: PayloadShape
    field: str


class _Aps(msgspec.Struct, rename="kebab", gc=False):
    """The keys of ``aps`` that headers and events depend on, unread: of any type, and empty where they are absent."""

    alert: msgspec.Raw = msgspec.Raw()
    badge: msgspec.Raw = msgspec.Raw()
    sound: msgspec.Raw = msgspec.Raw()
    content_available: msgspec.Raw = msgspec.Raw()
    event: msgspec.Raw = msgspec.Raw()
    timestamp: msgspec.Raw = msgspec.Raw()
    content_state: msgspec.Raw = msgspec.Raw()
    attributes_type: msgspec.Raw = msgspec.Raw()
    attributes: msgspec.Raw = msgspec.Raw()


class _Payload(msgspec.Struct, gc=False):
    aps: _Aps | None = None


# What a Live Activity payload must carry besides its event (docs/apns.md#what-the-app-receives).
EVENT_KEYS: dict[str, tuple[str, ...]] = {
    "start": ("timestamp", "content-state", "attributes-type", "attributes", "alert"),
    "update": ("timestamp", "content-state"),
    "end": ("timestamp",),
}

_NULL = b"null"
_decoder = msgspec.json.Decoder(_Payload)
_value_decoder = msgspec.json.Decoder()


def read_payload(data: bytes, field: str) -> Body:
    """Return a caller's own payload with its shape. Raises RowError."""
    if not data:
        raise RowError(Reason.INVALID_PAYLOAD, field, "the payload is empty")
    if len(data) > LARGEST_PAYLOAD_BYTES:
        raise payload_too_large(field, LARGEST_PAYLOAD_BYTES, len(data))
    try:
        data.decode()  # the JSON decoder skips over unknown keys without looking at their text
        aps = _decoder.decode(data).aps
        shape = PayloadShape() if aps is None else _shape(aps)
    except DECODING_ERRORS as error:
        fault = translate_decoding_error(error)
        place = f"{fault.field}: " if fault.field else ""
        raise RowError(Reason.INVALID_PAYLOAD, field, f"not a JSON object for APNs: {place}{fault.detail}") from None
    return Body(data=data, shape=shape, field=field)


def payload_too_large(field: str, limit: int, size: int) -> RowError:
    """Return the rejection of a body over its limit, both in bytes."""
    return RowError(Reason.PAYLOAD_TOO_LARGE, field, f"APNs takes at most {limit} bytes here, this body has {size}")


def _shape(aps: _Aps) -> PayloadShape:
    is_visible = _is_there(aps.alert) or _is_there(aps.badge) or _is_there(aps.sound)
    event = _read_event(aps.event)
    return PayloadShape(
        is_visible=is_visible,
        # true is 1 to Python as it is to Apple
        is_content_available=_read(aps.content_available) == 1,
        is_live_activity=event is not None
        and (not is_visible or _is_there(aps.timestamp) or _is_there(aps.content_state)),
        event=event,
        missing=() if event is None else _missing_keys(aps, event),
    )


def _missing_keys(aps: _Aps, event: str) -> tuple[str, ...]:
    timestamp = _read(aps.timestamp)
    present = {
        "timestamp": isinstance(timestamp, int | float) and not isinstance(timestamp, bool),
        "content-state": _is_there(aps.content_state),
        "attributes-type": isinstance(_read(aps.attributes_type), str),
        "attributes": _is_there(aps.attributes),
        "alert": _is_there(aps.alert),
    }
    return tuple(key for key in EVENT_KEYS[event] if not present[key])


def _read_event(raw: msgspec.Raw) -> str | None:
    event = _read(raw)
    return event if isinstance(event, str) and event in EVENT_KEYS else None


def _is_there(raw: msgspec.Raw) -> bool:
    return bool(raw) and bytes(raw) != _NULL


def _read(raw: msgspec.Raw) -> Any:  # noqa: ANN401 - any JSON value
    """Return a value whose JSON has been checked with the payload around it; None for an absent one."""
    return _value_decoder.decode(raw) if raw else None
