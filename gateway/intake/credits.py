"""Credits: how much a connection may have unanswered, in notifications and in bytes. Pure bookkeeping.

A batch costs its notifications (those that will be rejected too) and the bytes of its frame without the length
prefix. The caller keeps the same ledger: both sides take the cost when a batch is sent and give it back with its one
answer, so a caller that counts right is never refused, and one that reads nothing stops only itself.
"""

import msgspec


class Cost(msgspec.Struct, frozen=True):
    """What one batch holds of its connection's credits until it is answered."""

    notifications: int
    bytes: int


class CreditLedger:
    """The credits of one connection."""

    __slots__ = ("_bytes_limit", "_bytes_spent", "_notifications_limit", "_notifications_spent")

    def __init__(self, notifications: int, size_bytes: int) -> None:
        self._notifications_limit = notifications
        self._bytes_limit = size_bytes
        self._notifications_spent = 0
        self._bytes_spent = 0

    def take(self, cost: Cost) -> bool:
        """Spend the cost of a batch; False, and nothing is spent, where either credit does not suffice."""
        notifications = self._notifications_spent + cost.notifications
        size_bytes = self._bytes_spent + cost.bytes
        if notifications > self._notifications_limit or size_bytes > self._bytes_limit:
            return False
        self._notifications_spent = notifications
        self._bytes_spent = size_bytes
        return True

    def give_back(self, cost: Cost) -> None:
        """Return what :meth:`take` spent. Raises ValueError where more comes back than is out: a bug of ours."""
        if cost.notifications > self._notifications_spent or cost.bytes > self._bytes_spent:
            raise ValueError("more credits were given back than were spent")
        self._notifications_spent -= cost.notifications
        self._bytes_spent -= cost.bytes

    @property
    def available(self) -> Cost:
        """What may be sent now."""
        return Cost(self._notifications_limit - self._notifications_spent, self._bytes_limit - self._bytes_spent)

    def __repr__(self) -> str:
        return (
            f"<CreditLedger {self._notifications_spent}/{self._notifications_limit} notifications, "
            f"{self._bytes_spent}/{self._bytes_limit} bytes spent>"
        )
