"""Who an app is at Web Push services: its VAPID keys, and the tokens that they have signed.

One token for each key and origin serves all requests for eleven hours (docs/web-push.md#vapid-tokens): services
remember checked signatures, and Apple refuses who comes with a new one more than once an hour. Signing takes some
100 µs and happens inline, so two tasks can't both sign.
"""

from collections.abc import Iterable, Mapping

import msgspec

from gateway.clock import Clock
from gateway.delivery.credentials.vapid_key import VapidKey
from protocol.providers.webpush import vapid

# An app's subscribers use a handful of origins; the bound keeps made-up ones under a wide pattern from piling up.
REMEMBERED_TOKENS = 10_000
# Answers to requests that carried a token before its renewal still arrive for as long as a stream may take, and more.
STRAGGLERS_SECONDS = 60


class _Token(msgspec.Struct, frozen=True):
    """What requests carry, and when it was made; ``is_renewal``: because the one before was refused."""

    authorization: bytes
    made_at: float
    is_renewal: bool


class WebPushCredential:
    """The keys of one app, by their ids. Nothing secret shows in ``repr``."""

    def __init__(self, subject: str, keys: Mapping[str, VapidKey], default_key: str | None, clock: Clock) -> None:
        self.keys = keys
        self.default_key = default_key
        self._subject = subject
        self._by_public_key = {key.public_key.encode(): key for key in keys.values()}
        self._clock = clock
        self._tokens: dict[tuple[bytes, str], _Token] = {}

    def __repr__(self) -> str:
        return f"<WebPushCredential {self._subject}, keys {_list(self.public_keys)}, {len(self._tokens)} tokens>"

    @property
    def public_keys(self) -> Mapping[str, str]:
        """The public halves, as browsers take them, by the keys' ids."""
        return {name: key.public_key for name, key in self.keys.items()}

    def has(self, public_key: bytes) -> bool:
        """Whether a subscription's key, in base64url, is one of the app's."""
        return public_key in self._by_public_key

    def adopt(self, fresh: "WebPushCredential") -> bool:
        """Take the keys from what was read from the same settings; return whether any was another one."""
        if self.public_keys == fresh.public_keys:
            return False
        self.keys = fresh.keys
        self._by_public_key = {key.public_key.encode(): key for key in fresh.keys.values()}
        self._tokens = {place: token for place, token in self._tokens.items() if self.has(place[0])}
        return True

    def authorize(self, public_key: bytes, origin: str) -> bytes:
        """Return the value of ``authorization`` for requests to an origin, one object until a new token is due.

        ``public_key`` is the base64url of the subscription's key. Raises KeyError for one that the app does not have.
        """
        now = self._clock.wall()
        token = self._tokens.get((public_key, origin))
        if token is None or not _may_stay(token, now):
            token = self._sign(public_key, origin, now, is_renewal=False)
        return token.authorization

    def renew(self, public_key: bytes, origin: str) -> bool:
        """Be told that a service refused the token; return whether to repeat the request with :meth:`authorize`.

        False means that our token is young: another one would be refused as well, and be held against us.
        """
        now = self._clock.wall()
        token = self._tokens.get((public_key, origin))
        if token is None:
            return True
        age = now - token.made_at
        if token.is_renewal and 0 <= age < STRAGGLERS_SECONDS:
            return True
        if abs(age) < vapid.LEAST_SECONDS_BETWEEN:
            return False
        self._sign(public_key, origin, now, is_renewal=True)
        return True

    def _sign(self, public_key: bytes, origin: str, now: float, *, is_renewal: bool) -> _Token:
        claims = vapid.make_claims(origin, self._subject, now)
        signed = vapid.make_token(claims, self._by_public_key[public_key].sign)
        token = _Token(vapid.authorization(signed, public_key), now, is_renewal)
        self._tokens.pop((public_key, origin), None)
        if len(self._tokens) >= REMEMBERED_TOKENS:
            del self._tokens[next(iter(self._tokens))]  # the oldest: a new one goes to the end
        self._tokens[public_key, origin] = token
        return token


def _may_stay(token: _Token, now: float) -> bool:
    """Whether a token is valid for another hour, and not from a future that a clock set back has left."""
    age = now - token.made_at
    return -vapid.LEAST_SECONDS_BETWEEN < age < vapid.LIFETIME_SECONDS - vapid.RENEW_BEFORE_SECONDS


def _list(names: Iterable[str]) -> str:
    return ", ".join(names)
