"""How far the named subscriptions of each principal have read, and what may therefore be forgotten. Pure bookkeeping.

A *named* subscription says with each ``ack`` that everything up to there is safe with its owner. What all named ones
have acknowledged is freed. A reader without a name keeps its cursor itself; its ``ack`` asks for more and frees
nothing, so that somebody who only looks on never takes results away from their owner.

Positions live as long as the gateway's process; a new one begins each name at the oldest result that is kept.
"""

# A name that nobody acknowledges any more holds back what the others freed, so names are few and meant to last.
SUBSCRIPTION_LIMIT = 100


class Subscriptions:
    """The acknowledged positions by principal and name."""

    def __init__(self) -> None:
        self._acknowledged: dict[str, dict[str, int]] = {}

    def open(self, principal: str, name: str) -> int | None:
        """Return the position after which the subscription goes on: 0, the oldest kept, when it is new.

        None when the principal has SUBSCRIPTION_LIMIT other names already.
        """
        positions = self._acknowledged.setdefault(principal, {})
        if name not in positions and len(positions) >= SUBSCRIPTION_LIMIT:
            return None
        return positions.setdefault(name, 0)

    def acknowledge(self, principal: str, name: str, position: int) -> int:
        """Note that everything up to ``position`` was read; return the position up to which nobody needs results.

        An acknowledgement that arrives late, behind a further one, changes nothing.
        """
        positions = self._acknowledged[principal]
        positions[name] = max(positions[name], position)
        return min(positions.values())
