"""One lane: what fails together, and everything that decides when its rows go out.

The flow: ``enqueue`` takes leased chunk references; the dispatcher task materialises a little ahead, submits rows to
the session with the most room, and leaves the rest to the sessions' own tasks. Their endings come back through
``on_progress`` and ``on_ended``, between two checkpoints of the loop, and wake the dispatcher.

Where a row can be: in the fair queue (its chunk not materialised), in ``_ready`` (to be submitted next), in
``_waiting`` (a repeat that the retry budget did not grant yet), in flight on a session, or with the settler. It is in
one of them at any time, and only the settler's commit ends it.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from math import inf

import msgspec
import trio

from gateway.clock import Clock
from gateway.delivery.active_set import ActiveSet
from gateway.delivery.attempt import Attempts, Conclusion
from gateway.delivery.backlog import Backlog
from gateway.delivery.backoff import Backoff
from gateway.delivery.driver import Driver
from gateway.delivery.hold import Hold
from gateway.delivery.pool import PoolLimits, PoolStatistics
from gateway.delivery.provider import Provider
from gateway.delivery.retry_budget import RetryBudget
from gateway.delivery.session_driver import SUBMIT_ROWS, SessionLimits
from gateway.delivery.sessions import Sessions
from gateway.delivery.settle import Settler
from gateway.delivery.work import Span, Work, spans_of, withdraw
from gateway.errors import CredentialUnavailableError
from gateway.journal.engine import ChunkRef, Engine
from gateway.telemetry.listener import DeliveryListener
from gateway.wakeup import Wakeup
from native import Exchange, Requests
from protocol.chunks import cut_chunk, decode_chunk
from protocol.disposition import Policy
from protocol.exchanges import Ending
from protocol.outcomes import Remedy, Verdict
from protocol.reasons import Reason

# Rows materialised in one go: enough to fill a session's usual window, little enough that urgent work passes soon.
READ_AHEAD_ROWS = 1_000
# Chunks of at most 100 rows made ready between two checkpoints, so that no turn of the loop passes a millisecond.
CHUNKS_PER_TURN = 2
SHORTEST_NAP_SECONDS = 0.01  # so that a grant of one by one costs short sleeps, not a busy loop
TICK_SECONDS = 1.0  # how often sessions are looked after when nothing else wakes the lane


class LaneLimits(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of a lane. ``read_ahead_rows`` are materialised in one go."""

    pool: PoolLimits
    session: SessionLimits
    reconnect_delay_seconds: float
    reconnect_ceiling_seconds: float
    read_ahead_rows: int = READ_AHEAD_ROWS


class LaneStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """Where the lane's rows are, and its sessions."""

    queued_rows: int
    ready_rows: int
    waiting_rows: int
    is_held: bool
    pool: PoolStatistics


