"""JSON credentials that have been through a shell, a variable or a form: read where nothing has to be guessed."""

import json
from binascii import a2b_base64

from gateway.delivery.credentials.files.texts import CredentialTextError


def find_json(text: str) -> bytes:
    """Return the JSON object of a text, without quotes around it and its strings as JSON wants them.

    What is no JSON at all is returned as it is, for its reader to refuse. Raises CredentialTextError for what it is
    instead.
    """
    bare = text.strip()
    if bare[:1] == bare[-1:] == "'":
        bare = bare[1:-1].strip()
    for candidate in (bare, f'"{bare}"'):  # the second: escaped as a string is, the quotes lost
        value = _read(candidate)
        if isinstance(value, str):
            value = _read(value)
        if value is not None and not isinstance(value, str):
            return json.dumps(value).encode()
    if "-----BEGIN" in bare and not bare.startswith("{"):
        raise CredentialTextError("holds a key or certificate in PEM form, not JSON")
    if _is_base64_of_json(bare):
        raise CredentialTextError("is base64 of JSON: `base64 --decode FILE` gives the file itself")
    return bare.encode()


def _read(text: str) -> object:
    try:
        return json.loads(text, strict=False)  # line breaks inside strings, as a variable in a shell leaves them
    except (ValueError, RecursionError):
        return None


def _is_base64_of_json(text: str) -> bool:
    try:
        return a2b_base64("".join(text.split())).lstrip().startswith(b"{")
    except ValueError:
        return False
