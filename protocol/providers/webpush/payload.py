"""The plaintext of a push: how large it may be, and what it is (docs/web-push.md#options).

The bytes are never changed. A JSON payload that carries the marker of declarative Web Push is checked: a mistake in it
would silently make an ordinary push of it, which Safari then shows to nobody. Other bytes are not looked into. None at
all is a payload too: it is encrypted like any other, as one record with nothing but its delimiter. A request without a
body (a *tickle*) is never made, since anyone who learns the endpoint's secrets but the keys' could forge one.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from protocol.reasons import Reason
from protocol.refusals import DECODING_ERRORS
from protocol.rejections import RowError

BODY_LIMIT_BYTES = 4096  # what every service must take (RFC 8030 section 7.2)
OVERHEAD_BYTES = 103  # header 86, delimiter 1, tag 16
PLAINTEXT_LIMIT_BYTES = BODY_LIMIT_BYTES - OVERHEAD_BYTES
DECLARATIVE_MARKER = 8030
# Firefox on Android gets its messages over FCM, in base64: Mozilla refuses bodies above 3,070 bytes for it, and says so
# with 413 (errno 104, "constrained device"). Nobody can tell such a subscription from others.
CONSTRAINED_BODY_LIMIT_BYTES = 3070
# Every plaintext that fits a body limit unpadded has to fit it padded. 2,820 leaves FCM room for the fields that
# Mozilla adds; what lies between is padded to the most that still fits.
PADDING_BUCKETS_BYTES = (
    128,
    512,
    1024,
    2820,
    CONSTRAINED_BODY_LIMIT_BYTES - OVERHEAD_BYTES,
    PLAINTEXT_LIMIT_BYTES,
)
BADGE_LIMIT = 2**64 - 1

_decoder = msgspec.json.Decoder()


class WebPushBody(msgspec.Struct, frozen=True, kw_only=True):
    """A plaintext; ``field`` is where it came from in the caller's request."""

    data: bytes
    is_declarative: bool
    field: str


def read_json_payload(data: bytes, field: str) -> WebPushBody:
    """Return a caller's own JSON, byte for byte. Raises RowError."""
    check_size(data, field)
    try:
        payload = _decoder.decode(data)
    except DECODING_ERRORS:
        raise RowError(Reason.INVALID_PAYLOAD, field, "not JSON: other bytes go into payload_bytes") from None
    return WebPushBody(data=data, is_declarative=check_declarative(payload, field), field=field)


def read_bytes_payload(data: bytes, field: str) -> WebPushBody:
    """Return a caller's own bytes. Raises RowError."""
    check_size(data, field)
    return WebPushBody(data=data, is_declarative=False, field=field)


def check_size(data: bytes, field: str) -> None:
    """Raise RowError for a plaintext whose record would not fit into a body."""
    if len(data) > PLAINTEXT_LIMIT_BYTES:
        raise RowError(
            Reason.PAYLOAD_TOO_LARGE,
            field,
            f"Web Push takes at most {PLAINTEXT_LIMIT_BYTES} bytes before encryption, this payload has {len(data)}",
        )


def check_declarative(payload: object, field: str) -> bool:
    """Return whether a payload is declarative. Raises RowError where it says so and is not well formed."""
    if not isinstance(payload, dict) or "web_push" not in payload:
        return False
    fault = _find_fault(payload)
    if fault is not None:
        raise RowError(Reason.INVALID_PAYLOAD, field, f"a payload with web_push is declarative: {fault}")
    return True


def padding_bytes(plaintext_bytes: int, buckets: Sequence[int] = PADDING_BUCKETS_BYTES) -> int:
    """Return how many zeros hide the length of a plaintext: up to the next of the rising ``buckets``, else none."""
    return next((bucket - plaintext_bytes for bucket in buckets if plaintext_bytes <= bucket), 0)


def _find_fault(payload: dict[str, Any]) -> str | None:
    notification = payload.get("notification")
    if not _is_whole_number(payload["web_push"], DECLARATIVE_MARKER) or payload["web_push"] != DECLARATIVE_MARKER:
        return f"web_push is the number {DECLARATIVE_MARKER}"
    if not isinstance(notification, dict):
        return "notification is an object"
    for key in ("title", "navigate"):
        if not isinstance(notification.get(key), str):
            return f"notification.{key} is a text"
    if "app_badge" in payload and not _is_whole_number(payload["app_badge"], BADGE_LIMIT):
        return "app_badge is a whole number"
    if not isinstance(payload.get("mutable", False), bool):
        return "mutable is true or false"
    return None


def _is_whole_number(value: object, limit: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= limit
