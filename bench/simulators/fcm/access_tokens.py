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

    def issue(self, now: float) -> str:
        """Return a new token; those that are over are forgotten on the way."""
        self._ends = {token: end for token, end in self._ends.items() if end > now}
        token = "ya29.c." + base64.urlsafe_b64encode(self._random.randbytes(_TOKEN_BYTES)).decode("ascii")
        self._ends[token] = now + self.lifetime_seconds
        return token

    def revoke_all(self) -> None:
        """Forget every token, as when the account's key was replaced."""
        self._ends.clear()

    def is_valid(self, authorization: bytes | None, now: float) -> bool:
        """Tell whether an ``authorization`` header carries a token that is not over."""
        scheme, _, token = (authorization or b"").partition(b" ")
        return scheme.lower() == b"bearer" and self._ends.get(token.decode("ascii", "replace"), 0.0) > now
