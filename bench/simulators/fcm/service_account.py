"""A throwaway service account: an RSA key, and the JSON file that Google's console would have given out for it."""

import secrets
from pathlib import Path

import msgspec
import orjson
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from bench.simulators.server import Authority

# What every real file says, wherever it is used. A gateway has to reach the simulator by a setting of its own.
TOKEN_URI = "https://oauth2.googleapis.com/token"  # noqa: S105 - no password

_KEY_BITS = 2048


class ServiceAccount(msgspec.Struct, frozen=True):
    """A service account as Google knows it, with the file that holds its private half."""

    project_id: str
    client_email: str
    private_key_id: str
    public_key: rsa.RSAPublicKey
    file: Path


def make_service_account(project_id: str, authority: Authority) -> ServiceAccount:
    """Make an account of a project; its file is going to be in the authority's folder."""
    private_key = rsa.generate_private_key(public_exponent=65_537, key_size=_KEY_BITS)
    account = ServiceAccount(
        project_id=project_id,
        client_email=f"pushmill@{project_id}.iam.gserviceaccount.com",
        private_key_id=secrets.token_hex(20),
        public_key=private_key.public_key(),
        file=authority.directory / "service-account.json",
    )
    authority.add_file(account.file.name, _file_content(account, private_key))
    return account


def _file_content(account: ServiceAccount, private_key: rsa.RSAPrivateKey) -> bytes:
    pem = private_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    content = {
        "type": "service_account",
        "project_id": account.project_id,
        "private_key_id": account.private_key_id,
        "private_key": pem.decode("ascii"),
        "client_email": account.client_email,
        "client_id": str(10**20 + secrets.randbelow(10**20)),
        "auth_uri": "https://accounts.google.com/o/oauth2/auth",
        "token_uri": TOKEN_URI,
        "auth_provider_x509_cert_url": "https://www.googleapis.com/oauth2/v1/certs",
        "universe_domain": "googleapis.com",
    }
    return orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
