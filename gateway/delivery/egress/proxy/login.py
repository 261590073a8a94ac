"""User and password for a proxy, from a file, as Basic authentication has them (RFC 7617)."""

from base64 import b64encode
from pathlib import Path

from gateway.delivery.credentials.errors import InvalidCredentialFileError, read_credential_file


class Login:
    """The value of ``proxy-authorization``. Neither ``repr`` nor any error shows user or password."""

    def __init__(self, user_and_password: bytes) -> None:
        self.authorization = b"Basic " + b64encode(user_and_password)

    def __repr__(self) -> str:
        return "<Login>"


def load_login(path: Path) -> Login:
    """Return the login in a file: one line ``user:password`` in UTF-8. Raises InvalidCredentialFileError."""
    line = read_credential_file(path).removesuffix(b"\n").removesuffix(b"\r")
    user, colon, password = line.partition(b":")
    try:
        is_text = all(character.isprintable() for character in line.decode())
    except UnicodeDecodeError:
        is_text = False
    if not (user and colon and password and is_text):
        raise InvalidCredentialFileError(path, "expected one line user:password")
    return Login(line)
