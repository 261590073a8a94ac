"""APNs provider tokens: when to make a new one, and above all when not to (docs/apns.md#provider-tokens).

Apple refuses a token an hour after its ``iat`` and a key that changes its token more than once in 20 minutes. So:

- ``iat`` is the last half hour on the clock, and the signature is the one that RFC 6979 derives from key and message:
  all processes with one key make the same token, byte for byte, without talking. With random signatures a second
  gateway, or one that was restarted, would count as one that changes its token all the time.
- A new token is made when the half hour has changed. That an old process and a young one change at the same moment
  matters more than how long one of them has had its token: Apple sees the key's tokens, not our processes.
- One object for each (team, key), whatever the environment, shared by all its sessions. Signing takes some 50 µs and
  happens inline, so two tasks can't both sign.
- An answer never makes us sign except ``ExpiredProviderToken``, and that only when our token is 20 minutes old: a
  younger one that has expired means that a clock is wrong, and more tokens would not set it right.
"""

from gateway.delivery.credentials.signing_key import SigningKey
from gateway.delivery.credentials.token_signature import sign_token

GRID_SECONDS = 1800
LEAST_SECONDS_BETWEEN = 1200
OLDEST_SECONDS = 3540  # a minute before Apple's hour, for requests on their way
# Answers to requests that carried the token before a renewal still arrive for as long as a stream may take, and more.
STRAGGLERS_SECONDS = 60


class ProviderTokenSource:
    """Gives the authorization header of one (team, key). Times are UNIX seconds, handed in by the caller."""

    def __init__(self, team_id: str, key: SigningKey) -> None:
        self._team_id = team_id
        self.key = key
        self._authorization = b""
        self._issued_at = 0
        self._renewed_at: float | None = None
        self._keep_until = 0.0
        self.generation = 0

    def __repr__(self) -> str:
        return f"<ProviderTokenSource team {self._team_id}, key {self.key.key_id}, generation {self.generation}>"

    def current(self, now: float) -> bytes:
        """Return the value of ``authorization``, the same object until a new token is due."""
        if self._is_due(now):
            self._sign(_on_grid(now))
        return self._authorization

    def take_key(self, key: SigningKey) -> bool:
        """Sign with this key from now on; return whether it is another one, as only then a new token may be made."""
        if key.public_bytes == self.key.public_bytes:
            return False
        self.key = key
        self._authorization = b""
        self._issued_at = 0
        self._renewed_at = None
        self._keep_until = 0.0
        return True

    def on_expired(self, now: float) -> bool:
        """Be told ``ExpiredProviderToken``; return whether to repeat the request with :meth:`current`.

        False means that our token is young: the clock is wrong, here or there, and an operator must hear of it.
        """
        if self._renewed_at is not None and 0 <= now - self._renewed_at < STRAGGLERS_SECONDS:
            return True
        if not self._authorization or not self._may_replace(now):
            return False
        # Not on the grid: its half hour may be the very one that was refused.
        self._sign(int(now))
        self._renewed_at = now
        return True

    def on_too_many_updates(self, now: float) -> float:
        """Be told ``TooManyProviderTokenUpdates``; return until when the token now is kept."""
        self._keep_until = now + LEAST_SECONDS_BETWEEN
        return self._keep_until

    def _is_due(self, now: float) -> bool:
        if not self._authorization or now - self._issued_at >= OLDEST_SECONDS:
            return True
        return _on_grid(now) != _on_grid(self._issued_at) and self._may_replace(now)

    def _may_replace(self, now: float) -> bool:
        # The distance, not the difference: a clock set back by hours must not hold an old token for hours.
        return abs(now - self._issued_at) >= LEAST_SECONDS_BETWEEN and now >= self._keep_until

    def _sign(self, issued_at: int) -> None:
        claims: dict[str, str | int] = {"iss": self._team_id, "iat": issued_at}
        self._authorization = b"bearer " + sign_token(self.key.key_id, self.key.private_key, claims)
        self._issued_at = issued_at
        self.generation += 1


def _on_grid(now: float) -> int:
    return int(now) - int(now) % GRID_SECONDS
