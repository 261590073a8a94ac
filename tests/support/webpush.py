"""Receivers of Web Push messages, and the published and generated cases that encryption is held to."""

import base64
import json
import os
from pathlib import Path
from typing import Any, NamedTuple

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from bench.simulators.webpush.decoder import decrypt_push

VECTORS = Path(__file__).parent.parent / "native" / "data" / "webpush_vectors.json"


class Receiver(NamedTuple):
    """A subscription with its private half."""

    private_key: ec.EllipticCurvePrivateKey
    public: bytes
    auth_secret: bytes

    def decrypt(self, body: bytes) -> bytes:
        """Read a push as the browser would."""
        return decrypt_push(body, self.private_key, self.auth_secret)


def make_receiver() -> Receiver:
    """Make a subscription with keys of its own."""
    private_key = ec.generate_private_key(ec.SECP256R1())
    public = private_key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return Receiver(private_key, public, os.urandom(16))


def load_vectors() -> dict[str, Any]:
    """Read all cases; binary values are base64url without padding."""
    vectors: dict[str, Any] = json.loads(VECTORS.read_text())
    return vectors


def unpack(text: str) -> bytes:
    """Decode a binary value of the cases."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def private_key_of(scalar: str) -> ec.EllipticCurvePrivateKey:
    """Make the key of a scalar given as in the cases."""
    return ec.derive_private_key(int.from_bytes(unpack(scalar), "big"), ec.SECP256R1())
