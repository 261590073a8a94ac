"""A sender of Web Push that does everything right unless a test asks for the opposite."""

import json
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from bench.simulators.server import Judgement, Request, Sender
from bench.simulators.webpush.endpoint_paths import ServiceName
from bench.simulators.webpush.provider import WebPushProvider
from bench.simulators.webpush.services import SERVICE_OF_ORIGIN
from bench.simulators.webpush.subscriptions import Subscriptions
from bench.simulators.webpush.vapid_keys import VapidKey, derive_vapid_key
from native.encryption import encrypt_batch
from tests.support.clocks import HandClock

NOW = 1_780_000_000
SECRET = bytes(range(32))
KEYS = (derive_vapid_key(SECRET, "first"), derive_vapid_key(SECRET, "second"))
ORIGINS = {name: f"https://localhost:{44300 + number}" for number, name in enumerate(SERVICE_OF_ORIGIN)}
SUBJECT = "mailto:push@example.com"


def encode(data: bytes) -> str:
    """Return base64url without padding."""
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def decode(text: str) -> bytes:
    """Return the bytes of base64url without padding."""
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def make_claims(origin: str, *, now: float = NOW, **changes: Any) -> dict[str, Any]:
    """Return good claims with the given changes; None leaves one out."""
    claims = {"aud": origin, "exp": int(now) + 12 * 3600, "sub": SUBJECT, **changes}
    return {name: value for name, value in claims.items() if value is not None}


def sign(
    key: VapidKey, claims: Mapping[str, Any] | bytes, *, header: Mapping[str, Any] | None = None, der: bool = False
) -> str:
    """Return a token over these claims, or over this text in place of them."""
    private_key = load_pem_private_key(key.private_pem, None)
    assert isinstance(private_key, ec.EllipticCurvePrivateKey)
    header = {"typ": "JWT", "alg": "ES256"} if header is None else header
    text = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    unsigned = f"{encode(json.dumps(header).encode())}.{encode(text)}"
    signature = private_key.sign(unsigned.encode(), ec.ECDSA(SHA256()))
    if not der:
        signature = b"".join(number.to_bytes(32, "big") for number in decode_dss_signature(signature))
    return f"{unsigned}.{encode(signature)}"


def authorize(key: VapidKey, token: str) -> str:
    """Return the value of ``authorization``."""
    return f"vapid t={token}, k={key.application_server_key}"


def encrypt(subscription: Mapping[str, Any], plaintext: bytes = b"hello") -> bytes:
    """Return a body for a subscription as a browser gives it."""
    keys = subscription["keys"]
    return encrypt_batch([plaintext], [decode(keys["p256dh"])], [decode(keys["auth"])]).bodies[0]


def make_headers(key: VapidKey, origin: str, *, now: float | None = None, **changes: str | None) -> dict[str, str]:
    """Return good header fields with the given changes (``content_encoding`` for its name; None leaves one out)."""
    headers = {
        "ttl": "60",
        "urgency": "normal",
        "content-encoding": "aes128gcm",
        "content-type": "application/octet-stream",
        **{name.replace("_", "-"): value for name, value in changes.items()},
    }
    if "authorization" not in headers:
        headers["authorization"] = authorize(
            key, sign(key, make_claims(origin, now=time.time() if now is None else now))
        )
    return {name: value for name, value in headers.items() if value is not None}


class PushServices:
    """All services without their sockets: requests are judged where the test stands."""

    def __init__(self, subscriptions: Subscriptions | None = None) -> None:
        self.clock = HandClock(NOW)
        self.subscriptions = subscriptions if subscriptions is not None else Subscriptions(SECRET, KEYS)
        self.provider = WebPushProvider(self.subscriptions, self.clock)
        self.provider.origins.update(ORIGINS)

    def make_request(
        self,
        origin: str = "mozilla",
        number: int = 0,
        *,
        method: str = "POST",
        path: str | None = None,
        body: bytes | None = None,
        plaintext: bytes = b"hello",
        repeated: tuple[tuple[str, str], ...] = (),
        **changes: str | None,
    ) -> Request:
        """Return a good request with the given changes; ``repeated`` are fields added at the end."""
        service: ServiceName = SERVICE_OF_ORIGIN[origin]
        subscription = self.subscriptions.make(service, number)
        headers = make_headers(subscription.vapid_key, ORIGINS[origin], now=self.clock.now, **changes)
        fields = [(":method", method), (":path", subscription.path if path is None else path), *headers.items()]
        encoded = [(name.encode(), value.encode()) for name, value in (*fields, *repeated)]
        request = Request(encoded, origin)
        request.add_data(encrypt(subscription.export(""), plaintext) if body is None else body)
        return request

    def push(self, *arguments: Any, **changes: Any) -> Judgement:
        """Judge a good request with the given changes."""
        return self.provider.judge(self.make_request(*arguments, **changes), Sender())
