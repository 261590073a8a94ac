"""VAPID as a push service checks it: the form of the header, the signature, and the claims (RFC 8292).

A token string is taken apart and verified once and remembered; what depends on the moment or on the place (``exp``,
``aud``, the subscription's key, what the service wants of ``sub``) is judged at each use. Where the RFC leaves a choice
the strictest service was followed: ``exp`` is an integer (autopush), both token and key are well-formed before anything
else is said about them. How often tokens are renewed is counted: Apple asks for at most one an hour.
"""

import re
from collections import Counter
from enum import IntEnum
from typing import Any

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from bench.simulators.webpush import base64url
from bench.simulators.webpush.faults import Fault

LONGEST_LIFETIME_SECONDS = 24 * 3600
_POINT_BYTES = 65
_SIGNATURE_BYTES = 64
_REMEMBERED_TOKENS = 10_000

# The parameters of the scheme in either order (RFC 9110 section 11.4), without quotes: both are base64url and dots.
_AUTHORIZATION = re.compile(
    r"(?i:vapid) +(?:t=([\w.-]+)[ \t]*,[ \t]*k=([\w.-]+)|k=([\w.-]+)[ \t]*,[ \t]*t=([\w.-]+))", re.ASCII
)
_HOST = r"(?:[A-Za-z0-9-]+\.)+[A-Za-z][A-Za-z0-9-]*"
_SUBJECT = re.compile(rf"mailto:[^\s<>@]+@({_HOST})|https://({_HOST})(?::\d+)?(?:[/?#][^\s<>]*)?", re.ASCII)
# Nobody can be reached there: RFC 6761. Apple was seen to refuse the first two.
_NOWHERE = (".localhost", ".invalid", ".test")


class Subject(IntEnum):
    """How much the ``sub`` of a token says about its sender."""

    ABSENT = 0
    PRESENT = 1
    """A mailto: or https: URL."""
    REACHABLE = 2
    """One that somebody could be reached at."""


class VerifiedToken(msgspec.Struct, frozen=True):
    """A token whose form and signature are right."""

    public_key: bytes
    audience: str
    expires_at: int
    """UNIX time in seconds."""
    subject: Subject = Subject.REACHABLE


class TokenJudge:
    """Judges the ``authorization`` header of requests to any origin."""

    def __init__(self) -> None:
        self._judged: dict[bytes, VerifiedToken | Fault] = {}

    def judge(
        self, authorization: bytes | None, *, origin: str, now: float, least_subject: Subject = Subject.REACHABLE
    ) -> VerifiedToken | Fault:
        """Return the token, good for this origin at this UNIX time, or what is wrong with it."""
        if authorization is None:
            return Fault.AUTHORIZATION_MISSING
        token = self._find_judged(authorization)
        if isinstance(token, Fault):
            return token
        if token.subject < least_subject:
            return Fault.JWT_SUBJECT
        if token.audience != origin:
            return Fault.JWT_AUDIENCE
        if token.expires_at <= now:
            return Fault.JWT_EXPIRED
        return Fault.JWT_LIFETIME if token.expires_at > now + LONGEST_LIFETIME_SECONDS else token

    def _find_judged(self, authorization: bytes) -> VerifiedToken | Fault:
        try:
            return self._judged[authorization]
        except KeyError:
            pass
        if len(self._judged) >= _REMEMBERED_TOKENS:
            self._judged.clear()
        judged = self._judged[authorization] = _verify(authorization)
        return judged


def _verify(authorization: bytes) -> VerifiedToken | Fault:
    parameters = _AUTHORIZATION.fullmatch(authorization.decode("latin-1"))
    if parameters is None:
        return Fault.AUTHORIZATION_FORM
    token, key = parameters[1] or parameters[4], parameters[2] or parameters[3]
    public_key = _read_point(key)
    if public_key is None:
        return Fault.VAPID_KEY_FORM
    parts = token.split(".")
    if len(parts) != 3 or not _is_es256(_read_object(parts[0])):
        return Fault.JWT_FORM
    if not _is_signed(parts, public_key):
        return Fault.JWT_SIGNATURE
    return _judge_claims(_read_object(parts[1]), _point_of(public_key))


def _judge_claims(claims: dict[str, Any] | None, public_key: bytes) -> VerifiedToken | Fault:
    """Judge what neither time nor place change."""
    if claims is None:
        return Fault.JWT_FORM
    audience, expires_at = claims.get("aud"), claims.get("exp")
    if not isinstance(audience, str):
        return Fault.JWT_AUDIENCE
    if type(expires_at) is not int:
        return Fault.JWT_EXPIRY_FORM
    return VerifiedToken(public_key, audience, expires_at, _judge_subject(claims.get("sub")))


def _is_es256(header: dict[str, Any] | None) -> bool:
    """Whether a JOSE header is of the one kind there is (RFC 8292 section 2); RFC 7519 lets ``typ`` be left out."""
    return header is not None and header.get("typ", "JWT") == "JWT" and header.get("alg") == "ES256"


def _is_signed(parts: list[str], public_key: ec.EllipticCurvePublicKey) -> bool:
    """Verify r and s, 32 bytes each and nothing around them (RFC 7518 section 3.4)."""
    signature = base64url.find_decoded(parts[2])
    if signature is None or len(signature) != _SIGNATURE_BYTES:
        return False
    half = _SIGNATURE_BYTES // 2
    numbers = int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big")
    try:
        public_key.verify(encode_dss_signature(*numbers), f"{parts[0]}.{parts[1]}".encode(), ec.ECDSA(SHA256()))
    except InvalidSignature:
        return False
    return True


def _read_point(text: str) -> ec.EllipticCurvePublicKey | None:
    point = base64url.find_decoded(text)
    if point is None or len(point) != _POINT_BYTES or point[0] != 4:
        return None
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    except ValueError:
        return None


def _point_of(public_key: ec.EllipticCurvePublicKey) -> bytes:
    return public_key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def _read_object(text: str) -> dict[str, Any] | None:
    data = base64url.find_decoded(text)
    if data is None:
        return None
    try:
        value = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _judge_subject(subject: object) -> Subject:
    if not isinstance(subject, str) or not subject.startswith(("mailto:", "https:")):
        return Subject.ABSENT
    found = _SUBJECT.fullmatch(subject)
    can_be_reached = found is not None and not (found[1] or found[2]).lower().endswith(_NOWHERE)
    return Subject.REACHABLE if can_be_reached else Subject.PRESENT


LEAST_SECONDS_BETWEEN = 3600


class TokenUse:
    """The tokens that were good for something, by VAPID key and origin."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], set[bytes]] = {}
        self._renewed_at: dict[tuple[str, str], float] = {}
        self._early: Counter[str] = Counter()

    def add(self, authorization: bytes, *, key_id: str, origin: str, now: float) -> None:
        """Take note of a request that a token was good for, at a UNIX time; ``origin`` by name."""
        place = key_id, origin
        seen = self._seen.setdefault(place, set())
        if authorization in seen:
            return
        if now - self._renewed_at.get(place, float("-inf")) < LEAST_SECONDS_BETWEEN:
            self._early[origin] += 1
        seen.add(authorization)
        self._renewed_at[place] = now

    def count(self) -> dict[str, int]:
        """Return how many different tokens there were under each ``key id@origin``."""
        return {f"{key_id}@{origin}": len(seen) for (key_id, origin), seen in self._seen.items()}

    def count_early(self) -> dict[str, int]:
        """Return for each origin how many tokens came less than an hour after the one before them."""
        return dict(self._early)
