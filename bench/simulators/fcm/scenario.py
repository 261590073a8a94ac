"""A scenario as the FCM simulator reads it: what all simulators share, FCM's answers, and the token exchange."""

from collections import Counter
from typing import Literal

import msgspec

from bench.simulators.server import AnswerEvent, CommonEvent, Scenario, Section

# Error codes of FCM itself, which stand in an `FcmError`, with their HTTP status (docs/fcm.md#answers).
FCM_ERROR_STATUSES = {
    "INVALID_ARGUMENT": 400,
    "THIRD_PARTY_AUTH_ERROR": 401,
    "APNS_AUTH_ERROR": 401,
    "SENDER_ID_MISMATCH": 403,
    "UNREGISTERED": 404,
    "QUOTA_EXCEEDED": 429,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
}

# Words of `google.rpc.Code` that come without an `FcmError`: somebody before FCM has refused.
BARE_STATUSES = {
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "RESOURCE_EXHAUSTED": 429,
}


class FcmAnswerEvent(AnswerEvent, frozen=True, kw_only=True, tag="answer"):
    """Answer so instead of 200; a known ``reason`` brings its status and its details."""

    status: int = 0
    """0: the one that FCM gives with the reason."""
    fields: tuple[str, ...] = ()
    """Adds a BadRequest that names these, for instance ``message.token``."""
    apns_status: int | None = None
    """Adds an ApnsError with this status."""
    apns_reason: str | None = None
    """Apple's own word in the ApnsError."""
    quota: Literal["project", "device", "topic"] | None = None
    """Adds a QuotaFailure: which quota was passed."""
    retry_delay_seconds: float | None = None
    """Adds a RetryInfo."""
    without_fcm_error: bool = False
    """Leaves the FcmError out. It stands in every answer with a reason that is not one of Google's bare statuses."""
    text: str | None = None
    """The error's message, where FCM says in it what no detail does; None: one that says nothing."""
    reverses_details: bool = False
    """Puts the details in the opposite order: FCM's varies."""
    html: bool = False
    """A front end's page stands in for the JSON."""

    def _check_effect(self) -> None:
        if self.status == 0:
            status = (FCM_ERROR_STATUSES | BARE_STATUSES).get(self.reason or "")
            if status is None:
                raise ValueError(f"needs a status: FCM is not known to give the reason {self.reason!r}")
            msgspec.structs.force_setattr(self, "status", status)
        if self.apns_reason is not None and self.apns_status is None:
            raise ValueError("apns_reason needs apns_status")
        super()._check_effect()


class ExchangeEvent(Section, frozen=True, kw_only=True):
    """Answer the exchange of an assertion so instead of with a token. Of several that match the first one wins."""

    at_exchange: int | None = None
    """The n-th exchange alone; None: every one."""
    times: int | None = None
    """At most so often."""
    status: int = 400
    error: str | None = None
    """OAuth's word: ``invalid_grant``. Without it, and without ``html``, the body is empty."""
    html: bool = False
    retry_after: str | None = None

    def __post_init__(self) -> None:
        if not 300 <= self.status <= 599:
            raise ValueError(f"status must be 300 to 599; got {self.status}")
        if self.at_exchange is not None and self.at_exchange < 1:
            raise ValueError(f"at_exchange counts from 1; got {self.at_exchange}")


class FcmScenario(Scenario, frozen=True, kw_only=True):
    """The whole behaviour of an FCM simulator. The default one is a healthy server."""

    events: tuple[FcmAnswerEvent | CommonEvent, ...] = ()
    exchanges: tuple[ExchangeEvent, ...] = ()
    """What befalls exchanges of an assertion; the ``events`` befall messages alone."""


class ExchangeFaults:
    """The exchanges of a scenario with their counters."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self._events = scenario.exchanges if isinstance(scenario, FcmScenario) else ()
        self._times: Counter[int] = Counter()

    def find_event(self, number: int) -> ExchangeEvent | None:
        """Return what befalls the exchange of this number, from 1, and count it as having happened."""
        for position, event in enumerate(self._events):
            is_spent = event.times is not None and self._times[position] >= event.times
            if event.at_exchange in {None, number} and not is_spent:
                self._times[position] += 1
                return event
        return None
