"""Moves the bytes of one session: one reader task, one writer task, one watchdog.

The native session decides what HTTP/2 says; the driver only connects it with a stream and the clock. The writer sends
once per wake-up what everyone queued; the reader hands each received buffer to the session and its endings to the
owner. No lock is needed: the session is only touched between checkpoints of one trio loop.

The driver's life: ``run`` until the link ends, by whichever side; then ``owner.on_ended`` gets every row that was still
in flight, exactly once. Cancelling ``run`` does the same.
"""

from collections.abc import Sequence

import msgspec
import trio

from gateway.clock import Clock
from gateway.delivery.driver import SessionOwner
from gateway.wakeup import Wakeup
from native import Exchange, GoAway, HeaderSet, Requests, Session
from protocol.errors import RemoteProtocolError
from protocol.exchanges import Cause, Ending

# One TLS record holds 16 KiB; asking for more lets a receive return all that was already decrypted.
RECEIVE_BYTES = 256 * 1024
# One write per wake-up of at most this much: 200 requests of 1 KiB, and small against a slow link's buffer.
SEND_BYTES = 256 * 1024
# A native submit takes at most this many rows, so that no call holds the loop for long.
SUBMIT_ROWS = 200
# How often the watchdog looks for what came since it last slept; what it knows of is met at its very moment.
WATCHDOG_SECONDS = 1.0
SHORTEST_NAP_SECONDS = 0.01  # so that a moment missed by a rounding error costs a short sleep, not a busy loop


class SessionLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How long a session may be silent, in seconds, and how many streams it may have.

    ``window`` at most, ``first_window`` before its first answer.
    """

    window: int
    first_window: int = 1
    ping_after_seconds: float  # of silence while streams wait
    answer_timeout_seconds: float = 30.0  # over HTTP/1.1: a native session has its own
    ping_timeout_seconds: float = 5.0  # with the default silence of 10 s a dead peer is found within 15 s
    idle_ping_seconds: float = 3600.0  # APNs: "an HTTP/2 PING after an hour of inactivity"


class SessionDriver:
    """One open connection to a provider. ``number`` names it in logs; the stream is closed by ``run``."""

    def __init__(
        self,
        number: int,
        stream: trio.abc.Stream,
        session: Session,
        *,
        limits: SessionLimits,
        clock: Clock,
        owner: SessionOwner,
    ) -> None:
        self.number = number
        self._stream = stream
        self._session = session
        self._limits = limits
        self._clock = clock
        self._owner = owner
        self._writable = Wakeup()
        self._why = "closed by us"
        session.window = limits.first_window
        self._is_probing = limits.first_window < limits.window
        self._best_stream_limit = 1
        self._headers: HeaderSet | None = None
        self._idle_since = clock.monotonic()
        self._scope = trio.CancelScope()
        self._is_draining = False
        self._goaway_seen: GoAway | None = None

    def __repr__(self) -> str:
        state = "probing" if self._is_probing else "draining" if self._is_draining else "open"
        return (
            f"<SessionDriver {self.number} {state}, {self._session.in_flight} streams of "
            f"{min(self._session.window, self._session.stream_limit)}>"
        )

    # What the pool asks

    @property
    def available(self) -> int:
        """Rows that ``submit`` would take now."""
        return 0 if self._is_draining else self._session.available

    @property
    def in_flight(self) -> int:
        """Streams open now."""
        return self._session.in_flight

    @property
    def stream_limit(self) -> int:
        """Streams the peer and our window allow now."""
        return min(self._session.window, self._session.stream_limit)

    @property
    def best_stream_limit(self) -> int:
        """The highest ``stream_limit`` seen on this session."""
        return self._best_stream_limit

    @property
    def is_probing(self) -> bool:
        """Whether the first answer is still awaited."""
        return self._is_probing

    @property
    def can_submit(self) -> bool:
        """False for good once the session takes no new streams (GOAWAY, drain, end of ids)."""
        return self._session.can_submit and not self._is_draining

    @property
    def is_draining(self) -> bool:
        """Whether it was told to drain."""
        return self._is_draining

    @property
    def answered(self) -> int:
        """Streams of this session that were answered."""
        return self._session.statistics().answered

    def take_goaway_data(self) -> bytes | None:
        """Return the debug data of a GOAWAY that came since the last call; None without one."""
        goaway = self._session.goaway
        if goaway is None or goaway == self._goaway_seen:
            return None
        self._goaway_seen = goaway
        return goaway.debug_data

    def silent_for(self, now: float) -> float:
        """Return seconds since the peer was last heard."""
        return now - self._session.last_received_at

    def idle_for(self, now: float) -> float:
        """Return seconds since the last stream ended; 0 while any is open."""
        return 0.0 if self._session.in_flight else now - self._idle_since

    # What the lane does

    def submit(self, requests: Requests, start: int, stop: int, headers: HeaderSet) -> int:
        """Submit rows and wake the writer; return how many were taken."""
        if headers is not self._headers:
            self._session.set_headers(headers)
            self._headers = headers
        taken = self._session.submit(requests, start, min(stop, start + SUBMIT_ROWS), self._clock.monotonic())
        self._writable.set()
        return taken

    def drain(self) -> None:
        """Take no new rows; end once the streams in flight have ended. Nothing happens once the link is gone."""
        if not self._is_draining and not self._session.is_closed:
            self._is_draining = True
            self._session.shutdown()
            self._writable.set()
            self._end_if_done()

    # The tasks

    async def run(self) -> None:
        """Drive the session until it ends; closes the stream. Network errors end it and are told, not raised."""
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._read)
                    nursery.start_soon(self._write)
                    nursery.start_soon(self._watch)
        finally:
            # What a last, broken buffer still completed counts: it was read before the link was given up.
            exchanges = self._session.close(self._clock.monotonic(), Cause.LINK_LOST)
            self._owner.on_progress(self, self._session.take_touched(), ())
            self._owner.on_ended(self, exchanges, self._why)
            # No graceful close: everything that mattered was answered or is settled by what is certain about it.
            await trio.aclose_forcefully(self._stream)

    async def _read(self) -> None:
        while True:
            try:
                data = await self._stream.receive_some(RECEIVE_BYTES)
            except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
                return self._end(f"link lost while reading: {error.__cause__ or error}")
            if not data:
                return self._end("closed by the peer")
            if not self._feed(data):
                return None

    def _feed(self, data: bytes | bytearray) -> bool:
        try:
            exchanges = self._session.feed(data, self._clock.monotonic())
        except RemoteProtocolError as error:
            self._end(f"the peer broke HTTP/2: {error}")
            return False
        self._progress(exchanges)
        return True

    def _progress(self, exchanges: Sequence[Exchange]) -> None:
        touched = self._session.take_touched()
        if self._is_probing and (touched or self._session.settings_received > 1 or _has_answer(exchanges)):
            self._open_up()
        self._best_stream_limit = max(self._best_stream_limit, self.stream_limit)
        if not self._session.in_flight:
            self._idle_since = self._clock.monotonic()
        self._owner.on_progress(self, touched, exchanges)
        if self._session.wants_write:
            self._writable.set()
        self._end_if_done()

    def _open_up(self) -> None:
        self._is_probing = False
        self._session.window = self._limits.window

    async def _write(self) -> None:
        while True:
            data = self._session.pull(self._clock.monotonic(), SEND_BYTES)
            if not data:
                await self._writable.wait()
                continue
            try:
                await self._stream.send_all(data)
            except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
                return self._end(f"link lost while writing: {error.__cause__ or error}")

    async def _watch(self) -> None:
        while True:
            await trio.sleep(self._nap_seconds(self._clock.monotonic()))
            now = self._clock.monotonic()
            deadline = self._session.next_deadline
            if deadline is not None and deadline <= now:
                self._progress(self._session.expire(now))
            if self._is_silent(now):
                return self._end("no answer to a PING")
            if self._wants_ping(now):
                self._session.ping(now)
                self._writable.set()

    def _nap_seconds(self, now: float) -> float:
        """Return how long nothing that is known now can be due."""
        due = [now + WATCHDOG_SECONDS]
        if self._session.next_deadline is not None:
            due.append(self._session.next_deadline)
        if self._session.ping_sent_at is not None:
            due.append(self._session.ping_sent_at + self._limits.ping_timeout_seconds)
        elif self._session.in_flight:
            due.append(self._session.last_received_at + self._limits.ping_after_seconds)
        return max(SHORTEST_NAP_SECONDS, min(due) - now)

    def _is_silent(self, now: float) -> bool:
        sent_at = self._session.ping_sent_at
        return sent_at is not None and now - sent_at >= self._limits.ping_timeout_seconds

    def _wants_ping(self, now: float) -> bool:
        silence = self.silent_for(now)
        limit = self._limits.ping_after_seconds if self._session.in_flight else self._limits.idle_ping_seconds
        return silence >= limit and self._session.ping_sent_at is None

    def _end(self, why: str) -> None:
        # Of several tasks that fail in one turn the first tells what happened, the others what followed.
        if not self._scope.cancel_called:
            self._why = why
            self._scope.cancel()

    def _end_if_done(self) -> None:
        if not self.can_submit and not self._session.in_flight:
            self._end(self._why_done())

    def _why_done(self) -> str:
        if self._is_draining:
            return "drained"
        return "the peer sent GOAWAY" if self._session.goaway is not None else "no stream ids left"


def _has_answer(exchanges: Sequence[Exchange]) -> bool:
    return any(exchange.ending is Ending.ANSWERED for exchange in exchanges)
