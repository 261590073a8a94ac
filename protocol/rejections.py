"""How one notification is rejected at the door while the rest of its batch goes on."""

from typing import Self

import msgspec

from protocol.reasons import Reason


class Rejection(msgspec.Struct, frozen=True, kw_only=True):
    """A row that can't be sent. ``field`` is the place inside the notification, ``detail`` never echoes a value."""

    index: int
    id: str | None
    reason: Reason
    field: str | None
    detail: str


class RowError(Exception):
    """What makes one row unsendable; raised where it is found, and turned into a Rejection for its row."""

    def __init__(self, reason: Reason, field: str, detail: str) -> None:
        super().__init__(f"{reason.word} at {field}: {detail}")
        self.reason = reason
        self.field = field
        self.detail = detail

    def again(self) -> Self:
        """Return the same error for another row: one raised twice would drag its first traceback along."""
        return type(self)(self.reason, self.field, self.detail)
