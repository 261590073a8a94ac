"""A Web Push destination as chunks store it: point (65 bytes), secret (16 bytes), path with query.

The origin is the lane's. Raw bytes instead of base64url and a URL make a row a third smaller.
"""

from typing import NamedTuple

from protocol.providers.webpush.subscriptions import AUTH_SECRET_BYTES, POINT_BYTES, Subscription

_PATH_AT = POINT_BYTES + AUTH_SECRET_BYTES


class Recipient(NamedTuple):
    """Whom a body is encrypted for, and the path that it is posted to."""

    public_key: bytes
    auth_secret: bytes
    path: bytes


def pack_destination(subscription: Subscription) -> bytes:
    """Return the stored form of a checked subscription."""
    return subscription.public_key + subscription.auth_secret + subscription.endpoint.path


def unpack_destination(destination: bytes) -> Recipient:
    """Return the parts of a stored destination. Raises ValueError for what is too short to be one."""
    if len(destination) <= _PATH_AT:
        raise ValueError(f"a Web Push destination has more than {_PATH_AT} bytes, this one {len(destination)}")
    return Recipient(destination[:POINT_BYTES], destination[POINT_BYTES:_PATH_AT], destination[_PATH_AT:])
