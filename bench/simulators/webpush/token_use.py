"""How often tokens were renewed: services keep the verified ones, and Apple asks for at most one an hour."""

from collections import Counter

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
