"""What must be known of an app's Web Push configuration to prepare its rows."""

from collections.abc import Mapping

import msgspec

from protocol.providers.webpush import base64url
from protocol.providers.webpush.endpoints import EndpointPolicy
from protocol.reasons import Reason
from protocol.rejections import RowError


class WebPushFacts(msgspec.Struct, frozen=True, kw_only=True):
    """``vapid_keys`` are the app's public keys (base64url without padding) by the ids that callers may name.

    ``default_vapid_key`` is one of those ids; None where a subscription must say which key it was made with. Raises
    ValueError for a key that is no base64url.
    """

    vapid_keys: Mapping[str, str]
    default_vapid_key: str | None
    endpoints: EndpointPolicy
    _points: frozenset[bytes] = frozenset()

    def __post_init__(self) -> None:
        msgspec.structs.force_setattr(self, "_points", frozenset(map(base64url.decode, self.vapid_keys.values())))

    def is_own_point(self, point: bytes) -> bool:
        """Whether this is the public key of one of the app's own VAPID keys."""
        return point in self._points

    def get_vapid_key(self, name: str | None) -> str:
        """Return the public key that a caller names by id or by itself; without a name the default. Raises RowError."""
        wanted = self.default_vapid_key if name is None else name
        if wanted is None:
            raise _unknown_key("the app has no default key: name the one that the subscription was made with")
        if (key := self.vapid_keys.get(wanted)) is not None:
            return key
        try:
            canonical = base64url.encode(base64url.decode(wanted))
        except ValueError:
            canonical = ""
        if canonical not in self.vapid_keys.values():
            raise _unknown_key("none of the app's keys has this id or is this public key")
        return canonical


def _unknown_key(detail: str) -> RowError:
    return RowError(Reason.INVALID_OPTION, "to.webpush.vapid_key", detail)
