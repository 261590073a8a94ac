"""Moves the bytes of one session: one reader task, one writer task, one watchdog.

The native session decides what HTTP/2 says; the driver only connects it with a stream and the clock. The writer sends
once per wake-up what everyone queued; the reader hands each received buffer to the session and its endings to the
owner. No lock is needed: the session is only touched between checkpoints of one trio loop.

The driver's life: ``run`` until the link ends, by whichever side; then ``owner.on_ended`` gets every row that was still
in flight, exactly once. Cancelling ``run`` does the same. A link that still takes octets is told GOAWAY first.

What a peer does may fail any call of the native session, so each of them is made through ``_ask``, which ends the
session then.

Sound is not progress: a peer may answer PING, change its settings and move its windows while it answers no request. A
session whose streams get no answer for ``stall_after_seconds`` is *stalled*: it gives back the rows that were not
written whole, takes no others, and the pool opens one beside it. An answer ends that; the end of its last stream ends
the session.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from math import inf
from typing import TypeVar

import trio

from gateway.clock import Clock
from gateway.delivery.pacing.limits import SessionLimits
from gateway.delivery.sessions.driver import SessionOwner, tells_of_trouble
from gateway.wakeup import Wakeup
from native import Exchange, GoAway, HeaderSet, Requests, Session
from protocol.errors import RemoteProtocolError
from protocol.exchanges import Cause, Ending

# One TLS record holds 16 KiB; asking for more lets a receive return all that was already decrypted. Of octets that
# decode to the most header fields libnghttp2 reads so many in 2 ms (measured).
RECEIVE_BYTES = 64 * 1024
# One write per wake-up of at most this much: 200 requests of 1 KiB, and small against a slow link's buffer.
SEND_BYTES = 256 * 1024
# A native submit takes at most this many rows, so that no call holds the loop for long.
SUBMIT_ROWS = 200
# How often the watchdog looks for what came since it last slept; what it knows of is met at its very moment.
WATCHDOG_SECONDS = 1.0
SHORTEST_NAP_SECONDS = 0.01  # so that a moment missed by a rounding error costs a short sleep, not a busy loop
# The last words are for a peer that reads; one that does not must not hold up what comes after the session.
LEAVE_SECONDS = 1.0
# Rows wait so long for the answer of a session that was idle: some round trips, and short for who waits for a push.
CONFIRM_SECONDS = 1.0
KEEPALIVE_SECONDS = 3600.0  # APNs: "an HTTP/2 PING after an hour of inactivity"
INTERNAL_ERROR = 2  # RFC 9113 section 7

T = TypeVar("T")


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
        self._code = 0  # of our GOAWAY
        self._is_link_usable = True  # for our last words
        self._trusted_window = limits.window if limits.trusted_window is None else limits.trusted_window
        session.window = min(limits.first_window, self._trusted_window)
        self._is_probing = limits.first_window < limits.window
        self._best_stream_limit = 1
        self._headers: HeaderSet | None = None
        self.opened_at = self._idle_since = self._progress_at = clock.monotonic()
        self._is_stalled = False
        self._is_unconfirmed = False
        self._troubles = 0
        self._scope = trio.CancelScope()
        self._is_ending = False  # the scope was cancelled; asking it costs two looks at trio's clock
        self._is_draining = False
        self._goaway_seen: GoAway | None = None

    def __repr__(self) -> str:
        state = "probing" if self._is_probing else "draining" if self._is_draining else "open"
        state = "stalled" if self.is_stalled else state
        return (
            f"<SessionDriver {self.number} {state}, {self._session.in_flight} streams of "
            f"{min(self._session.window, self._session.stream_limit)}>"
        )

    # What the pool asks

    @property
    def available(self) -> int:
        """Rows that ``submit`` would take now."""
        if self._is_draining or self._is_ending or self.is_stalled or self.is_doubtful:
            return 0
        return self._session.available

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
    def is_stalled(self) -> bool:
        """Whether its streams get no answer, or its idle peer none to a PING."""
        return self._is_stalled or self._is_unconfirmed

    @property
    def is_doubtful(self) -> bool:
        """Whether it was idle for so long that something on the way may have forgotten it."""
        return (
            not self._session.in_flight and self.silent_for(self._clock.monotonic()) >= self._limits.idle_ping_seconds
        )

    @property
    def answered(self) -> int:
        """Streams of this session that were answered."""
        return self._session.statistics().answered

    @property
    def answered_well(self) -> int:
        """Those of them whose answer does not tell of trouble at the server."""
        return self.answered - self._troubles

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

    def submit(self, requests: Requests, start: int, stop: int, headers: HeaderSet, expires_at: float = inf) -> int:
        """Submit rows and wake the writer; return how many were taken."""
        now = self._clock.monotonic()
        if not self._session.in_flight:
            self._progress_at = now
        if headers is not self._headers:
            self._session.set_headers(headers)
            self._headers = headers
        taken = self._ask(self._session.submit, requests, start, min(stop, start + SUBMIT_ROWS), now, expires_at) or 0
        self._writable.set()
        return taken

    def confirm(self) -> None:
        """Send a PING unless one is unanswered."""
        self._ping(self._clock.monotonic())

    def drain(self) -> None:
        """Take no new rows; end once the streams in flight have ended. Nothing happens once the link is gone."""
        if not self._is_draining and not self._session.is_closed:
            self._is_draining = True
            self._ask(self._session.shutdown)
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
            last_words = self._session.leave(self._code) if self._is_link_usable else b""
            # What a last, broken buffer still completed counts: it was read before the link was given up.
            exchanges = self._session.close(self._clock.monotonic(), Cause.LINK_LOST)
            self._owner.on_progress(self, self._session.take_touched(), ())
            self._owner.on_ended(self, exchanges, self._why)
            await self._leave(last_words)

    async def _read(self) -> None:
        while True:
            try:
                data = await self._stream.receive_some(RECEIVE_BYTES)
            except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
                return self._end_link(f"link lost while reading: {error.__cause__ or error}")
            if not data:
                return self._end_link("closed by the peer")
            self._feed(data)
            while self._session.has_unread and not self._is_ending:
                await trio.lowlevel.checkpoint()
                self._feed(b"")

    def _feed(self, data: bytes | bytearray) -> None:
        was_waiting = self._is_waiting
        exchanges = self._ask(self._session.feed, data, self._clock.monotonic())
        if exchanges is None:
            return
        self._is_unconfirmed = False
        if not was_waiting:
            self._progress_at = self._clock.monotonic()
        self._progress(exchanges)

    @property
    def _is_waiting(self) -> bool:
        """Whether the peer owes an answer, or the right to ask for one."""
        return self._session.in_flight > 0 or self._session.stream_limit == 0

    def _progress(self, exchanges: Sequence[Exchange]) -> None:
        touched = self._session.take_touched()
        answers = [exchange for exchange in exchanges if exchange.ending is Ending.ANSWERED]
        self._troubles += sum(tells_of_trouble(answer) for answer in answers)
        if touched or answers:
            self._progress_at = self._clock.monotonic()
            self._is_stalled = False
        if self._is_probing and (touched or self._session.settings_received > 1 or answers):
            self._open_up()
        self._widen()
        self._best_stream_limit = max(self._best_stream_limit, self.stream_limit)
        if not self._session.in_flight:
            self._idle_since = self._clock.monotonic()
        self._owner.on_progress(self, touched, exchanges)
        if self._session.wants_write:
            self._writable.set()
        self._end_if_done()

    def _open_up(self) -> None:
        self._is_probing = False
        self._session.window = self._trusted_window

    def _widen(self) -> None:
        """Have as many streams at once as were answered, where a session of this provider ended early before."""
        if not self._is_probing and self._session.window < self._limits.window:
            self._session.window = min(self._limits.window, max(self._session.window, self.answered))

    async def _write(self) -> None:
        while True:
            data = self._ask(self._session.pull, self._clock.monotonic(), SEND_BYTES)
            if self._session.has_endings:
                self._give_up(self._session.expire, self._clock.monotonic())
            if not data:
                await self._writable.wait()
                continue
            self._is_link_usable = False  # a write that is cut short leaves half a frame or TLS record behind
            try:
                await self._stream.send_all(data)
            except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
                return self._end_link(f"link lost while writing: {error.__cause__ or error}")
            self._is_link_usable = True

    async def _watch(self) -> None:
        while True:
            await trio.sleep(self._nap_seconds(self._clock.monotonic()))
            now = self._clock.monotonic()
            deadline = self._session.next_deadline
            if deadline is not None and deadline <= now:
                self._give_up(self._session.expire, now)
            if self._is_silent(now):
                return self._end("no answer to a PING")
            if self._wants_ping(now):
                self._ping(now)
            await self._look_for_stall(now)

    def _give_up(self, end_rows: Callable[[float], list[Exchange]], now: float) -> int:
        """End rows without an answer; return how many."""
        exchanges = self._ask(end_rows, now) or []
        if exchanges:
            self._progress(exchanges)
        return len(exchanges)

    def _ping(self, now: float) -> None:
        self._ask(self._session.ping, now)
        self._writable.set()

    async def _look_for_stall(self, now: float) -> None:
        if self._is_waiting and now - self._progress_at >= self._limits.stall_after_seconds:
            self._is_stalled = True
        sent_at = self._session.ping_sent_at
        if self.is_doubtful and sent_at is not None and now - sent_at >= CONFIRM_SECONDS:
            self._is_unconfirmed = True
        if not self.is_stalled:
            return
        while self._give_up(self._session.withdraw, now):
            await trio.lowlevel.checkpoint()
        self._owner.on_progress(self, (), ())  # which may open another session
        self._end_if_done()

    def _nap_seconds(self, now: float) -> float:
        """Return how long nothing that is known now can be due."""
        due = [now + WATCHDOG_SECONDS]
        if self._session.next_deadline is not None:
            due.append(self._session.next_deadline)
        if self._session.ping_sent_at is not None:
            due.append(self._session.ping_sent_at + self._limits.ping_timeout_seconds)
            if not self._session.in_flight and not self._is_unconfirmed:
                due.append(self._session.ping_sent_at + CONFIRM_SECONDS)
        elif self._session.in_flight:
            due.append(self._session.last_received_at + self._limits.ping_after_seconds)
        return max(SHORTEST_NAP_SECONDS, min(due) - now)

    def _is_silent(self, now: float) -> bool:
        sent_at = self._session.ping_sent_at
        return sent_at is not None and now - sent_at >= self._limits.ping_timeout_seconds

    def _wants_ping(self, now: float) -> bool:
        silence = self.silent_for(now)
        limit = self._limits.ping_after_seconds if self._session.in_flight else KEEPALIVE_SECONDS
        return silence >= limit and self._session.ping_sent_at is None

    # The end

    def _ask(self, call: Callable[..., T], *arguments: object) -> T | None:
        """Return what a native call returns; None when the session is at its end or comes to it by this call."""
        if self._is_ending:
            return None
        try:
            return call(*arguments)
        except RemoteProtocolError as error:
            self._end(f"the peer broke HTTP/2: {error}", error.code)
        except MemoryError:
            self._end("memory ran out", INTERNAL_ERROR)
        return None

    def _end(self, why: str, code: int = 0) -> None:
        # Of several tasks that fail in one turn the first tells what happened, the others what followed.
        if not self._is_ending:
            self._why = why
            self._code = code
            self._is_ending = True
            self._scope.cancel()

    def _end_link(self, why: str) -> None:
        self._is_link_usable = False
        self._end(why)

    async def _leave(self, last_words: bytes) -> None:
        """Say GOAWAY where the link still takes it, then close without TLS's farewell: all that mattered is settled."""
        if last_words:
            gone = suppress(trio.BrokenResourceError, trio.ClosedResourceError)  # then nobody is left to be told
            with trio.move_on_after(LEAVE_SECONDS, shield=True), gone:
                await self._stream.send_all(last_words)
        await trio.aclose_forcefully(self._stream)

    def _end_if_done(self) -> None:
        if not self._session.in_flight and (self._is_stalled or not self.can_submit):
            self._end(self._why_done())

    def _why_done(self) -> str:
        if self._is_draining:
            return "drained"
        if self._is_stalled:
            return f"no request was answered for {self._limits.stall_after_seconds:g} s"
        return "the peer sent GOAWAY" if self._session.goaway is not None else "no stream ids left"
