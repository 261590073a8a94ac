"""A service account with its key ready to sign: who an app's project is at Google's token endpoint."""

from pathlib import Path

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.delivery.credentials.errors import InvalidCredentialFileError
from gateway.delivery.credentials.files import CredentialTextError, find_json, read_rsa_key, read_text
from protocol.providers.fcm import (
    ServiceAccount,
    ServiceAccountError,
    assertion_claims,
    assertion_header,
    parse_service_account,
)


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
    text = read_text(path)
    try:
        account = parse_service_account(find_json(text))
    except (ServiceAccountError, CredentialTextError) as error:
        raise InvalidCredentialFileError(path, str(error)) from None
    return ServiceAccountKey(account, _load_key(path, account.private_key))


def _load_key(path: Path, pem: str) -> rsa.RSAPrivateKey:
    try:
        return read_rsa_key(pem)
    except CredentialTextError as error:
        raise InvalidCredentialFileError(path, f"private_key {error}; download the file again") from None
