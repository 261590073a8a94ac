"""Access tokens: exchanged for an assertion (RFC 7523 section 2.1), issued for a time, known until it is over."""

import base64
import random
from urllib.parse import parse_qs

import orjson

from bench.simulators.fcm.assertions import AssertionJudge, Grant, OAuthFault
from bench.simulators.server import Request

TOKEN_SECONDS = 3599
_TOKEN_BYTES = 96


class AccessTokens:
    """The tokens that one simulator gave out. Times are UNIX seconds."""

    def __init__(self, lifetime_seconds: float, source: random.Random) -> None:
        self.lifetime_seconds = lifetime_seconds
        self._random = source
        self._ends: dict[str, float] = {}
        self._narrow: set[str] = set()

    def issue(self, now: float, *, covers_messaging: bool = True) -> str:
        """Return a new token, good for messaging or not; those that are over are forgotten on the way."""
        self._ends = {token: end for token, end in self._ends.items() if end > now}
        token = "ya29.c." + base64.urlsafe_b64encode(self._random.randbytes(_TOKEN_BYTES)).decode("ascii")
        self._ends[token] = now + self.lifetime_seconds
        self._narrow &= self._ends.keys()
        if not covers_messaging:
            self._narrow.add(token)
        return token

    def revoke_all(self) -> None:
        """Forget every token, as when the account's key was replaced."""
        self._ends.clear()
        self._narrow.clear()

    def is_valid(self, authorization: bytes | None, now: float) -> bool:
        """Tell whether an ``authorization`` header carries a token that is not over."""
        token = _find_token(authorization)
        return token is not None and self._ends.get(token, 0.0) > now

    def covers_messaging(self, authorization: bytes | None) -> bool:
        """Tell whether the token of an ``authorization`` header was asked for with a scope that lets it send."""
        return _find_token(authorization) not in self._narrow


def _find_token(authorization: bytes | None) -> str | None:
    scheme, _, token = (authorization or b"").partition(b" ")
    return token.strip().decode("ascii", "replace") if scheme.lower() == b"bearer" else None


GRANT_TYPE = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_FORM = b"application/x-www-form-urlencoded"
_MOST_FORM_FIELDS = 10


class TokenExchange:
    """Exchanges good assertions for tokens."""

    def __init__(self, judge: AssertionJudge, tokens: AccessTokens) -> None:
        self._judge = judge
        self._tokens = tokens

    def judge(self, request: Request, now: float) -> Grant | OAuthFault:
        """Return what a form gets a token for, or why it is refused; ``now`` is UNIX time."""
        form = _read_form(request.headers.get(b"content-type", b""), request.body)
        if form is None or any(len(values) > 1 for values in form.values()):
            return OAuthFault(400, "invalid_request", "The body is no form, or names a field twice")
        if form.get("grant_type") != [GRANT_TYPE]:
            return OAuthFault(400, "unsupported_grant_type", "Invalid grant_type")
        if "assertion" not in form:
            return OAuthFault(400, "invalid_request", "Missing required parameter: assertion")
        own_uri = b"https://" + request.headers.get(b":authority", b"") + request.plain_path
        return self._judge.judge(form["assertion"][0], own_uri.decode("latin-1"), now)

    def issue(self, grant: Grant, now: float) -> bytes:
        """Return the body of a success, with a new token in it."""
        answer = {
            "access_token": self._tokens.issue(now, covers_messaging=grant.covers_messaging),
            "expires_in": int(self._tokens.lifetime_seconds),
            "token_type": "Bearer",
        }
        return orjson.dumps(answer)


def _read_form(content_type: bytes, body: bytes) -> dict[str, list[str]] | None:
    if content_type.partition(b";")[0].strip().lower() != _FORM:
        return None
    try:
        return parse_qs(
            body.decode("ascii"), keep_blank_values=True, strict_parsing=True, max_num_fields=_MOST_FORM_FIELDS
        )
    except ValueError:
        return None
