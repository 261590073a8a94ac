"""What the OAuth endpoint answers to the form that carries an assertion (RFC 7523 section 2.1)."""

from urllib.parse import parse_qs

import orjson

from bench.simulators.fcm.access_tokens import AccessTokens
from bench.simulators.fcm.assertions import AssertionJudge, Grant, OAuthFault
from bench.simulators.server import Request

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
