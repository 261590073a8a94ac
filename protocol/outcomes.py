"""What one attempt came to, what a notification ended as, and what the caller is advised to do.

*Accepted* here is the provider's word about one attempt; a notification that our own gateway took is
``accepted`` in :mod:`protocol.states` and means something else.
"""

from enum import IntEnum

import msgspec

from protocol.reasons import Reason


class AttemptOutcome(IntEnum):
    """What one attempt came to."""

    ACCEPTED = 1
    REJECTED = 2  # final: the provider said no for good
    DEFERRED = 3  # the provider said not now
    UNREACHABLE = 4  # never written whole, or certainly not processed: free to repeat
    UNCERTAIN = 5  # written whole, no answer: a repeat may show twice


class Outcome(IntEnum):
    """The final word on a notification; the value is its number on the wire, 0 stays unspecified."""

    PROVIDER_ACCEPTED = 1
    REJECTED = 2
    EXPIRED = 3
    CANCELLED = 4
    SUPPRESSED = 5
    FAILED = 6
    UNKNOWN = 7

    @property
    def word(self) -> str:
        """The outcome as callers read it, for instance ``provider_accepted``."""
        return self.name.lower()


class Advice(IntEnum):
    """What the caller should do about the destination."""

    NONE = 1
    DELETE_PENDING = 2
    CHECK_ENVIRONMENT = 3
    FIX_PAYLOAD = 4
    FIX_TARGET = 5
    FIX_CREDENTIALS = 6
    RETRY_LATER = 7

    @property
    def word(self) -> str:
        """The advice as callers read it, for instance ``delete_pending``."""
        return self.name.lower()


class Remedy(IntEnum):
    """What the gateway itself must do, beside settling or repeating the row that was answered."""

    NONE = 0
    FRESH_TOKEN = 1  # one repeat after a new provider token, where its age allows one
    FRESH_SESSION = 2  # one repeat at once on a new session
    KEEP_TOKEN = 3  # no new provider token for 20 minutes
    HOLD_LANE = 4  # the credential is bad: hold the lane with an alarm, blame no destination
    SLOW_LANE = 5  # the quota of all that shares the credential is used up: lower the lane's rate


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """One provider answer in our words. ``retry_after_seconds`` is the provider's own wish, None without one.

    A retry waits between ``least_delay_seconds`` and a limit that doubles from ``first_delay_seconds`` to the ceiling.
    """

    outcome: AttemptOutcome
    reason: Reason | None = None
    advice: Advice = Advice.NONE
    remedy: Remedy = Remedy.NONE
    provider_reason: str | None = None
    retry_after_seconds: float | None = None
    least_delay_seconds: float = 0.0
    first_delay_seconds: float = 0.0
    ceiling_seconds: float = 0.0
    dead_since_ms: int | None = None
