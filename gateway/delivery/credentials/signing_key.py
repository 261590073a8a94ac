"""The .p8 file from Apple's developer pages: a private key that signs provider tokens."""

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.delivery.credentials.files import load_p256_key


class SigningKey:
    """A key and its id. Neither ``repr`` nor any error shows the key."""

    def __init__(self, key_id: str, private_key: ec.EllipticCurvePrivateKey) -> None:
        self.key_id = key_id
        self.private_key = private_key

    def __repr__(self) -> str:
        return f"<SigningKey {self.key_id}>"

    @property
    def public_bytes(self) -> bytes:
        """The public half, by which two files with one key are the same."""
        return self.private_key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def load_signing_key(key_id: str, path: Path) -> SigningKey:
    """Return the key in ``path``. Raises InvalidCredentialFileError."""
    return SigningKey(key_id, load_p256_key(path))
