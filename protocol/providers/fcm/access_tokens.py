"""The exchange of a signed assertion for an access token (docs/fcm.md#access-tokens), short of signing and I/O."""

import re
from typing import Any
from urllib.parse import urlencode

import msgspec

from protocol.providers.fcm.service_account import TOKEN_URI, ServiceAccount
from protocol.refusals import DECODING_ERRORS

SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
GRANT_TYPE = "urn:ietf:params:oauth:grant-type:jwt-bearer"
ASSERTION_LIFETIME_SECONDS = 3600  # the most that Google takes
# Refreshed in the background five minutes before the end, so that no send waits; Google's own library takes 3:45.
REFRESH_AHEAD_SECONDS = 300.0
FORM_HEADERS = ((b"content-type", b"application/x-www-form-urlencoded"),)

_RETRY_STATUSES = frozenset({408, 429, 500, 503, 504})
_RETRY_ERRORS = frozenset({"internal_failure", "server_error", "temporarily_unavailable"})
_WORD = re.compile(r"[a-z][a-z_]{0,63}")
_TOKEN = re.compile(r"[!-~]{1,4096}")


class AccessToken(msgspec.Struct, frozen=True, kw_only=True):
    """A bearer token; moments are UNIX seconds. The token stays out of every repr."""

    token: str
    expires_at_seconds: float

    def __repr__(self) -> str:
        return f"<AccessToken until {self.expires_at_seconds:.0f}>"

    @property
    def authorization(self) -> bytes:
        """The header value."""
        return f"Bearer {self.token}".encode()

    def is_due(self, now_seconds: float) -> bool:
        """Whether it is time to fetch the next one."""
        return now_seconds >= self.expires_at_seconds - REFRESH_AHEAD_SECONDS


class ExchangeFailure(msgspec.Struct, frozen=True, kw_only=True):
    """No token. Without ``can_retry`` the credential is bad: raise an alarm and hold what needs it."""

    can_retry: bool
    error: str | None


def assertion_header(account: ServiceAccount) -> dict[str, str]:
    """Return the header of the JWT to be signed."""
    return {"alg": "RS256", "typ": "JWT", "kid": account.private_key_id}


def assertion_claims(account: ServiceAccount, now_seconds: float) -> dict[str, Any]:
    """Return the claims of the JWT to be signed."""
    issued_at = int(now_seconds)
    return {
        "iss": account.client_email,
        "scope": SCOPE,
        "aud": TOKEN_URI,
        "iat": issued_at,
        "exp": issued_at + ASSERTION_LIFETIME_SECONDS,
    }


def exchange_form(assertion: str) -> bytes:
    """Return the body that exchanges a signed assertion."""
    return urlencode({"grant_type": GRANT_TYPE, "assertion": assertion}).encode()


def read_exchange(status: int, body: bytes, asked_at_seconds: float) -> AccessToken | ExchangeFailure:
    """Return the token of an answer, or why there is none. Never raises.

    ``asked_at_seconds`` is when the request went out: the lifetime can't have begun before it.
    """
    answer = _read_object(body)
    if status == 200:
        return _read_token(answer, asked_at_seconds) or ExchangeFailure(can_retry=True, error=None)
    error = answer.get("error")
    word = error if isinstance(error, str) and _WORD.fullmatch(error) else None
    return ExchangeFailure(can_retry=_can_retry(status, word), error=word)


def _can_retry(status: int, error: str | None) -> bool:
    # Other 5xx, a 502 for one, come from a front end and say nothing of the credential.
    return status in _RETRY_STATUSES or status >= 500 or error in _RETRY_ERRORS


def _read_object(body: bytes) -> dict[str, Any]:
    try:
        answer = msgspec.json.decode(body)
    except DECODING_ERRORS:
        return {}
    return answer if isinstance(answer, dict) else {}


def _read_token(answer: dict[str, Any], asked_at_seconds: float) -> AccessToken | None:
    token, lifetime, kind = answer.get("access_token"), answer.get("expires_in"), answer.get("token_type")
    if not isinstance(token, str) or not _TOKEN.fullmatch(token):
        return None
    if not isinstance(kind, str) or kind.lower() != "bearer":
        return None
    if isinstance(lifetime, bool) or not isinstance(lifetime, int) or not 0 < lifetime <= 24 * 3600:
        return None
    return AccessToken(token=token, expires_at_seconds=asked_at_seconds + lifetime)
