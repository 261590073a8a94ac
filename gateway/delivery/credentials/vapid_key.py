"""The key pair by which Web Push services know an application (VAPID, RFC 8292)."""

import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from gateway.delivery.credentials.errors import InvalidCredentialFileError, read_credential_file
from gateway.delivery.credentials.files import CredentialTextError, read_vapid_pair
from gateway.delivery.credentials.token_signature import sign_es256
from protocol.providers.webpush import base64url


class VapidKey:
    """A key pair. Neither ``repr`` nor any error shows its private half.

    ``public_key`` is what browsers take as ``applicationServerKey``: the uncompressed point in base64url without
    padding (RFC 8292 section 3.2).
    """

    def __init__(self, private_key: ec.EllipticCurvePrivateKey) -> None:
        point = private_key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        self.public_key = base64url.encode(point)
        self._private_key = private_key

    def __repr__(self) -> str:
        return f"<VapidKey {self.public_key}>"

    def sign(self, message: bytes) -> bytes:
        """Return the ES256 signature of a message, r and s of 32 bytes each."""
        return sign_es256(self._private_key, message)

    def write(self, path: Path) -> None:
        """Write the private key as PKCS#8 PEM that only its owner can read.

        Raises FileExistsError instead of ever overwriting, OSError when the file can't be written; then none is left
        behind.
        """
        text = self._private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
        except BaseException:
            path.unlink(missing_ok=True)
            raise


def load_vapid_key(path: Path) -> VapidKey:
    """Return the key in a file, in any form that web-push tools give it. Raises InvalidCredentialFileError."""
    return read_vapid_key(read_credential_file(path), path)


def read_vapid_key(contents: bytes, path: Path) -> VapidKey:
    """Return the key in what was read from a file, or a pipe. Raises InvalidCredentialFileError."""
    try:
        return VapidKey(read_vapid_pair(contents))
    except CredentialTextError as error:
        raise InvalidCredentialFileError(path, str(error)) from None


def create_vapid_key_file(path: Path) -> VapidKey:
    """Write a fresh key to a file, as :meth:`VapidKey.write` does; return it."""
    key = VapidKey(ec.generate_private_key(ec.SECP256R1()))
    key.write(path)
    return key
