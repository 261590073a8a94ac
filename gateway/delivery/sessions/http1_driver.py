"""Moves the bytes of one HTTP/1.1 connection: for origins that choose no HTTP/2, one request at a time.

It is the slow lane: whoever wants thousands of requests a second offers HTTP/2. The same is promised here:
a whole answer is the answer; a row that was handed to the socket and got none is uncertain, one that was not is
unreachable; each row's end is told exactly once. What HTTP/1.1 can't do ends the connection: giving up an answer, and
going on after an error. A connection that idles is closed before its server does it, since a request that meets the
server's close on its way is uncertain.
"""

from collections.abc import Sequence
from math import inf

import msgspec
import trio

from gateway.clock import Clock
from gateway.delivery.lanes.work import work_of
from gateway.delivery.pacing.limits import SessionLimits
from gateway.delivery.sessions.driver import SessionOwner, tells_of_trouble
from gateway.delivery.sessions.http1_messages import BrokenAnswerError, Http1Messages, WholeAnswer
from gateway.wakeup import Wakeup
from native import Exchange, HeaderSet, Requests
from protocol.exchanges import Cause, Ending

RECEIVE_BYTES = 64 * 1024
# Servers keep an idle connection for 5 seconds (the least that is usual) to some minutes.
IDLE_SECONDS = 4.0
WATCHDOG_SECONDS = 1.0


class _Pending(msgspec.Struct, eq=False):
    """The request that awaits its answer; ``sent_at`` is None until it was handed to the socket."""

    requests: Requests
    row: int
    data: bytes
    submitted_at: float
    sent_at: float | None = None


