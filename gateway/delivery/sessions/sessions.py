"""Carries out what the pool decides: opens sessions, runs them, lets them go.

Whether the next session may be opened at once is judged by what the last one was good for. One that *served* forgets
all back-off: its answers outnumber its losses and the server's own failures, or it lived for a while and gave some. So
a server that closes after every 200 requests is followed at full speed, and one that answers 500 and closes is not.
"""

from collections.abc import Callable
from math import inf

import msgspec
import trio

from gateway.clock import Clock
from gateway.delivery.egress.dialer import Link
from gateway.delivery.pacing.backoff import Backoff
from gateway.delivery.pacing.limits import PoolLimits, SessionLimits
from gateway.delivery.providers.provider import Provider
from gateway.delivery.sessions.driver import Driver, SessionOwner
from gateway.delivery.sessions.opening import make_driver
from gateway.delivery.sessions.pool import Pool, PoolStatistics
from gateway.delivery.sessions.stall_alarm import StallAlarm
from gateway.errors import ProxyUnusableError, SessionOpenError
from gateway.telemetry.listener import DeliveryListener
from gateway.wakeup import Wakeup

SERVED_SECONDS = 10.0  # a session that lived so long costs no more handshakes than back-off would allow
# A session that answered fewer was hardly worth its handshake, so the next one waits: fifty a second at most. A server
# that closes after each answer is still of use then, and its handshakes cost us less than a tenth of a core.
WORTHWHILE_ANSWERS = 20
SPACING_SECONDS = 0.02
LOOK_SECONDS = 1.0
LEAST_TRUSTED_WINDOW = 10


