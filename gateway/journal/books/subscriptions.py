"""How far the named subscriptions of each principal have read, and what may therefore be forgotten. Pure bookkeeping.

A *named* subscription says with each acknowledgement that everything up to there is safe with its owner. What all named
ones have acknowledged is freed. A reader without a name keeps its cursor itself and frees nothing, so that somebody who
only looks on never takes results away from their owner.
"""

# A name that nobody acknowledges any more holds back what the others freed, so names are few and meant to last.
SUBSCRIPTION_LIMIT = 100


class Subscriptions:
    """The acknowledged positions by principal and name."""

    def __init__(self) -> None:
        self._acknowledged: dict[str, dict[str, int]] = {}

    def find(self, principal: str, name: str) -> int | None:
        """Return what a subscription acknowledged, None when there is none of this name."""
        return self._acknowledged.get(principal, {}).get(name)

    def has_room(self, principal: str) -> bool:
        """Whether a principal may have one more."""
        return len(self._acknowledged.get(principal, {})) < SUBSCRIPTION_LIMIT

    def put(self, principal: str, name: str, position: int) -> None:
        """Keep a subscription that has acknowledged so much; 0: nothing yet."""
        self._acknowledged.setdefault(principal, {})[name] = position

    def acknowledge(self, principal: str, name: str, position: int) -> int:
        """Note that everything up to ``position`` was read; return the position up to which nobody needs results.

        An acknowledgement that arrives late, behind a further one, changes nothing. Raises KeyError.
        """
        positions = self._acknowledged[principal]
        positions[name] = max(positions[name], position)
        return min(positions.values())

    def find_unneeded(self) -> dict[str, int]:
        """Return by principal the position up to which nobody needs results."""
        return {principal: min(names.values()) for principal, names in self._acknowledged.items() if names}

    def drop(self, principal: str, name: str) -> int | None:
        """Forget a subscription; return what the others have acknowledged, None when there are none or was none."""
        positions = self._acknowledged.get(principal, {})
        if positions.pop(name, None) is None:
            return None
        return min(positions.values(), default=None)
