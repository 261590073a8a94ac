"""A service account with its key ready to sign: who an app's project is at Google's token endpoint."""

from pathlib import Path

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from gateway.delivery.credentials.errors import InvalidCredentialFileError, read_credential_file
from protocol.providers.fcm import (
    ServiceAccount,
    ServiceAccountError,
    assertion_claims,
    assertion_header,
    parse_service_account,
)

LEAST_KEY_BITS = 2048  # RFC 7518 section 3.3


class ServiceAccountKey:
    """Signs assertions. Neither ``repr`` nor any error shows key or assertion."""

    def __init__(self, account: ServiceAccount, private_key: rsa.RSAPrivateKey) -> None:
        self._account = account
        self._private_key = private_key

    def __repr__(self) -> str:
        return f"<ServiceAccountKey of the project {self.project_id}>"

    @property
    def project_id(self) -> str:
        """The Firebase project."""
        return self._account.project_id

    @property
    def identity(self) -> tuple[str, str]:
        """What two files with one account and key have in common: its address and the key's id."""
        return self._account.client_email, self._account.private_key_id

    @property
    def public_bytes(self) -> bytes:
        """The public half of the key."""
        return self._private_key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    def make_assertion(self, now: float) -> str:
        """Return a JWT by which the account asks for an access token; ``now`` is UNIX seconds. Takes some 1 ms."""
        return jwt.encode(
            assertion_claims(self._account, now), self._private_key, "RS256", headers=assertion_header(self._account)
        )


def load_service_account_key(path: Path) -> ServiceAccountKey:
    """Return the account in a file. Raises InvalidCredentialFileError."""
    try:
        account = parse_service_account(read_credential_file(path))
    except ServiceAccountError as error:
        raise InvalidCredentialFileError(path, str(error)) from None
    return ServiceAccountKey(account, _load_key(path, account.private_key.encode()))


def _load_key(path: Path, pem: bytes) -> rsa.RSAPrivateKey:
    try:
        key = load_pem_private_key(pem, password=None)
    except (TypeError, ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, rsa.RSAPrivateKey) or key.key_size < LEAST_KEY_BITS:
        detail = f"private_key is no RSA key of {LEAST_KEY_BITS} bits or more: download the file again"
        raise InvalidCredentialFileError(path, detail)
    return key