class Lane:
    """See the module text. ``run`` owns all tasks and sessions of the lane."""

    def __init__(
        self,
        key: str,
        provider: Provider,
        *,
        engine: Engine,
        settler: Settler,
        active_set: ActiveSet,
        limits: LaneLimits,
        policy: Policy,
        clock: Clock,
        uniform: Callable[[float, float], float],
        listener: DeliveryListener,
    ) -> None:
        self.key = key
        self._provider = provider
        self._engine = engine
        self._active_set = active_set
        self._clock = clock
        self._read_ahead_rows = limits.read_ahead_rows
        self._wakeup = Wakeup()
        self._ready: deque[Span] = deque()
        self._waiting: deque[Span] = deque()
        self._active_chunks = 0
        self._works: set[Work] = set()  # those of them that are materialised: nobody else keeps them (see ``work``)
        self._attempts = Attempts(provider, settler, clock, policy, uniform)
        self._budget = RetryBudget(clock.monotonic())
        self._backlog = Backlog(self._budget)
        self._hold = Hold(
            key,
            retry=Backoff(limits.reconnect_delay_seconds, limits.reconnect_ceiling_seconds, uniform),
            clock=clock,
            uniform=uniform,
            listener=listener,
        )
        self._used_at = clock.monotonic()
        self._dispatching = trio.CancelScope()
        self._sessions = Sessions(
            key,
            provider,
            pool_limits=limits.pool,
            session_limits=limits.session,
            clock=clock,
            backoff=Backoff(limits.reconnect_delay_seconds, limits.reconnect_ceiling_seconds, uniform),
            listener=listener,
            owner=self,
            wakeup=self._wakeup,
        )

    def __repr__(self) -> str:
        return f"<Lane {self.key}, {self._backlog!r}, {len(self._ready)} spans ready, {self._sessions!r}>"

    def enqueue(self, ref: ChunkRef) -> None:
        """Queue leased work."""
        self._backlog.push(ref)
        self._used_at = self._clock.monotonic()
        self._wakeup.set()

    def release(self, work: Work) -> None:
        """Let go of a chunk whose rows are all settled."""
        self._works.discard(work)
        self._let_go(work.ref)

    def _let_go(self, ref: ChunkRef) -> None:
        self._active_chunks -= 1
        self._active_set.release(ref)
        if not self._active_chunks:
            self._wakeup.set()  # it may take one however full the active set is

    def unused_for(self, now: float) -> float:
        """Return seconds since work came; 0 while there is any, a session, or a reason to hold the lane."""
        is_used = self._has_work() or self._active_chunks or not self._sessions.is_empty or self._hold.is_on
        return 0.0 if is_used else now - self._used_at

    def idle_sessions(self, now: float) -> list[tuple[float, Driver]]:
        """Return the sessions without a stream, each with the seconds that it has been so."""
        return self._sessions.find_idle(now)

    def stop(self) -> None:
        """Submit nothing more; ``run`` returns once no stream is open. What was not sent stays owed by the engine."""
        self._dispatching.cancel()
        self._sessions.stop()

    async def run(self) -> None:
        """Dispatch until stopped and at rest, or cancelled."""
        async with trio.open_nursery() as nursery:
            with self._dispatching:
                await self._run_dispatcher(nursery)

    async def _run_dispatcher(self, nursery: trio.Nursery) -> None:
        while True:
            with trio.move_on_after(self._patience()):
                await self._wakeup.wait()
            self._hold.end_if_due()
            self._grant_waiting()
            await self._dispatch()
            self._sessions.tend(nursery, has_work=self._has_work() and self._may_send())

    def _has_work(self) -> bool:
        return bool(self._ready or self._waiting or self._backlog)

    def _may_send(self) -> bool:
        return not self._hold.is_on and not self._provider.refuses_all

    def _patience(self) -> float:
        if not self._has_work() and self._sessions.is_empty:
            return inf
        if self._hold.is_on:
            return TICK_SECONDS
        now = self._clock.monotonic()
        waits = [TICK_SECONDS]
        if self._waiting:
            waits.append(self._budget.seconds_until_one(now))
        if (seconds := self._backlog.seconds_until_retry(now)) is not None:
            waits.append(seconds)
        if self._ready and self._provider.rate is not None:
            waits.append(self._provider.rate.seconds_until_one(now))
        return max(SHORTEST_NAP_SECONDS, min(waits))

    # Sending

    async def _dispatch(self) -> None:
        if self._provider.refuses_all:
            await self._materialise()  # where they get their final word; the settler's commit wakes us for more
        while self._may_send():
            driver = self._sessions.choose()
            if driver is None or not (self._ready or await self._materialise()):
                return
            if not await self._has_credential():
                return
            granted = self._spend_rate(min(driver.available, SUBMIT_ROWS))
            if not granted:
                return
            self._return_rate(granted - await self._submit(driver, granted))

    async def _has_credential(self) -> bool:
        """Wait for the provider's credential; hold the lane when there is none to be had."""
        if self._provider.session_headers() is not None:
            return True
        try:
            await self._provider.acquire_credential()
        except CredentialUnavailableError as error:
            self._begin_hold(Reason.BAD_CREDENTIALS, str(error), can_retry=error.can_retry)
            return False
        self._hold.acquire()
        return True

    def _spend_rate(self, rows: int) -> int:
        rate = self._provider.rate
        return rows if rate is None else rate.spend(rows, self._clock.monotonic())

    def _return_rate(self, rows: int) -> None:
        if self._provider.rate is not None:
            self._provider.rate.give_back(rows)

    async def _submit(self, driver: Driver, most: int) -> int:
        """Submit rows of the first span that is ready, ``most`` at most; return how many were taken."""
        span = self._ready.popleft()
        try:
            return await self._submit_span(driver, span, most)
        finally:
            if span.start < span.stop:
                self._ready.appendleft(span)

    async def _submit_span(self, driver: Driver, span: Span, most: int) -> int:
        work, stop = span.work, self._expire(span, min(span.stop, span.start + most))
        if stop > span.start:
            if self._clock.monotonic() - work.built_at > self._provider.requests_lifetime_seconds:
                work.take(await self._provider.build_requests(work.chunk, work.batch), self._clock.monotonic())
            if rows := work.find_reported(span.start, stop):
                # The mark comes first (design, section 2).
                await self._engine.mark_started(work.ref.batch, work.ref.chunk, rows)
            # While that was waited for the session may have gone, and rows may have become too old.
            stop = self._expire(span, stop)
        headers = self._provider.session_headers()
        if not driver.available or headers is None:
            return 0
        taken = driver.submit(work.requests, span.start, min(stop, span.start + driver.available), headers)
        span.start += taken
        return taken

    def _expire(self, span: Span, stop: int) -> int:
        """Settle the expired rows at the head of ``span``; return where the rows that may be sent end."""
        now_ms = int(self._clock.wall() * 1000)
        if now_ms < span.work.earliest_expiry_ms:
            return stop
        while span.start < stop and span.work.variant(span.start).expires_at_ms <= now_ms:
            self._attempts.expire(span.work, span.start)
            span.start += 1
        live = span.start
        while live < stop and span.work.variant(live).expires_at_ms > now_ms:
            live += 1
        return live

    async def _materialise(self) -> bool:
        """Make the next queued chunks ready; return whether there are any."""
        refs = self._take_refs()
        for at, stored in enumerate(await self._engine.read(refs) if refs else ()):
            if at % CHUNKS_PER_TURN == CHUNKS_PER_TURN - 1:
                await trio.lowlevel.checkpoint()
            ref = refs[at]
            if stored is None:
                self._let_go(ref)
                continue
            chunk = cut_chunk(decode_chunk(stored), ref.start, ref.stop)
            batch = self._engine.batch(ref.batch)
            built = await self._provider.build_requests(chunk, batch)
            now = self._clock.monotonic()
            self._take_in(Work(ref, batch, chunk, built=built, provider=self._provider.name, now=now), built.refused)
        return bool(self._ready)

    def _take_in(self, work: Work, refused: Mapping[int, Verdict]) -> None:
        """Make a chunk's rows ready, less those that can't be sent."""
        self._works.add(work)
        if not refused:
            self._ready.append(Span(work, 0, len(work.chunk)))
            return
        for row, verdict in refused.items():
            self._attempts.refuse(work, row, verdict)
        self._ready.extend(spans_of(work, [row for row in range(len(work.chunk)) if row not in refused]))

    def _take_refs(self) -> list[ChunkRef]:
        refs: list[ChunkRef] = []
        rows = 0
        now = self._clock.monotonic()
        while rows < self._read_ahead_rows and (self._active_set.has_room() or not self._active_chunks):
            parts = self._backlog.pop(now)
            if not parts:
                break
            for ref in parts:
                self._active_set.take(ref)
                self._active_chunks += 1
                rows += ref.stop - ref.start
            refs += parts
        if not refs and self._backlog:
            self._active_set.wake_when_room(self._wakeup)
        return refs

    def recall(self, batch: int, chunk: int, rows: int) -> int:
        """Let go of those of a chunk's leased ``rows`` (bits) that are not being sent, and return them."""
        found = self._backlog.recall(batch, chunk, rows)
        for spans in (self._ready, self._waiting):
            for span in withdraw(spans, batch, chunk, rows & ~found):
                found |= span.stored_rows
                span.work.open_rows -= span.stop - span.start
                if not span.work.open_rows:
                    self.release(span.work)
        return found

    # Endings

    def on_progress(self, driver: Driver, touched: Sequence[Requests], exchanges: Sequence[Exchange]) -> None:
        """See :class:`SessionOwner`."""
        self._credit(*self._attempts.succeed(touched))
        if exchanges:
            self._follow(self._attempts.conclude(exchanges), driver)
        goaway = driver.take_goaway_data()
        if goaway is not None:
            verdict = self._provider.classify_goaway(goaway)
            if verdict is not None and verdict.remedy is Remedy.HOLD_LANE:
                self._begin_hold(verdict.reason, verdict.provider_reason)
        self._wakeup.set()

    def on_ended(self, driver: Driver, exchanges: Sequence[Exchange], why: str) -> None:
        """See :class:`SessionOwner`."""
        unanswered = sum(exchange.ending is not Ending.ANSWERED for exchange in exchanges)
        self._sessions.forget(driver, why, unanswered)
        self._follow(self._attempts.conclude(exchanges), driver)

    def _credit(self, succeeded: int, retried: int) -> None:
        if succeeded:
            self._budget.succeed(succeeded, retries=retried)
            self._hold.succeed()

    def _follow(self, conclusion: Conclusion, driver: Driver) -> None:
        self._credit(conclusion.succeeded, conclusion.retried)
        self._ready.extendleft(conclusion.free_spans)
        self._waiting.extend(conclusion.paid_spans)
        if conclusion.replaces_session:
            driver.drain()
        if conclusion.keeps_token:
            self._provider.keep_credential()
            self._hold.alarm_token_updates()
        if conclusion.slows and self._provider.rate is not None:
            self._provider.rate.slow(self._clock.monotonic())
        if conclusion.hold is not None:
            self._begin_hold(conclusion.hold.reason, conclusion.hold.provider_reason)

    def _grant_waiting(self) -> None:
        now = self._clock.monotonic()
        while self._waiting:
            span = self._waiting[0]
            granted = self._budget.spend(span.stop - span.start, now)
            if not granted:
                return
            self._ready.appendleft(Span(span.work, span.start, span.start + granted))
            span.start += granted
            if span.start == span.stop:
                self._waiting.popleft()

    def _begin_hold(self, reason: Reason | None, word: str | None, *, can_retry: bool = False) -> None:
        if self._hold.begin(reason, word, can_retry=can_retry):
            # "Close all its connections first, then fix, then reconnect" (provider page, section 4).
            self._sessions.drain_all()

    def statistics(self) -> LaneStatistics:
        """Return the counts now."""
        return LaneStatistics(
            queued_rows=self._backlog.rows,
            ready_rows=sum(span.stop - span.start for span in self._ready),
            waiting_rows=sum(span.stop - span.start for span in self._waiting),
            is_held=self._hold.is_on,
            pool=self._sessions.statistics(),
        )
