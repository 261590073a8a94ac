"""The .p8 file from Apple's developer pages: a private key that signs provider tokens."""

from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from gateway.delivery.credentials.errors import InvalidCredentialFileError, read_credential_file


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
    text = read_credential_file(path)
    try:
        key = load_pem_private_key(text, password=None)
    except TypeError:
        raise InvalidCredentialFileError(path, "is encrypted; Apple's .p8 files are not") from None
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise InvalidCredentialFileError(path, "not a PKCS#8 EC P-256 key")
    return SigningKey(key_id, key)