class Http1Driver:
    """One open connection, see :class:`gateway.delivery.sessions.driver.Driver`; the stream is closed by ``run``."""

    is_probing = False
    is_doubtful = False  # it idles for a shorter time than anything on the way forgets it
    stream_limit = 1
    best_stream_limit = 1

    def __init__(
        self,
        number: int,
        stream: trio.abc.Stream,
        *,
        authority: bytes,
        limits: SessionLimits,
        clock: Clock,
        owner: SessionOwner,
    ) -> None:
        self.number = number
        self.answered = self.answered_well = 0
        self.is_draining = False
        self._stream = stream
        self._messages = Http1Messages(authority)
        self._timeout_seconds = limits.answer_timeout_seconds
        self._stall_after_seconds = limits.stall_after_seconds
        self._clock = clock
        self._owner = owner
        self._submitted = Wakeup()
        self._pending: _Pending | None = None
        self._is_writing = False
        self._is_over = False
        self.opened_at = self._idle_since = self._heard_at = clock.monotonic()
        self._scope = trio.CancelScope()
        self._why = "closed by us"
        self._cause = Cause.LINK_LOST

    def __repr__(self) -> str:
        state = "draining" if self.is_draining else "busy" if self._pending else "idle"
        return f"<Http1Driver {self.number} {state}, {self.answered} answered>"

    # What the pool asks

    @property
    def available(self) -> int:
        """1 when ``submit`` would take a row now."""
        return int(self.can_submit and self._pending is None and not self._is_writing)

    @property
    def in_flight(self) -> int:
        """1 while a row awaits its answer."""
        return int(self._pending is not None)

    @property
    def can_submit(self) -> bool:
        """False for good once it takes no more rows."""
        return not self._is_over and not self.is_draining

    @property
    def is_stalled(self) -> bool:
        """Whether its answer is late."""
        pending = self._pending
        return pending is not None and self._clock.monotonic() - pending.submitted_at >= self._stall_after_seconds

    def confirm(self) -> None:
        """Do nothing: HTTP/1.1 can't ask."""

    def take_goaway_data(self) -> None:
        """Return None: HTTP/1.1 has no GOAWAY."""

    def silent_for(self, now: float) -> float:
        """Return seconds since the peer was last heard."""
        return now - self._heard_at

    def idle_for(self, now: float) -> float:
        """Return seconds since the last answer; 0 while one is awaited."""
        return 0.0 if self._pending is not None else now - self._idle_since

    # What the lane does

    def submit(self, requests: Requests, start: int, stop: int, headers: HeaderSet, expires_at: float = inf) -> int:
        """Take one row when none awaits its answer, to be written at once; return how many were taken."""
        del expires_at
        if start >= stop or not self.available:
            return 0
        data = self._messages.write(work_of(requests).columns, start, headers)
        self._pending = _Pending(requests, start, data, submitted_at=self._clock.monotonic())
        self._submitted.set()
        return 1

    def drain(self) -> None:
        """Take no more rows; end once the one in flight has its answer."""
        if not self.is_draining and not self._is_over:
            self.is_draining = True
            if self._pending is None:
                self._end("drained")

    # The tasks

    async def run(self) -> None:
        """Work until the connection ends, then close it. Network errors end it and are told, not raised."""
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._read)
                    nursery.start_soon(self._write)
                    nursery.start_soon(self._watch)
        finally:
            self._is_over = True
            self._owner.on_ended(self, self._give_up(), self._why)
            await trio.aclose_forcefully(self._stream)

    async def _read(self) -> None:
        while not self._is_over:
            try:
                data = await self._stream.receive_some(RECEIVE_BYTES)
            except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
                return self._end(f"link lost while reading: {error.__cause__ or error}")
            self._heard_at = self._clock.monotonic()
            if self._pending is None:
                return self._end("the peer spoke unasked" if data else "closed by the peer")
            self._feed(self._pending, data)
        return None

    def _feed(self, pending: _Pending, data: bytes | bytearray) -> None:
        try:
            answer = self._messages.feed(data)
        except BrokenAnswerError as error:
            self._cause = error.cause
            return self._end(f"the peer broke HTTP/1.1: {error}" if data else "closed by the peer")
        if answer is not None:
            self._take_answer(pending, answer)
        elif not data:
            self._end("closed by the peer")
        return None

    def _take_answer(self, pending: _Pending, answer: WholeAnswer) -> None:
        self._pending = None
        self.answered += 1
        self._idle_since = self._clock.monotonic()
        # An answer that overtook its request: the rest of that would be read as the next one.
        goes_on = self._messages.can_go_on and not self._is_writing
        self._is_over = not goes_on
        exchange = self._make_exchange(pending, Ending.ANSWERED, Cause.NONE, answer)
        self.answered_well += not tells_of_trouble(exchange)
        self._owner.on_progress(self, (), (exchange,))
        if self.is_draining or not goes_on:
            self._end("drained" if self.is_draining else "the connection was not to be used again")

    async def _write(self) -> None:
        while True:
            await self._submitted.wait()
            pending = self._pending
            if pending is None or pending.sent_at is not None or self._is_over:
                continue
            pending.sent_at = self._clock.monotonic()
            self._is_writing = True
            try:
                await self._stream.send_all(pending.data)
            except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
                return self._end(f"link lost while writing: {error.__cause__ or error}")
            self._is_writing = False

    async def _watch(self) -> None:
        while True:
            now = self._clock.monotonic()
            if self._pending is None:
                due = self._idle_since + IDLE_SECONDS
                if due <= now:
                    return self.drain()
            else:
                due = self._pending.submitted_at + self._timeout_seconds
                if due <= now:
                    self._cause = Cause.TIMEOUT
                    return self._end(f"no answer within {self._timeout_seconds:g} s")
            await trio.sleep(min(WATCHDOG_SECONDS, due - now))

    def _give_up(self) -> Sequence[Exchange]:
        """Return the row that gets no answer any more."""
        pending, self._pending = self._pending, None
        if pending is None:
            return ()
        ending = Ending.UNREACHABLE if pending.sent_at is None else Ending.UNCERTAIN
        return (self._make_exchange(pending, ending, self._cause, WholeAnswer(self._messages.status, (), b"")),)

    def _make_exchange(self, pending: _Pending, ending: Ending, cause: Cause, answer: WholeAnswer) -> Exchange:
        return Exchange(
            requests=pending.requests,
            row=pending.row,
            ending=ending,
            cause=cause,
            error_code=0,
            status=answer.status,
            headers=answer.headers,
            body=answer.body,
            sent_at=pending.sent_at,
            ended_at=self._clock.monotonic(),
        )

    def _end(self, why: str) -> None:
        # Of several tasks that fail in one turn the first tells what happened, the others what followed.
        self._is_over = True
        if not self._scope.cancel_called:
            self._why = why
            self._scope.cancel()
