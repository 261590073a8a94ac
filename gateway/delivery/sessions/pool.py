"""The sessions of one lane: picks where rows go, and decides what to open and what to let go.

Deciding is separate from doing: ``decide`` returns what its caller should open or drain, and waits for nothing. A
session that got a GOAWAY counts as gone at once, so its replacement is opened while its last streams still end. So
does one that is stalled, until it answers again; one that may have been forgotten on the way is confirmed before use.
"""

import msgspec

from gateway.delivery.pacing.limits import PoolLimits
from gateway.delivery.sessions.driver import Driver

GROW_INTERVAL_SECONDS = 1.0  # APNs may treat many quick connections as an attack
BUSY_SHARE = 0.8  # of the streams of every session, before another one is worth a handshake
SILENCE_SECONDS = 1.0  # far above a provider's usual round trip of 50 to 500 ms
MOST_WITH_LEAVING = 2  # times the most sessions: stalled ones count too, and those that still end streams
IDLE_SECONDS = 300.0  # providers want connections kept; only surplus ones are let go


class PoolStep(msgspec.Struct, frozen=True, kw_only=True):
    """What to do now: whether to open one session, which idle ones to confirm before use, and which to drain."""

    open_session: bool = False
    confirm: tuple[Driver, ...] = ()
    drain: tuple[Driver, ...] = ()


class PoolStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """Sessions and streams now."""

    sessions: int
    usable: int
    opening: int
    in_flight: int
    available: int


class Pool:
    """Open sessions and those being opened. Not a task: its lane calls it."""

    def __init__(self, limits: PoolLimits) -> None:
        self._limits = limits
        self._drivers: list[Driver] = []
        self._opening = 0
        self._opened_at = float("-inf")

    def __repr__(self) -> str:
        return f"<Pool {self._drivers!r}, {self._opening} opening>"

    @property
    def is_empty(self) -> bool:
        """Whether no session is open or being opened."""
        return not self._drivers and not self._opening

    @property
    def drivers(self) -> tuple[Driver, ...]:
        """Every session that has not ended."""
        return tuple(self._drivers)

    @property
    def in_flight(self) -> int:
        """Streams open on all sessions."""
        return sum(driver.in_flight for driver in self._drivers)

    def choose(self) -> Driver | None:
        """Return the session with the most streams available, None when none has any."""
        best: Driver | None = None
        most = 0
        for driver in self._drivers:
            available = driver.available
            if available > most:
                best, most = driver, available
        return best

    def decide(self, now: float, *, has_work: bool, may_open: bool) -> PoolStep:
        """Return the next step. ``may_open`` is False while the lane backs off or is held."""
        usable = [driver for driver in self._drivers if driver.can_submit and not driver.is_stalled]
        confirm = tuple(driver for driver in usable if driver.is_doubtful) if has_work else ()
        has_work = has_work or any(map(_owes_answers, self._drivers))
        if has_work and may_open and self._wants_another(usable, now):
            return PoolStep(open_session=True, confirm=confirm)
        surplus = len(usable) - self._limits.least_sessions
        idle = [driver for driver in usable if driver.idle_for(now) >= IDLE_SECONDS]
        return PoolStep(confirm=confirm, drain=tuple(idle[: max(0, surplus)]))

    def _wants_another(self, usable: list[Driver], now: float) -> bool:
        count = len(usable) + self._opening
        if len(self._drivers) + self._opening >= MOST_WITH_LEAVING * self._limits.most_sessions:
            return False  # a provider that never ends its streams must not cost ever more sessions
        if not count or count < self._limits.least_sessions:
            return True  # a server may end one within the second that another one beside it would wait
        if count >= self._limits.most_sessions or self._opening or now - self._opened_at < GROW_INTERVAL_SECONDS:
            return False
        return all(_is_busy(driver, now) for driver in usable)

    def start_opening(self, now: float) -> None:
        """Count a session that is being opened."""
        self._opening += 1
        self._opened_at = now

    def fail_opening(self) -> None:
        """Count off a session that could not be opened."""
        self._opening -= 1

    def add(self, driver: Driver) -> None:
        """Take a session whose opening was counted."""
        self._opening -= 1
        self._drivers.append(driver)

    def remove(self, driver: Driver) -> None:
        """Forget a session that ended."""
        self._drivers.remove(driver)

    def statistics(self) -> PoolStatistics:
        """Return the counts now."""
        return PoolStatistics(
            sessions=len(self._drivers),
            usable=sum(driver.can_submit for driver in self._drivers),
            opening=self._opening,
            in_flight=self.in_flight,
            available=sum(driver.available for driver in self._drivers),
        )


def _owes_answers(driver: Driver) -> bool:
    # What it was sent will have to go over another session: that one is opened beside it already.
    return driver.is_stalled and driver.in_flight > 0 and not driver.is_draining


def _is_busy(driver: Driver, now: float) -> bool:
    # A session whose limit the server cut is in disfavour, not busy: more sessions would be answered with more cuts.
    if driver.is_probing or driver.stream_limit * 2 < driver.best_stream_limit:
        return False
    # A full session that hears nothing is stalled: more sessions would only put more rows at risk.
    if driver.silent_for(now) > SILENCE_SECONDS:
        return False
    return driver.in_flight >= BUSY_SHARE * driver.stream_limit
