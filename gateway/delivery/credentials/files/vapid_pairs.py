"""VAPID keys in the forms that web-push tools print: PEM, JSON, or the two keys in base64url with words around them.

The private key is the 32 bytes of its number, the public one the 65 bytes of its point (RFC 8292 section 3.2). What
stands around them differs from tool to tool (`web-push generate-vapid-keys` prints headings or JSON, Firebase's console
two fields, others a JWK or variables), and the lengths tell the two apart in all of them.
"""

import json
import re
from collections.abc import Iterator

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.delivery.credentials.files.pem import find_der
from gateway.delivery.credentials.files.private_keys import read_p256_key
from gateway.delivery.credentials.files.texts import CredentialTextError, decode_text, is_der
from protocol.providers.webpush import base64url

PRIVATE_BYTES = 32
POINT_BYTES = 65
_WORD = re.compile(r"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{40,}={0,2}(?![A-Za-z0-9+/_=-])")


def read_vapid_pair(contents: bytes) -> ec.EllipticCurvePrivateKey:
    """Return the private key of a pair. Raises CredentialTextError, also where the public key isn't its own."""
    if is_der(contents):
        return read_p256_key(contents)
    text = decode_text(contents)
    if ("-----BEGIN" in text and not text.startswith("{")) or find_der(text):
        return read_p256_key(contents)
    found = set(_find_raw(text))
    privates = {raw for raw in found if len(raw) == PRIVATE_BYTES}
    publics = {raw for raw in found if len(raw) == POINT_BYTES and raw[0] == 4}
    if len(privates) > 1 or len(publics) > 1:
        raise CredentialTextError("holds several keys: write each pair to a file of its own")
    if not privates:
        if publics:
            raise CredentialTextError("holds a public key; the private one is needed")
        return read_p256_key(contents)
    key = _derive(privates.pop())
    if publics and publics.pop() != _public_bytes(key):
        raise CredentialTextError("holds a public key that doesn't belong to the private one")
    return key


def _find_raw(text: str) -> Iterator[bytes]:
    """Yield what the words of a text are the base64url of."""
    for word in _find_jwk(text) or _WORD.findall(text):
        try:
            yield base64url.decode(word)
        except ValueError:
            continue


def _find_jwk(text: str) -> list[str]:
    """Return the words of a JSON Web Key (RFC 7518 section 6.2), whose public half is in two parts; none if it is none.

    The point is put together here, for its halves are as long as a private key.
    """
    try:
        value = json.loads(text)
    except ValueError:
        return []
    if not (isinstance(value, dict) and isinstance(value.get("d"), str) and value.get("kty") == "EC"):
        return []
    try:
        point = b"\x04" + base64url.decode(value["x"]) + base64url.decode(value["y"])
    except (KeyError, ValueError, AttributeError):
        return [value["d"]]
    return [value["d"], base64url.encode(point)]


def _derive(number: bytes) -> ec.EllipticCurvePrivateKey:
    try:
        return ec.derive_private_key(int.from_bytes(number, "big"), ec.SECP256R1())
    except ValueError:
        raise CredentialTextError("holds 32 bytes that are no private key of P-256") from None


def _public_bytes(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
