"""The one closed list of reasons: results, logs, metrics and docs all speak these words and numbers.

Numbers are stable for ever: add at the end, never renumber, never reuse.
"""

from enum import IntEnum


class Reason(IntEnum):
    """Why a notification or a batch ended as it did; the value is its number on the wire."""

    DEAD_TOKEN = 1
    INVALID_TOKEN = 2
    WRONG_ENVIRONMENT = 3
    WRONG_APP = 4
    INVALID_PAYLOAD = 5
    PAYLOAD_TOO_LARGE = 6
    INVALID_OPTION = 7
    BAD_CREDENTIALS = 8
    RATE_LIMITED = 9
    PROVIDER_ERROR = 10
    TIMEOUT = 11
    LINK_LOST = 12
    ATTEMPTS_EXHAUSTED = 13
    EXPIRED = 14
    CANCELLED = 15
    DUPLICATE_ID = 16
    UNKNOWN_FIELD = 17
    NOT_SUPPORTED = 18
    UNKNOWN_APP = 19
    ENDPOINT_NOT_ALLOWED = 20
    CHANNEL_GONE = 21
    RESULTS_BACKLOG = 22
    OVER_QUOTA = 23
    OVERLOADED = 24
    DRAINING = 25
    SUBSCRIPTION_KEY_MISMATCH = 26
    MALFORMED = 27
    TOO_LARGE = 28
    BATCH_CONFLICT = 29
    NO_CREDIT = 30
    UNAUTHENTICATED = 31
    JOURNAL_UNAVAILABLE = 32
    JOURNAL_DAMAGED = 33

    @property
    def word(self) -> str:
        """The reason as callers read it, for instance ``dead_token``."""
        return self.name.lower()
