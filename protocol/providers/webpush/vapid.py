"""VAPID: the signed word by which push services know an application (RFC 8292; docs/web-push.md#vapid-tokens).

Pure: the signature comes from a callable. One token serves all requests under one key to one origin; who keeps it
makes the next one ``RENEW_BEFORE_SECONDS`` before its end, and never twice within ``LEAST_SECONDS_BETWEEN``.
"""

import re
from collections.abc import Callable

import msgspec

from protocol.providers.webpush import base64url

# RFC 8292 allows 24 h, and services refuse a second more: half of it leaves room for any clock.
LIFETIME_SECONDS = 12 * 3600
RENEW_BEFORE_SECONDS = 3600
LEAST_SECONDS_BETWEEN = 3600  # Apple: not refreshed more than once an hour
SIGNATURE_BYTES = 64

_HEADER = base64url.encode(b'{"typ":"JWT","alg":"ES256"}').encode()
_HOST = r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.)+[A-Za-z][A-Za-z0-9-]*"
_SUBJECT = re.compile(
    rf"mailto:[!-;=?A-~]+@(?P<domain>{_HOST})|https://(?P<host>{_HOST})(?::[0-9]{{1,5}})?(?:[/?][!-;=?-~]*)?"
)
_RESERVED_ENDS = (".localhost", ".local", ".localdomain", ".invalid", ".test")


class Claims(msgspec.Struct, frozen=True):
    """What a token says: for which origin, until when (UNIX seconds), and whom to write to."""

    aud: str
    exp: int
    sub: str


def check_subject(subject: str) -> None:
    """Raise ValueError unless Apple and Mozilla would take ``sub``: a mailto: or https: URL of a real domain."""
    found = _SUBJECT.fullmatch(subject)
    if found is None:
        raise ValueError(f"{subject!r} is no subject: write mailto:someone@your.domain or https://your.domain/contact")
    if (found["domain"] or found["host"]).lower().endswith(_RESERVED_ENDS):
        raise ValueError(f"{subject!r} is no subject: push services refuse a domain that is nobody's")


def make_claims(origin: str, subject: str, now_seconds: float) -> Claims:
    """Return what a token made now says; ``origin`` is that of the checked endpoint."""
    return Claims(aud=origin, exp=int(now_seconds) + LIFETIME_SECONDS, sub=subject)


def signing_input(claims: Claims) -> bytes:
    """Return the bytes that ES256 signs (RFC 7515 section 5.1)."""
    return _HEADER + b"." + base64url.encode(msgspec.json.encode(claims)).encode()


def make_token(claims: Claims, sign: Callable[[bytes], bytes]) -> bytes:
    """Return a token; ``sign`` returns r and s, 32 bytes each. Raises ValueError for another form, DER for one."""
    unsigned = signing_input(claims)
    signature = sign(unsigned)
    if len(signature) != SIGNATURE_BYTES:
        raise ValueError(f"an ES256 signature has {SIGNATURE_BYTES} bytes, this one {len(signature)}")
    return unsigned + b"." + base64url.encode(signature).encode()


def authorization(token: bytes, public_key: bytes) -> bytes:
    """Return the value of ``authorization``; ``public_key`` is base64url (RFC 8292 section 3)."""
    return b"vapid t=" + token + b", k=" + public_key
