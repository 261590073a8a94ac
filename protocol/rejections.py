"""How one notification is rejected at the door while the rest of its batch goes on."""

from typing import Self

import msgspec

from protocol.outcomes import Advice
from protocol.reasons import Reason

_ADVICE = {
    Reason.DEAD_TOKEN: Advice.DELETE_PENDING,  # the destination says so itself, and the dead tokens tell of it
    Reason.INVALID_TOKEN: Advice.FIX_TARGET,
    Reason.WRONG_ENVIRONMENT: Advice.CHECK_ENVIRONMENT,
    Reason.WRONG_APP: Advice.FIX_TARGET,
    Reason.ENDPOINT_NOT_ALLOWED: Advice.FIX_TARGET,
    Reason.SUBSCRIPTION_KEY_MISMATCH: Advice.FIX_TARGET,
    Reason.EXPIRED: Advice.NONE,
}


class DeadDestination(msgspec.Struct, frozen=True, kw_only=True):
    """A destination that is told at the door to be gone for good, as its caller writes it.

    ``since_ms`` (UNIX milliseconds) is the word that told it; None: it says no time.
    """

    provider: str
    destination: str
    since_ms: int | None = None


class Rejection(msgspec.Struct, frozen=True, kw_only=True):
    """A row that can't be sent. ``field`` is the place inside the notification, ``detail`` never echoes a value."""

    index: int
    id: str | None
    reason: Reason
    field: str | None
    detail: str
    dead: DeadDestination | None = None

    @property
    def advice(self) -> Advice:
        """What the caller should do, in the words of results: it follows from the reason and the place."""
        return advise(self.reason, self.field)


def advise(reason: Reason, field: str | None) -> Advice:
    """Return what the caller of a rejected row should do: mend where it goes, what it says, or the app's settings."""
    advice = _ADVICE.get(reason)
    if advice is not None:
        return advice
    if field is None or not (field == "to" or field.startswith("to.")):
        return Advice.FIX_PAYLOAD
    if reason is Reason.NOT_SUPPORTED:  # the app has no credentials for the provider
        return Advice.FIX_CREDENTIALS
    return Advice.CHECK_ENVIRONMENT if field == "to.apns.environment" else Advice.FIX_TARGET


class RowError(Exception):
    """What makes one row unsendable; raised where it is found, and turned into a Rejection for its row.

    ``dead`` comes with the reason ``dead_token``.
    """

    def __init__(self, reason: Reason, field: str | None, detail: str, dead: DeadDestination | None = None) -> None:
        super().__init__()  # in words only where somebody wants to read them: there may be 10,000
        self.reason = reason
        self.field = field
        self.detail = detail
        self.dead = dead

    def __str__(self) -> str:
        place = "" if self.field is None else f" at {self.field}"
        return f"{self.reason.word}{place}: {self.detail}"

    def again(self) -> Self:
        """Return the same error for another row: one raised twice would drag its first traceback along."""
        return type(self)(self.reason, self.field, self.detail, self.dead)
