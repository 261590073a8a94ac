"""Service-account files as a project's console gives them out, with a key of our own."""

from functools import cache
from pathlib import Path

import orjson
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

CLIENT_EMAIL = "push@shop-1.iam.gserviceaccount.com"
KEY_ID = "0123456789abcdef"


@cache
def account_key() -> rsa.RSAPrivateKey:
    """Return the one key of all accounts: making one takes a while."""
    return rsa.generate_private_key(65537, 2048)


def account_pem(key: PrivateKeyTypes | None = None) -> str:
    """Return a private key as it stands in a file."""
    return (key or account_key()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def write_service_account(path: Path, **fields: str) -> Path:
    """Write a file in which ``fields`` replace the usual ones."""
    usual = {
        "type": "service_account",
        "project_id": "shop-1",
        "private_key_id": KEY_ID,
        "private_key": account_pem(),
        "client_email": CLIENT_EMAIL,
        "token_uri": "https://oauth2.googleapis.com/token",
    }
    path.write_bytes(orjson.dumps(usual | fields))
    return path
