"""Private keys from PEM files, whoever they are for; what is wrong with one is told without showing any of it."""

from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from gateway.delivery.credentials.errors import InvalidCredentialFileError, read_credential_file


def load_private_key(path: Path) -> PrivateKeyTypes:
    """Return the key in a file. Raises InvalidCredentialFileError."""
    contents = read_credential_file(path)
    try:
        return load_pem_private_key(contents, password=None)
    except TypeError:
        raise InvalidCredentialFileError(path, "the private key is encrypted; store it without a passphrase") from None
    except (ValueError, UnsupportedAlgorithm):
        raise InvalidCredentialFileError(path, "holds no private key in PEM form") from None


def load_p256_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """Return the key in a file, which must be one for ES256. Raises InvalidCredentialFileError."""
    key = load_private_key(path)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise InvalidCredentialFileError(path, "holds a private key of another kind than EC P-256")
    if not isinstance(key.curve, ec.SECP256R1):
        raise InvalidCredentialFileError(path, f"holds an EC key on the curve {key.curve.name}, not P-256")
    return key
