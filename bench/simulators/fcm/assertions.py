"""The assertion that a service account signs to get an access token: an RS256 JWT.

RFC 7523; see docs/fcm.md#access-tokens.

A key id may be left out, then the account's only key is meant; scopes may cover other services besides. Like Google,
this gives a token for any of its scopes, and only sending needs one of `MESSAGING_SCOPES`.
"""

import re
from typing import Any, NamedTuple

import jwt
import orjson

from bench.simulators.fcm.service_account import TOKEN_URI, ServiceAccount

LONGEST_LIFETIME_SECONDS = 3600
CLOCK_SKEW_SECONDS = 300
MESSAGING_SCOPES = frozenset(
    (
        "https://www.googleapis.com/auth/firebase.messaging",
        "https://www.googleapis.com/auth/cloud-platform",
    )
)

# What Google's own libraries sign for: each of these is a name of the token endpoint, present or past.
AUDIENCES = frozenset(
    (
        TOKEN_URI,
        "https://accounts.google.com/o/oauth2/token",
        "https://www.googleapis.com/oauth2/v3/token",
        "https://www.googleapis.com/oauth2/v4/token",
    )
)

_SCOPE = re.compile(r"https://www\.googleapis\.com/auth/[a-z0-9._-]+|openid|email|profile")
_COMPACT_FORM = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")


class OAuthFault(NamedTuple):
    """Why there is no token: an HTTP status, and the error of RFC 6749 section 5.2 with words for humans."""

    status: int
    error: str
    description: str


class Grant(NamedTuple):
    """What a good assertion gets a token for."""

    covers_messaging: bool


class AssertionJudge:
    """Judges assertions of one service account."""

    def __init__(self, account: ServiceAccount) -> None:
        self._account = account
        self._signatures = jwt.PyJWS(algorithms=["RS256"])

    def judge(self, assertion: str, own_uri: str, now: float) -> Grant | OAuthFault:
        """Return what an assertion is good for, or why it is refused.

        ``own_uri`` is where the client found the endpoint, another name of it; ``now`` is UNIX time.
        """
        claims = self._find_claims(assertion)
        if claims is None:
            return _invalid_grant("Invalid JWT signature, or a key id that is not the account's")
        fault = self._find_claim_fault(claims, own_uri) or _find_time_fault(claims, now)
        return fault if fault is not None else _judge_scope(claims)

    def _find_claims(self, assertion: str) -> dict[str, Any] | None:
        """Return what is signed when it was signed by the account's key, else None."""
        if not _COMPACT_FORM.fullmatch(assertion):
            return None
        try:
            signed = self._signatures.decode_complete(assertion, self._account.public_key, algorithms=["RS256"])
            claims = orjson.loads(signed["payload"])
        except (jwt.InvalidTokenError, ValueError):
            return None
        header = signed["header"]
        is_of_key = header.get("kid") in {None, self._account.private_key_id} and header.get("typ", "JWT") == "JWT"
        return claims if is_of_key and isinstance(claims, dict) else None

    def _find_claim_fault(self, claims: dict[str, Any], own_uri: str) -> OAuthFault | None:
        if claims.get("iss") != self._account.client_email:
            return _invalid_grant("Invalid grant: account not found")
        if claims.get("sub", self._account.client_email) != self._account.client_email:
            return OAuthFault(401, "unauthorized_client", "The account may act for nobody else: no sub")
        audience = claims.get("aud")
        if not isinstance(audience, str) or audience not in AUDIENCES | {own_uri}:
            return _invalid_grant("Invalid JWT: failed audience check")
        return None


def _find_time_fault(claims: dict[str, Any], now: float) -> OAuthFault | None:
    issued_at, expires_at = _find_number(claims, "iat"), _find_number(claims, "exp")
    if issued_at is None or expires_at is None:
        return _invalid_grant("Invalid JWT: iat and exp must be numbers")
    if not 0 < expires_at - issued_at <= LONGEST_LIFETIME_SECONDS:
        return _invalid_grant("Invalid JWT: at most 60 minutes may lie between iat and exp")
    if issued_at > now + CLOCK_SKEW_SECONDS or expires_at < now - CLOCK_SKEW_SECONDS:
        return _invalid_grant("Invalid JWT: iat and exp are not of a reasonable timeframe")
    return None


def _find_number(claims: dict[str, Any], name: str) -> float | None:
    """Return a NumericDate, which may have a fraction (RFC 7519 section 2)."""
    value = claims.get(name)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _judge_scope(claims: dict[str, Any]) -> Grant | OAuthFault:
    scope = claims.get("scope")
    scopes = scope.split() if isinstance(scope, str) else []
    if not scopes or not all(map(_SCOPE.fullmatch, scopes)):
        return OAuthFault(400, "invalid_scope", "Missing or unknown OAuth scope")
    return Grant(covers_messaging=not MESSAGING_SCOPES.isdisjoint(scopes))


def _invalid_grant(description: str) -> OAuthFault:
    return OAuthFault(400, "invalid_grant", description)
