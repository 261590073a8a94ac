"""What a payload is, as far as the request's headers must agree with it (reference: sections 2, 3 and 8).

The bytes are never changed: they are only looked into.
"""

import msgspec

from protocol.providers.apns.push_types import LARGEST_PAYLOAD_BYTES
from protocol.reasons import Reason
from protocol.refusals import DECODING_ERRORS, translate_decoding_error
from protocol.rejections import RowError


class PayloadShape(msgspec.Struct, frozen=True, kw_only=True):
    """``is_visible``: it has an alert, badge or sound. ``missing`` are the ``aps`` keys its event needs and lacks."""

    is_visible: bool = False
    is_content_available: bool = False
    event: str | None = None
    missing: tuple[str, ...] = ()


class Body(msgspec.Struct, frozen=True, kw_only=True):
    """A request body and what is known of it; ``field`` is where it came from in the caller's request."""

    data: bytes
    shape: PayloadShape
    field: str


class _Aps(msgspec.Struct, rename="kebab", gc=False):
    """The keys of ``aps`` that headers and events depend on; Raw where only presence matters."""

    alert: msgspec.Raw = msgspec.Raw()
    badge: msgspec.Raw = msgspec.Raw()
    sound: msgspec.Raw = msgspec.Raw()
    content_available: int | None = None
    event: str | None = None
    timestamp: int | None = None
    content_state: msgspec.Raw = msgspec.Raw()
    attributes_type: str | None = None
    attributes: msgspec.Raw = msgspec.Raw()


class _Payload(msgspec.Struct, gc=False):
    aps: _Aps | None = None


# What a Live Activity payload must carry besides its event (reference: section 8).
EVENT_KEYS: dict[str, tuple[str, ...]] = {
    "start": ("timestamp", "content-state", "attributes-type", "attributes", "alert"),
    "update": ("timestamp", "content-state"),
    "end": ("timestamp",),
}

_decoder = msgspec.json.Decoder(_Payload)


def read_payload(data: bytes, field: str) -> Body:
    """Return a caller's own payload with its shape. Raises RowError."""
    if not data:
        raise RowError(Reason.INVALID_PAYLOAD, field, "the payload is empty")
    if len(data) > LARGEST_PAYLOAD_BYTES:
        raise payload_too_large(field, LARGEST_PAYLOAD_BYTES, len(data))
    try:
        data.decode()  # the JSON decoder skips over unknown keys without looking at their text
        aps = _decoder.decode(data).aps
    except DECODING_ERRORS as error:
        fault = translate_decoding_error(error)
        place = f"{fault.field}: " if fault.field else ""
        raise RowError(Reason.INVALID_PAYLOAD, field, f"not a JSON object for APNs: {place}{fault.detail}") from None
    return Body(data=data, shape=PayloadShape() if aps is None else _shape(aps), field=field)


def payload_too_large(field: str, limit: int, size: int) -> RowError:
    """Return the rejection of a body over its limit, both in bytes."""
    return RowError(Reason.PAYLOAD_TOO_LARGE, field, f"APNs takes at most {limit} bytes here, this body has {size}")


def _shape(aps: _Aps) -> PayloadShape:
    return PayloadShape(
        is_visible=bool(aps.alert or aps.badge or aps.sound),
        is_content_available=aps.content_available == 1,
        event=aps.event,
        missing=() if aps.event is None else _missing_keys(aps, aps.event),
    )


def _missing_keys(aps: _Aps, event: str) -> tuple[str, ...]:
    present = {
        "timestamp": aps.timestamp is not None,
        "content-state": bool(aps.content_state),
        "attributes-type": aps.attributes_type is not None,
        "attributes": bool(aps.attributes),
        "alert": bool(aps.alert),
    }
    return tuple(key for key in EVENT_KEYS.get(event, ()) if not present[key])