class Sessions:
    """The sessions of one lane, as running tasks of its nursery; ``wakeup`` is set when one came or may be had."""

    def __init__(
        self,
        lane: str,
        provider: Provider,
        *,
        pool_limits: PoolLimits,
        session_limits: SessionLimits,
        clock: Clock,
        backoff: Backoff,
        listener: DeliveryListener,
        wakeup: Wakeup,
    ) -> None:
        self._lane = lane
        self._provider = provider
        self._session_limits = session_limits
        self._clock = clock
        self._listener = listener
        self._wakeup = wakeup
        self._pool = Pool(pool_limits)
        self._backoff = backoff  # for connections refused, and for sessions that did not serve
        self._alarm = StallAlarm(lane, session_limits.stall_after_seconds, listener, clock.monotonic())
        self._look_at = clock.monotonic()
        self._answered = 0  # by sessions that have ended
        self._backs_off_until = self._opened_at = self._tended_at = -inf
        self._spacing_seconds = 0.0  # between two openings
        self._numbered = 0
        self._unreached = 0  # tries that failed, and not for a proxy that can't be used
        self._dialing: dict[trio.CancelScope, None] = {}
        self._is_stopped = False
        self._is_failing = False  # since a session was open for the last time

    def __repr__(self) -> str:
        return f"<Sessions {self._pool!r}, {self._backoff!r}>"

    @property
    def is_empty(self) -> bool:
        """Whether no session is open or being opened."""
        return self._pool.is_empty

    @property
    def are_open(self) -> bool:
        """Whether a session is open."""
        return bool(self._pool.drivers)

    @property
    def failures_to_reach(self) -> int:
        """How often an origin that a stranger named took no session, where none ever was; 0 while one is being opened.

        Always 0 for a host that the operator chose: it exists, and is asked again within the back-off's ceiling.
        """
        is_strangers = self._provider.dialer.first_tries is not None
        return self._unreached if is_strangers and not self._numbered and self._pool.is_empty else 0

    def seconds_of_backoff(self) -> float:
        """Return how long it backs off."""
        return max(0.0, self._backs_off_until - self._clock.monotonic())

    @property
    def in_flight(self) -> int:
        """Streams open on all sessions."""
        return self._pool.in_flight

    def seconds_until_opening(self, now: float) -> float:
        """Return how long the next session has to wait, not above 0 once it is due; infinite when none waited.

        What came due after ``tend`` looked is still waited for: it would be missed until something else wakes the lane.
        """
        return self._opens_at - now if self._opens_at > self._tended_at else inf

    @property
    def _opens_at(self) -> float:
        """When the next session may be opened, by the monotonic clock."""
        return max(self._backs_off_until, self._opened_at + self._spacing_seconds)

    def choose(self) -> Driver | None:
        """Return the session with the most streams available, None when none has any."""
        return self._pool.choose()

    def tend(self, nursery: trio.Nursery, owner: SessionOwner, *, has_work: bool) -> None:
        """Open and drain what the pool decides now; opened sessions run in ``nursery`` and tell ``owner``."""
        now = self._tended_at = self._clock.monotonic()
        step = self._pool.decide(now, has_work=has_work, may_open=now >= self._opens_at)
        if not step.open_session:
            self.leave_queue()
        elif self._may_try():
            self._opened_at = now
            self._pool.start_opening(now)
            nursery.start_soon(self._open_and_run, owner)
        for driver in step.confirm:
            driver.confirm()
        for driver in step.drain:
            driver.drain()
        if now >= self._look_at:
            self._look_at = now + LOOK_SECONDS
            answered = self._answered + sum(driver.answered for driver in self._pool.drivers)
            self._alarm.look(now, answered=answered, is_waiting=has_work or self._pool.in_flight > 0)

    def _may_try(self) -> bool:
        """Return whether a session may be opened now; an origin that was never reached may have to wait for others."""
        first_tries = self._provider.dialer.first_tries
        return first_tries is None or self._numbered > 0 or first_tries.begin(self._wakeup)

    def may_begin(self, begin: Callable[[], None]) -> bool:
        """Return whether the lane's task is of use yet; for an origin's first try ``begin`` is called in its turn."""
        first_tries = self._provider.dialer.first_tries
        if first_tries is None or self._numbered > 0 or self._backoff.failures or self._provider.refuses_all:
            return True
        return first_tries.wait_turn(self._wakeup, begin)

    def leave_queue(self) -> None:
        """Wait no more for a first try: there is nothing to try for."""
        if self._provider.dialer.first_tries is not None:
            self._provider.dialer.first_tries.leave(self._wakeup)

    def find_idle(self, now: float) -> list[tuple[float, Driver]]:
        """Return the sessions that could be drained at once, each with the seconds since its last stream ended."""
        return [(idle, driver) for driver in self._pool.drivers if driver.can_submit and (idle := driver.idle_for(now))]

    def drain_all(self) -> None:
        """Let every session end its streams and close."""
        for driver in self._pool.drivers:
            driver.drain()

    def stop(self) -> None:
        """Let every session end its streams and close, and give up those that are being opened, for good."""
        self._is_stopped = True
        self.drain_all()
        for dialing in self._dialing:
            dialing.cancel()

    async def _open_and_run(self, owner: SessionOwner) -> None:
        first_tries = self._provider.dialer.first_tries if not self._numbered else None
        try:
            link = await self._dial()
        finally:
            if first_tries is not None:
                first_tries.end()
        if link is None:
            self._pool.fail_opening()
            self._wakeup.set()
            return
        self._numbered += 1
        self._is_failing = False
        driver = make_driver(
            self._numbered,
            link,
            self._provider,
            limits=self._session_limits,
            clock=self._clock,
            owner=owner,
        )
        self._pool.add(driver)
        self._listener.session_opened(self._lane, driver.number)
        self._wakeup.set()
        await driver.run()

    async def _dial(self) -> Link | None:
        """Return a link; None when there is none to be had, or none needed any more."""
        link = None
        with trio.CancelScope() as dialing:
            if self._is_stopped:
                dialing.cancel()
            self._dialing[dialing] = None
            try:
                link = await self._provider.dialer.dial()
            except SessionOpenError as error:
                self._unreached += not isinstance(error, ProxyUnusableError)
                self._tell_failure(str(error), self._back_off())
            finally:
                self._dialing.pop(dialing, None)
        if link is not None and self._is_stopped:
            await trio.aclose_forcefully(link.stream)
            return None
        return link

    def _tell_failure(self, error: str, retry_in_seconds: float) -> None:
        """Tell each failure of a host that the operator chose, and of a stranger's the first of many."""
        if self._provider.dialer.first_tries is None:
            self._listener.session_failed(self._lane, error, retry_in_seconds)
        elif not self._is_failing:
            self._listener.origin_failed(self._lane, error, retry_in_seconds)
        self._is_failing = True

    def note_let_go(self, driver: Driver, rows: int) -> None:
        """Learn from rows that a session let go of: a server that ends it after so many requests refuses all beyond.

        The next sessions begin with as many streams as this one answered, and grow with what they answer.
        """
        if rows and driver.answered:
            window = min(self._session_limits.window, max(LEAST_TRUSTED_WINDOW, driver.answered))
            self._session_limits = msgspec.structs.replace(self._session_limits, trusted_window=window)

    def forget(self, driver: Driver, why: str, in_flight: int) -> None:
        """Take a session off the list when it has ended."""
        self._pool.remove(driver)
        self._answered += driver.answered
        self._listener.session_ended(self._lane, driver.number, why, answered=driver.answered, in_flight=in_flight)
        if has_served(driver, in_flight, self._clock.monotonic()):
            self._backoff.succeed()
            self._spacing_seconds = SPACING_SECONDS if driver.answered < WORTHWHILE_ANSWERS else 0.0
        elif driver.answered or not driver.is_draining:
            self._back_off()
        self._wakeup.set()

    def _back_off(self) -> float:
        delay = self._backoff.fail()
        self._backs_off_until = self._clock.monotonic() + delay
        return delay

    def statistics(self) -> PoolStatistics:
        """Return the counts now."""
        return self._pool.statistics()


def has_served(driver: Driver, lost: int, now: float) -> bool:
    """Return whether a session that ended, with ``lost`` rows in flight, was good for something."""
    well = driver.answered_well
    if now - driver.opened_at >= SERVED_SECONDS:
        return well > 0
    return well > driver.answered - well + lost
