"""Provider tokens: ES256 JWTs, their age, how often they change, and the binding of a connection.

The rules are those of docs/apns.md#provider-tokens:

- ``iat`` lies within an hour of now on either side; a later one is InvalidProviderToken, because a fresh token of the
  same clock would not be better.
- The signature is r and s of 32 bytes each, as RFC 7518 section 3.4 has it, or their DER form: Apple was seen to take
  both (APNSwift issue 36, CupertinoJWT pull request 7).

Where Apple is silent the stricter reading was taken:

- A key's token may be replaced once in 20 minutes. A further one is TooManyProviderTokenUpdates and does not replace
  the current one, which goes on working; the first token of a key is no replacement.
- What makes a token new is its string; with ``updates_by="iat"`` only its time of issue.
"""

import base64
import binascii
import re
from collections.abc import Iterable
from typing import Literal

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from jwt.types import Options

from bench.simulators.apns.credentials import ProviderKey
from bench.simulators.apns.options import Environment

OLDEST_TOKEN_SECONDS = 3600
FURTHEST_AHEAD_SECONDS = 3600
UPDATE_INTERVAL_SECONDS = 1200
_REMEMBERED_TOKENS = 10_000
_NUMBER_BYTES = 32

# Three segments of base64url without padding.
_COMPACT_FORM = re.compile(rb"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_DECODE_OPTIONS: Options = {"verify_signature": True, "verify_iat": False, "verify_exp": False, "verify_aud": False}


class VerifiedToken(msgspec.Struct, frozen=True):
    """A token whose signature, key and team are right; its age is judged at each use."""

    key: ProviderKey
    identity: str
    issued_at: int


class ConnectionBinding:
    """What the first accepted push tied a connection to."""

    __slots__ = ("key",)

    def __init__(self) -> None:
        self.key: ProviderKey | None = None


class _TokenUpdates:
    """The tokens one key has been used with."""

    __slots__ = ("identities", "replaced_at")

    def __init__(self, identity: str) -> None:
        self.identities = {identity}
        self.replaced_at = float("-inf")

    def admits(self, identity: str, now: float) -> bool:
        """Take a token; False when it would be the second replacement in 20 minutes."""
        if identity in self.identities:
            return True
        if now - self.replaced_at < UPDATE_INTERVAL_SECONDS:
            return False
        self.identities.add(identity)
        self.replaced_at = now
        return True


class TokenJudge:
    """Judges the ``authorization`` header; a token string is verified once and remembered."""

    def __init__(
        self, keys: Iterable[ProviderKey], environment: Environment, updates_by: Literal["string", "iat"] = "string"
    ) -> None:
        self._keys = {key.options.key_id: key for key in keys}
        self._environment = environment
        self._updates_by = updates_by
        self._verified: dict[bytes, VerifiedToken | None] = {}
        self._updates: dict[tuple[str, str], _TokenUpdates] = {}

    def find_fault(self, authorization: bytes | None, binding: ConnectionBinding, now: float) -> str | None:
        """Return the reason to refuse the request, or None; ``now`` is UNIX time. A good token binds the connection."""
        if authorization is None:
            return "MissingProviderToken"
        token = self._find_verified(authorization)
        if token is None:
            return "InvalidProviderToken"
        fault = self._find_age_fault(token, now) or self._find_binding_fault(token.key, binding)
        if fault is None and not self._admits_update(token, now):
            fault = "TooManyProviderTokenUpdates"
        if fault is None:
            binding.key = token.key
        return fault

    def _find_verified(self, authorization: bytes) -> VerifiedToken | None:
        try:
            return self._verified[authorization]
        except KeyError:
            pass
        if len(self._verified) >= _REMEMBERED_TOKENS:
            self._verified.clear()
        token = self._verified[authorization] = self._verify(authorization)
        return token

    def _verify(self, authorization: bytes) -> VerifiedToken | None:
        scheme, _, token = authorization.partition(b" ")
        if scheme.lower() != b"bearer" or not _COMPACT_FORM.fullmatch(token):
            return None
        try:
            key = self._keys.get(str(jwt.get_unverified_header(token).get("kid")))
            if key is None:
                return None
            claims = jwt.decode(
                _with_raw_signature(token), key.public_key, algorithms=["ES256"], options=_DECODE_OPTIONS
            )
        except (jwt.InvalidTokenError, binascii.Error, ValueError, OverflowError):
            return None
        issued_at = claims.get("iat")
        if claims.get("iss") != key.options.team_id or type(issued_at) is not int:
            return None
        return VerifiedToken(key, str(issued_at) if self._updates_by == "iat" else token.decode("ascii"), issued_at)

    def _find_age_fault(self, token: VerifiedToken, now: float) -> str | None:
        if now - token.issued_at > OLDEST_TOKEN_SECONDS:
            return "ExpiredProviderToken"
        if token.issued_at - now > FURTHEST_AHEAD_SECONDS:
            return "InvalidProviderToken"
        return None

    def _find_binding_fault(self, key: ProviderKey, binding: ConnectionBinding) -> str | None:
        if self._environment not in key.options.environments:
            return "BadEnvironmentKeyIdInToken"
        if binding.key is None or binding.key is key:
            return None
        return "Forbidden" if binding.key.options.team_id != key.options.team_id else "UnrelatedKeyIdInToken"

    def _admits_update(self, token: VerifiedToken, now: float) -> bool:
        name = (token.key.options.team_id, token.key.options.key_id)
        updates = self._updates.get(name)
        if updates is None:
            self._updates[name] = _TokenUpdates(token.identity)
            return True
        return updates.admits(token.identity, now)


def _with_raw_signature(token: bytes) -> bytes:
    """Return a compact JWT with r and s for its signature where it had their DER form. ValueError for neither."""
    signed, _, text = token.rpartition(b".")
    signature = base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4))
    if len(signature) == 2 * _NUMBER_BYTES:
        return token
    raw = b"".join(number.to_bytes(_NUMBER_BYTES, "big") for number in decode_dss_signature(signature))
    return signed + b"." + base64.urlsafe_b64encode(raw).rstrip(b"=")
