"""Private keys, whoever they are for: read from whatever form they are in, and named where they are of another kind."""

from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import load_der_private_key, load_pem_private_key

from gateway.delivery.credentials.errors import InvalidCredentialFileError, read_credential_file
from gateway.delivery.credentials.files.pem import find_private_pem
from gateway.delivery.credentials.files.texts import CredentialTextError, check_plain_pem, decode_text, is_der

LEAST_RSA_BITS = 2048  # RFC 7518 section 3.3


def load_private_key(path: Path) -> PrivateKeyTypes:
    """Return the key in a file that the TLS library is to open itself. Raises InvalidCredentialFileError."""
    contents = read_credential_file(path)
    check_plain_pem(path, contents)
    try:
        return _parse(contents)
    except CredentialTextError as error:
        raise InvalidCredentialFileError(path, str(error)) from None


def load_p256_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """Return the key in a file, which must be one for ES256. Raises InvalidCredentialFileError."""
    contents = read_credential_file(path)
    try:
        return read_p256_key(contents)
    except CredentialTextError as error:
        raise InvalidCredentialFileError(path, str(error)) from None


def read_p256_key(contents: bytes) -> ec.EllipticCurvePrivateKey:
    """Return a key for ES256. Raises CredentialTextError."""
    key = _parse(contents)
    if isinstance(key, rsa.RSAPrivateKey):
        raise CredentialTextError("holds an RSA key, not one of EC P-256")
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise CredentialTextError("holds a private key of another kind than EC P-256")
    if not isinstance(key.curve, ec.SECP256R1):
        raise CredentialTextError(f"holds an EC key on the curve {key.curve.name}, not P-256")
    return key


def read_rsa_key(text: str) -> rsa.RSAPrivateKey:
    """Return a key for RS256. Raises CredentialTextError."""
    key = _parse(text.encode())
    if not isinstance(key, rsa.RSAPrivateKey) or key.key_size < LEAST_RSA_BITS:
        raise CredentialTextError(f"is no RSA key of {LEAST_RSA_BITS} bits or more")
    return key


def _parse(contents: bytes) -> PrivateKeyTypes:
    found = contents if is_der(contents) else find_private_pem(decode_text(contents))
    load = load_pem_private_key if found.startswith(b"-----BEGIN") else load_der_private_key
    try:
        return load(found, password=None)
    except TypeError:
        raise CredentialTextError("the private key is encrypted; store it without a passphrase") from None
    except (ValueError, UnsupportedAlgorithm):
        raise CredentialTextError(
            "holds no private key that can be read: it is damaged, or a part is missing"
        ) from None
