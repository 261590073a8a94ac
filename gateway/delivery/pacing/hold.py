"""A lane that is held: it sends nothing for a while, because its credential was refused or can't be had.

One refused row says nothing yet: it may be the row. So the credential is *doubted* first, and rows go one at a time
until one of them succeeds; when another one is refused, the lane is held. A lane that was held begins with a doubt.
"""

from collections.abc import Callable
from math import inf

from gateway.clock import Clock
from gateway.delivery.pacing.backoff import Backoff
from gateway.telemetry.listener import DeliveryListener
from protocol.reasons import Reason

# A refused credential: a minute at first, since a person must act; a quarter of an hour at most.
REFUSED_FIRST_SECONDS = 60.0
REFUSED_CEILING_SECONDS = 900.0
ALARM_SECONDS = 60.0  # one alarm a minute, however many rows are refused for the same cause


class Hold:
    """Whether a lane is held, until when, and who was told. ``retry`` paces what may mend itself."""

    def __init__(
        self,
        lane: str,
        *,
        retry: Backoff,
        clock: Clock,
        uniform: Callable[[float, float], float],
        listener: DeliveryListener,
    ) -> None:
        self._lane = lane
        self._retry = retry
        self._refused = Backoff(REFUSED_FIRST_SECONDS, REFUSED_CEILING_SECONDS, uniform)
        self._clock = clock
        self._listener = listener
        self._until: float | None = None
        self._alarm_at = -inf
        self.is_doubted = False

    @property
    def is_on(self) -> bool:
        """Whether nothing may be sent now."""
        return self._until is not None

    def begin(self, reason: Reason | None, word: str | None, *, can_retry: bool = False) -> bool:
        """Hold the lane, longer each time; return False when it is held already.

        ``word`` is the provider's or the credential's own. ``can_retry``: it may mend itself, nobody needs to act.
        """
        if self._until is not None:
            return False
        self.is_doubted = True
        seconds = (self._retry if can_retry else self._refused).fail()
        self._until = self._clock.monotonic() + seconds
        self._listener.lane_held(self._lane, reason, word, seconds)
        return True

    @property
    def is_due(self) -> bool:
        """Whether it is held and its time has come."""
        return self._until is not None and self._clock.monotonic() >= self._until

    def cut_short(self) -> None:
        """Let its time have come: what it was held for may be mended."""
        if self._until is not None:
            self._until = self._clock.monotonic()

    def end_if_due(self) -> None:
        """Let the lane try again when its time has come."""
        if self.is_due:
            self._until = None
            self._listener.lane_resumed(self._lane)

    def succeed(self) -> None:
        """Be told that the provider has taken something: the credential is good, and the next hold a short one."""
        self.is_doubted = False
        self._refused.succeed()

    def acquire(self) -> None:
        """Be told that a credential was had."""
        self._retry.succeed()

    def alarm_token_updates(self) -> None:
        """Tell, once a minute at most, that the provider calls the token changed too often."""
        now = self._clock.monotonic()
        if now - self._alarm_at >= ALARM_SECONDS:
            self._alarm_at = now
            self._listener.token_updates_refused(self._lane)
