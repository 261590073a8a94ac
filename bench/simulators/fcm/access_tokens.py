"""Access tokens: issued for a time, known until it is over."""

import base64
import random

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
