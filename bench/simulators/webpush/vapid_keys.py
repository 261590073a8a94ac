"""The application server keys of a run: by them a push service knows who may send to a subscription (RFC 8292).

Derived from the run's secret, like everything else in it, and given out as files that a gateway is configured with.
"""

import msgspec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from bench.simulators.webpush import base64url
from bench.simulators.webpush.derivation import SCALAR_SEED_BYTES, derive_bytes, derive_private_key


class VapidKey(msgspec.Struct, frozen=True):
    """One key pair: its private half only as text of the file that the client is given."""

    id: str
    public_key: bytes
    """The uncompressed point, 65 bytes."""
    private_pem: bytes

    def __repr__(self) -> str:
        return f"<VapidKey {self.id}>"

    @property
    def application_server_key(self) -> str:
        """The public key as pages hand it to browsers: base64url without padding (RFC 8292 section 3.2)."""
        return base64url.encode(self.public_key)


def derive_vapid_key(secret: bytes, key_id: str) -> VapidKey:
    """Return the key pair that a run with this secret has under an id."""
    private_key = derive_private_key(derive_bytes(secret, f"vapid key {key_id}", SCALAR_SEED_BYTES))
    return VapidKey(
        id=key_id,
        public_key=private_key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint),
        private_pem=private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    )
