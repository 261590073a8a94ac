"""Access tokens for FCM: one an hour for each service account, however many tasks ask (docs/fcm.md#access-tokens).

- Single flight: who needs a token while one is being fetched waits for that one. The flight belongs to the task that
  began it; when that is cancelled, one of those who wait begins the next.
- The background task fetches the next token five minutes ahead, so no send waits for an exchange. When that fails it
  goes on trying with back-off, and the old token serves until its own end.
- After a failure nobody asks again before the back-off has passed: askers get the failure that is known. A failure
  that only a person can mend (a deleted key) is asked about once a minute at first, later every quarter of an hour.
- FCM's 401 drops the token it was said of, however young. When the next one is refused within a minute as well, tokens
  are not what is wrong.
"""

from collections.abc import Awaitable, Callable

import msgspec
import structlog
import trio

from gateway.clock import Clock
from gateway.delivery.pacing.backoff import Backoff
from gateway.errors import CredentialUnavailableError
from protocol.providers.fcm import AccessToken

LEAST_SECONDS_BETWEEN = 60.0
# The wall clock may be set at any time; so often we look whether a token is due by it.
CLOCK_CHECK_SECONDS = 60.0
# For failures that a person must mend.
HELD_FIRST_SECONDS = 60.0
HELD_CEILING_SECONDS = 900.0

Uniform = Callable[[float, float], float]


class Unavailable(msgspec.Struct, frozen=True, kw_only=True):
    """No token. Without ``can_retry`` only a person can mend it. ``detail`` holds nothing secret."""

    detail: str
    can_retry: bool


Fetch = Callable[[float], Awaitable[AccessToken | Unavailable]]


class _Flight:
    """One exchange; ``outcome`` stays None when the task that began it was cancelled."""

    def __init__(self) -> None:
        self.done = trio.Event()
        self.outcome: AccessToken | Unavailable | None = None


class AccessTokenSource:
    """The token of one service account, shared by its apps. Nothing secret shows in ``repr``, logs or errors.

    ``fetch`` makes one exchange, given the UNIX time, and raises nothing. ``retry`` paces what may mend itself; see the
    module text for the rest.
    """

    def __init__(
        self,
        project_id: str,
        fetch: Fetch,
        *,
        retry: Backoff,
        clock: Clock,
        uniform: Uniform,
        public_bytes: bytes = b"",
    ) -> None:
        self._project_id = project_id
        self.exchange = fetch
        self.public_bytes = public_bytes  # of the account's key
        self._clock = clock
        self._retry = retry
        self._hold = Backoff(HELD_FIRST_SECONDS, HELD_CEILING_SECONDS, uniform)
        self._log: structlog.stdlib.BoundLogger = structlog.get_logger("credentials")
        self._token: AccessToken | None = None
        self._authorization: bytes | None = None
        self._taken_at = 0.0  # monotonic
        self._follows_refusal = False  # the token, or the next one when there is none
        self._flight: _Flight | None = None
        self._failure: Unavailable | None = None
        self._next_try_at = 0.0  # monotonic

    def __repr__(self) -> str:
        state = "no token" if self._token is None else repr(self._token)
        return f"<AccessTokenSource for {self._project_id}, {state}>"

    def current(self, now: float) -> bytes | None:
        """Return the value of ``authorization``, the same object until it changes; None without a valid token."""
        return self._authorization if self._token is not None and now < self._token.expires_at_seconds else None

    async def acquire(self) -> bytes:
        """Return :meth:`current`, fetching a token when none is held. Raises CredentialUnavailableError."""
        await trio.lowlevel.checkpoint()
        while (authorization := self.current(self._clock.wall())) is None:
            if self._failure is None or self._clock.monotonic() >= self._next_try_at:
                await self._fetch()
            if self._failure is not None:
                raise CredentialUnavailableError(self._failure.detail, can_retry=self._failure.can_retry)
        return authorization

    def renew(self, authorization: bytes) -> bool:
        """Be told that FCM refused a token; return whether to repeat the request with :meth:`acquire`.

        False means that it replaced a refused one within the last minute: another one would be refused as well.
        """
        if authorization != self._authorization:
            return True
        if self._follows_refusal and self._clock.monotonic() - self._taken_at < LEAST_SECONDS_BETWEEN:
            return False
        self._follows_refusal = True
        self._token = self._authorization = None
        return True

    def adopt(self, fresh: "AccessTokenSource") -> bool:
        """Fetch with what was read from the same settings; return whether the account's key is another one.

        A token that another key's exchange gave is dropped, and so is the wait after its failures.
        """
        self.exchange = fresh.exchange  # it may know other authorities
        if self.public_bytes == fresh.public_bytes:
            return False
        self.public_bytes = fresh.public_bytes
        self._token = self._authorization = None
        self._failure = None
        self._next_try_at = 0.0
        self._retry.succeed()
        self._hold.succeed()
        return True

    async def run(self) -> None:
        """Keep a token ready until cancelled. Any number of tasks may run this."""
        while True:
            await trio.sleep(self._seconds_until_look())
            if self._is_due() and self._clock.monotonic() >= self._next_try_at:
                await self._fetch()

    def _is_due(self) -> bool:
        return self._token is None or self._token.is_due(self._clock.wall())

    def _seconds_until_look(self) -> float:
        if self._is_due():
            return max(0.0, self._next_try_at - self._clock.monotonic())
        return CLOCK_CHECK_SECONDS

    async def _fetch(self) -> None:
        """Fetch a token, or wait for the task that does."""
        while True:
            flight = self._flight
            if flight is None:
                await self._fly()
                return
            await flight.done.wait()
            if flight.outcome is not None:
                return

    async def _fly(self) -> None:
        flight = self._flight = _Flight()
        try:
            public_bytes = self.public_bytes
            flight.outcome = await self.exchange(self._clock.wall())
            if public_bytes == self.public_bytes:  # what comes of a key that was replaced meanwhile says nothing
                self._take(flight.outcome)
        finally:
            self._flight = None
            flight.done.set()

    def _take(self, outcome: AccessToken | Unavailable) -> None:
        if isinstance(outcome, AccessToken) and self._clock.wall() >= outcome.expires_at_seconds:
            outcome = Unavailable(detail="the access token had expired when it came", can_retry=True)
        now = self._clock.monotonic()
        if isinstance(outcome, Unavailable):
            self._failure = outcome
            seconds = (self._retry if outcome.can_retry else self._hold).fail()
            self._next_try_at = now + seconds
            self._tell(outcome, seconds)
            return
        self._retry.succeed()
        self._hold.succeed()
        self._failure = None
        self._follows_refusal = self._follows_refusal and self._token is None
        self._taken_at = now
        self._token, self._authorization = outcome, outcome.authorization
        # However short a token's life, the background does not fetch one after the other.
        self._next_try_at = now + LEAST_SECONDS_BETWEEN
        self._log.info("access_token_fetched", project=self._project_id)

    def _tell(self, failure: Unavailable, seconds: float) -> None:
        """Log at warning what may mend itself before anything waits, at error what stops sending or needs a person."""
        is_harmless = failure.can_retry and self.current(self._clock.wall()) is not None
        (self._log.warning if is_harmless else self._log.error)(
            "access_token_unavailable",
            project=self._project_id,
            detail=failure.detail,
            retry_in_seconds=round(seconds, 1),
        )
