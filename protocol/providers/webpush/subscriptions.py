"""A subscription as browsers give it, checked (docs/web-push.md#subscriptions; RFC 8291 section 3).

The point is checked whole, curve included: in Python that takes 1.3 µs a row beside some 60 µs for its encryption, and
what is wrong with a subscription is said at the door. Native code still checks what it is given.
"""

import msgspec

from protocol.providers.webpush import base64url
from protocol.providers.webpush.endpoints import Endpoint, EndpointPolicy
from protocol.reasons import Reason
from protocol.rejections import DeadDestination, RowError
from protocol.send.fields import WebPushTarget

POINT_BYTES = 65
AUTH_SECRET_BYTES = 16
UNCOMPRESSED = 4
# September 2001, before there was any subscription: an earlier moment is in another unit than W3C's milliseconds.
LEAST_EXPIRATION_MS = 1e12

# P-256 (SEC 2, section 2.4.2): y² = x³ - 3x + b over the integers modulo p. Its cofactor is 1: no subgroup to check.
_P = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF
_B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
_COORDINATE_BITS = 256
_COORDINATE = (1 << _COORDINATE_BITS) - 1


class Subscription(msgspec.Struct, frozen=True, gc=False):
    """A subscription that can be sent to: the receiver's point (65 bytes) and secret (16 bytes)."""

    endpoint: Endpoint
    public_key: bytes
    auth_secret: bytes


def read_subscription(target: WebPushTarget, endpoints: EndpointPolicy, now_ms: int) -> Subscription:
    """Return a subscription whose every part has been checked. Raises RowError naming the part."""
    endpoint = endpoints.read_endpoint(target.endpoint)
    if target.expiration_time is not None:
        _check_expiration(target, now_ms)
    return Subscription(endpoint, _read_public_key(target.keys.p256dh), _read_auth(target.keys.auth))


def is_point(data: bytes) -> bool:
    """Whether this is a point of P-256 in uncompressed form; infinity has none."""
    if len(data) != POINT_BYTES or data[0] != UNCOMPRESSED:
        return False
    both = int.from_bytes(data, "big")
    x = both >> _COORDINATE_BITS & _COORDINATE
    y = both & _COORDINATE
    return x < _P and y < _P and (y * y - (x * x - 3) * x - _B) % _P == 0


def _check_expiration(target: WebPushTarget, now_ms: int) -> None:
    """Raise RowError for a time that has passed, or is none in UNIX milliseconds (W3C Push API, DOMHighResTimeStamp).

    A subscription is told to be dead on an unmistakable word alone: 0, seconds or a text are somebody's mistake.
    """
    field, moment = "to.webpush.expirationTime", target.expiration_time
    if moment is None or moment == "":
        return
    if isinstance(moment, str) or not moment >= LEAST_EXPIRATION_MS:  # not a number is no moment either
        raise RowError(Reason.INVALID_TOKEN, field, "a time is in UNIX milliseconds, or null, as the browser gave it")
    if moment <= now_ms:
        dead = DeadDestination(provider="webpush", destination=target.endpoint, since_ms=int(moment))
        raise RowError(Reason.DEAD_TOKEN, field, "the subscription ended at this time", dead)


def _read_public_key(text: str) -> bytes:
    field = "to.webpush.keys.p256dh"
    key = _decode(text, field)
    if len(key) != POINT_BYTES or key[0] != UNCOMPRESSED:
        raise RowError(
            Reason.INVALID_TOKEN, field, f"a key is an uncompressed point: {POINT_BYTES} bytes, the first one 4"
        )
    if not is_point(key):
        raise RowError(Reason.INVALID_TOKEN, field, "this is no point of the curve P-256")
    return key


def _read_auth(text: str) -> bytes:
    field = "to.webpush.keys.auth"
    secret = _decode(text, field)
    if len(secret) != AUTH_SECRET_BYTES:
        raise RowError(Reason.INVALID_TOKEN, field, f"the secret has {AUTH_SECRET_BYTES} bytes, this one {len(secret)}")
    return secret


def _decode(text: str, field: str) -> bytes:
    try:
        return base64url.decode(text)
    except ValueError as error:
        raise RowError(Reason.INVALID_TOKEN, field, f"base64url as the browser gave it: {error}") from None
