"""The browsers of a run: any number of subscriptions, each derived from the run's secret whenever it is asked for.

What a browser would keep (its private key and authentication secret) comes by HKDF from the secret and the endpoint's
path. Deriving takes about 60 µs, so that not even 10,000 of them need be stored.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from bench.simulators.webpush import base64url
from bench.simulators.webpush.derivation import SCALAR_SEED_BYTES, derive_bytes, derive_private_key
from bench.simulators.webpush.endpoint_paths import ServiceName, find_number, make_path
from bench.simulators.webpush.vapid_keys import VapidKey

_AUTH_BYTES = 16


class Subscription(msgspec.Struct, frozen=True):
    """One subscription with the half that only the browser has."""

    service: ServiceName
    number: int
    path: str
    vapid_key: VapidKey
    """The application server key that it was made with: no other may send to it (RFC 8292 section 4)."""
    private_key: ec.EllipticCurvePrivateKey
    auth_secret: bytes

    def __repr__(self) -> str:
        return f"<Subscription {self.service} {self.number}>"

    @property
    def public_key(self) -> bytes:
        """The uncompressed point that messages are encrypted to."""
        return self.private_key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)

    def export(self, origin: str) -> dict[str, Any]:
        """Return what a page would send home: ``JSON.stringify(subscription)`` (Push API, toJSON)."""
        return {
            "endpoint": origin + self.path,
            "expirationTime": None,
            "keys": {"p256dh": base64url.encode(self.public_key), "auth": base64url.encode(self.auth_secret)},
        }


class Subscriptions:
    """All subscriptions that there can be under one secret; stores none."""

    def __init__(self, secret: bytes, vapid_keys: Sequence[VapidKey]) -> None:
        self._secret = secret
        self._vapid_keys = tuple(vapid_keys)

    def make(self, service: ServiceName, number: int) -> Subscription:
        """Return a subscription by number. ValueError for a number that is none."""
        return self._derive(service, number, make_path(self._secret, service, number))

    def find(self, service: ServiceName, path: str) -> Subscription | None:
        """Return the subscription whose endpoint has this path and query, however they are percent-encoded."""
        number = find_number(self._secret, service, path)
        return self.make(service, number) if number is not None else None

    def _derive(self, service: ServiceName, number: int, path: str) -> Subscription:
        seed = derive_bytes(self._secret, f"browser {path}", SCALAR_SEED_BYTES + _AUTH_BYTES)
        return Subscription(
            service=service,
            number=number,
            path=path,
            vapid_key=self._vapid_keys[number % len(self._vapid_keys)],
            private_key=derive_private_key(seed[:SCALAR_SEED_BYTES]),
            auth_secret=seed[SCALAR_SEED_BYTES:],
        )
