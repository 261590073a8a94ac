"""The key pair by which Web Push services know an application (VAPID, RFC 8292)."""

import os
from base64 import urlsafe_b64encode
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat


def create_vapid_key_file(path: Path) -> str:
    """Write a fresh P-256 private key as PKCS#8 PEM that only its owner can read; return the public key for browsers.

    That is the uncompressed point in base64url without padding (RFC 8292 section 3.2). Raises FileExistsError instead
    of ever overwriting, OSError when the file can't be written; then none is left behind.
    """
    private_key = ec.generate_private_key(ec.SECP256R1())
    text = private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    point = private_key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return urlsafe_b64encode(point).rstrip(b"=").decode("ascii")
