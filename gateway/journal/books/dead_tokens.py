"""Destinations that a provider called dead, as callers get them: late, and only while that is believable.

What was called dead is a *suspect*. It is kept when its result is settled, in the same commit. It is *released* into
its principal's feed of dead tokens once it is RELEASE_AFTER_MS old, unless the app's share of suspects was out of the
ordinary meanwhile: then it is *held*, because a wrong key or a mixed-up import must never wipe a token table, and
somebody must look.
"""

from typing import Protocol

import msgspec

from protocol.dead_tokens import DeadToken

# What comes to light within this time of a rejection, above all that it was one of very many, still counts against it.
RELEASE_AFTER_MS = 60_000


class DeadTokenPage(msgspec.Struct, frozen=True):
    """Released suspects after a cursor, and the cursor to continue from."""

    tokens: list[DeadToken]
    cursor: int


class HeldDeadTokens(msgspec.Struct, frozen=True, kw_only=True):
    """An app whose suspects are held: how many, and of how many results of late so many called a token dead.

    ``discarded`` were not even held, being too many: their tokens are rejected again when they are sent to again.
    """

    principal: str
    app: str
    held: int
    discarded: int
    recent_results: int
    recent_dead: int


class DeadTokens(Protocol):
    """The suspects of all principals; what changes something returns when it is durable."""

    async def release(self, now_ms: int) -> list[HeldDeadTokens]:
        """Release or hold what has waited long enough, and drop what is older than results are kept.

        Returns the apps that somebody must be told of, each at most once in a while.
        """
        ...

    async def confirm(self, principal: str, app: str, now_ms: int) -> int:
        """Release what is held of an app, as somebody has looked and it is right; return how many tokens that is."""
        ...

    async def read(self, principal: str, cursor: int, max_rows: int) -> DeadTokenPage:
        """Return released suspects after ``cursor`` (0 = the oldest kept), possibly none. Raises CursorTooOldError."""
        ...

    async def wait(self, principal: str, cursor: int) -> None:
        """Wait until there is something after ``cursor``. Raises CursorTooOldError."""
        ...
