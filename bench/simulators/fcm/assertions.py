"""The assertion that a service account signs to get an access token: an RS256 JWT (RFC 7523, fcm.md section 2).

Stricter than Google on purpose: the header must name the key, and ``iat`` and ``exp`` must be whole numbers.
"""

import re
from typing import Any, NamedTuple

import jwt
import orjson

from bench.simulators.fcm.service_account import TOKEN_URI, ServiceAccount

LONGEST_LIFETIME_SECONDS = 3600
CLOCK_SKEW_SECONDS = 300
SCOPES = frozenset(
    (
        "https://www.googleapis.com/auth/firebase.messaging",
        "https://www.googleapis.com/auth/cloud-platform",
    )
)

_COMPACT_FORM = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")


class OAuthFault(NamedTuple):
    """Why there is no token: an HTTP status, and the error of RFC 6749 section 5.2 with words for humans."""

    status: int
    error: str
    description: str


class AssertionJudge:
    """Judges assertions of one service account."""

    def __init__(self, account: ServiceAccount) -> None:
        self._account = account
        self._signatures = jwt.PyJWS(algorithms=["RS256"])

    def find_fault(self, assertion: str, now: float) -> OAuthFault | None:
        """Return why an assertion is refused, or None; ``now`` is UNIX time."""
        claims = self._find_claims(assertion)
        if claims is None:
            return _invalid_grant("Invalid JWT signature, or a key id that is not the account's")
        return self._find_claim_fault(claims) or _find_time_fault(claims, now) or _find_scope_fault(claims)

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
        is_of_key = header.get("kid") == self._account.private_key_id and header.get("typ", "JWT") == "JWT"
        return claims if is_of_key and isinstance(claims, dict) else None

    def _find_claim_fault(self, claims: dict[str, Any]) -> OAuthFault | None:
        if claims.get("iss") != self._account.client_email:
            return _invalid_grant("Invalid grant: account not found")
        if "sub" in claims:
            return OAuthFault(401, "unauthorized_client", "The account may act for nobody else: no sub")
        if claims.get("aud") != TOKEN_URI:
            return _invalid_grant("Invalid JWT: failed audience check")
        return None


def _find_time_fault(claims: dict[str, Any], now: float) -> OAuthFault | None:
    issued_at, expires_at = claims.get("iat"), claims.get("exp")
    if type(issued_at) is not int or type(expires_at) is not int:
        return _invalid_grant("Invalid JWT: iat and exp must be whole numbers")
    if not 0 < expires_at - issued_at <= LONGEST_LIFETIME_SECONDS:
        return _invalid_grant("Invalid JWT: at most 60 minutes may lie between iat and exp")
    if issued_at > now + CLOCK_SKEW_SECONDS or expires_at < now - CLOCK_SKEW_SECONDS:
        return _invalid_grant("Invalid JWT: iat and exp are not of a reasonable timeframe")
    return None


def _find_scope_fault(claims: dict[str, Any]) -> OAuthFault | None:
    scope = claims.get("scope")
    scopes = scope.split(" ") if isinstance(scope, str) else []
    if not scopes or not SCOPES.issuperset(scopes):
        return OAuthFault(400, "invalid_scope", "Missing or unknown OAuth scope")
    return None


def _invalid_grant(description: str) -> OAuthFault:
    return OAuthFault(400, "invalid_grant", description)
