"""One lane: what fails together, and everything that decides when its rows go out.

The flow: ``enqueue`` takes leased chunk references; the dispatcher task materialises a little ahead, submits rows to
the session with the most room, and leaves the rest to the sessions' own tasks. Their endings come back through
``on_progress`` and ``on_ended``, between two checkpoints of the loop, and wake the dispatcher.

Where a row can be: in the backlog (its chunk not materialised), in hand (to be submitted next, or once something has
happened), in flight on a session, or with the settler. It is in one of them at any time, and only the settler's commit
ends it. A lane that is held puts what it has in hand back into its backlog: it needs none of the active set.
"""

from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from math import inf

import msgspec
import trio

from gateway.clock import Clock
from gateway.delivery.lanes.active_set import ActiveSet
from gateway.delivery.lanes.attempt import Attempts, Conclusion
from gateway.delivery.lanes.backlog import Backlog
from gateway.delivery.lanes.held_lease import HeldLease
from gateway.delivery.lanes.in_hand import InHand
from gateway.delivery.lanes.putting_off import put_off, seconds_to_put_off
from gateway.delivery.lanes.settle import Settler
from gateway.delivery.lanes.started_marks import mark_started
from gateway.delivery.lanes.work import Span, Work
from gateway.delivery.pacing.backoff import Backoff
from gateway.delivery.pacing.hold import Hold
from gateway.delivery.pacing.limits import LaneLimits
from gateway.delivery.pacing.retry_budget import RetryBudget
from gateway.delivery.providers.provider import Provider
from gateway.delivery.sessions.driver import Driver
from gateway.delivery.sessions.pool import PoolStatistics
from gateway.delivery.sessions.session_driver import SUBMIT_ROWS
from gateway.delivery.sessions.sessions import Sessions
from gateway.errors import CredentialUnavailableError
from gateway.journal.engine import ChunkRef, Engine, Recalled
from gateway.telemetry.listener import DeliveryListener
from gateway.wakeup import Wakeup
from native import Exchange, Requests
from protocol.chunks import cut_chunk, decode_chunk
from protocol.disposition import Policy
from protocol.exchanges import Ending
from protocol.outcomes import Remedy, Verdict
from protocol.reasons import Reason

CHUNKS_PER_TURN = 2  # of at most 100 rows, made ready between two checkpoints: below a millisecond
CONCLUDED_AT_ONCE = 64  # rows that a lost session leaves behind: half a millisecond
SHORTEST_NAP_SECONDS = 0.01  # so that a grant of one by one costs short sleeps, not a busy loop
TICK_SECONDS = 1.0  # how often sessions are looked after when nothing else wakes the lane
REST_SECONDS = 15.0  # the same while none is open: what is due then is an alarm after minutes


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
        held: HeldLease,
        limits: LaneLimits,
        policy: Policy,
        clock: Clock,
        uniform: Callable[[float, float], float],
        listener: DeliveryListener,
        before_resuming: Callable[[], Awaitable[object]] = trio.lowlevel.checkpoint,
    ) -> None:
        """``before_resuming`` is awaited when a hold's time has come: the credential's file may be mended by then."""
        self.key = key
        self._provider = provider
        self._uniform = uniform
        self._engine = engine
        self._clock = clock
        self._read_ahead_rows = limits.read_ahead_rows
        self._wakeup = Wakeup()
        self._attempts = Attempts(provider, settler, clock, policy, uniform)
        self._budget = RetryBudget(clock.monotonic())
        self._backlog = Backlog(self._budget)
        self._held = held
        self._hand = InHand(active_set, self._budget, self._wakeup, held)
        self._hold = Hold(
            key,
            retry=Backoff(limits.reconnect_delay_seconds, limits.reconnect_ceiling_seconds, uniform),
            clock=clock,
            uniform=uniform,
            listener=listener,
        )
        self._before_resuming = before_resuming
        # For rows that servers let go of again and again.
        self._refusals = Backoff(limits.reconnect_delay_seconds, limits.reconnect_ceiling_seconds, uniform)
        self._refused_until = -inf
        self._used_at = clock.monotonic()
        self._dispatching: trio.CancelScope | None = None
        self._nursery: trio.Nursery | None = None
        self._is_stopped = False
        self._is_running = False
        self._sessions = Sessions(
            key,
            provider,
            pool_limits=limits.pool,
            session_limits=limits.session,
            clock=clock,
            backoff=Backoff(limits.reconnect_delay_seconds, limits.reconnect_ceiling_seconds, uniform),
            listener=listener,
            wakeup=self._wakeup,
        )

    def __repr__(self) -> str:
        return f"<Lane {self.key}, {self._backlog!r}, {self._hand!r}, {self._sessions!r}>"

    def enqueue(self, ref: ChunkRef) -> None:
        """Queue leased work."""
        self._backlog.push(ref)
        self._used_at = self._clock.monotonic()
        self._wakeup.set()

    def release(self, work: Work) -> None:
        """Let go of a chunk whose rows are all settled."""
        self._hand.release(work)

    def try_again(self) -> None:
        """End a hold before its time: the credential was replaced."""
        self._hold.cut_short()
        self._wakeup.set()

    def unused_for(self, now: float) -> float:
        """Return seconds since work came; 0 while there is any, a session, or a reason to hold the lane."""
        is_used = self._has_work() or self._hand.has_chunks or not self._sessions.is_empty or self._hold.is_on
        return 0.0 if is_used else now - self._used_at

    def idle_sessions(self, now: float) -> list[tuple[float, Driver]]:
        """Return the sessions without a stream, each with the seconds that it has been so."""
        return self._sessions.find_idle(now)

    def stop(self) -> None:
        """Submit nothing more; ``run`` returns once no stream is open. What was not sent stays owed by the engine."""
        self._is_stopped = True
        self._sessions.leave_queue()
        if self._dispatching is not None:
            self._dispatching.cancel()
        self._sessions.stop()

    def begin(self, nursery: trio.Nursery) -> None:
        """Have :meth:`run` run in ``nursery``, unless it does: at once, or when the lane's first try has its turn."""
        if not self._is_running and not self._is_stopped and self._sessions.may_begin(lambda: self.begin(nursery)):
            self._is_running = True
            nursery.start_soon(self.run)

    async def run(self) -> None:
        """Dispatch until there is neither work nor a session, or until stopped and at rest, or cancelled.

        Who brings work starts it again: most of Web Push's thousands of lanes are idle, and tasks cost most of a lane.
        """
        while not self._is_idle and not self._is_stopped:
            async with trio.open_nursery() as self._nursery:
                with trio.CancelScope() as self._dispatching:
                    await self._run_dispatcher(self._nursery)
            self._nursery = self._dispatching = None
        self._sessions.leave_queue()
        self._is_running = False

    @property
    def _is_idle(self) -> bool:
        return not self._has_work() and self._sessions.is_empty

    async def _run_dispatcher(self, nursery: trio.Nursery) -> None:
        while not self._is_idle:
            with trio.move_on_after(self._patience()):
                await self._wakeup.wait()
            if self._hold.is_due:
                await self._before_resuming()
            self._hold.end_if_due()
            self._settle_doubt()
            self._hand.grant(self._clock.monotonic())
            await self._dispatch()
            self._sessions.tend(nursery, self, has_work=self._has_work() and self._may_send())
            await self._put_off()

    async def _put_off(self) -> None:
        """Leave rows to the engine for a while whose origin was never reached: there may be thousands of such lanes."""
        if longest := seconds_to_put_off(self._sessions.failures_to_reach, self._backlog.rows):
            seconds = self._sessions.seconds_of_backoff() + self._uniform(longest / 2, longest)
            await put_off(self._engine, self._held, self._backlog.take_all(), self._clock, seconds)

    def _has_work(self) -> bool:
        return bool(self._hand or self._backlog)

    def _may_send(self) -> bool:
        is_waiting = self._hold.is_on or self._clock.monotonic() < self._refused_until
        return not is_waiting and self._held.may_send() and not self._provider.refuses_all

    def _patience(self) -> float:
        if self._hold.is_on:
            return TICK_SECONDS
        now = self._clock.monotonic()
        waits = [TICK_SECONDS if self._sessions.are_open else REST_SECONDS, self._sessions.seconds_until_opening(now)]
        if self._refused_until > now:
            waits.append(self._refused_until - now)
        if self._hand.waits_for_budget:
            waits.append(self._budget.seconds_until_one(now))
        if (seconds := self._backlog.seconds_until_retry(now)) is not None:
            waits.append(seconds)
        if self._hand.ready and self._provider.rate is not None:
            waits.append(self._provider.rate.seconds_until_one(now))
        return max(SHORTEST_NAP_SECONDS, min(waits))

    # Sending

    async def _dispatch(self) -> None:
        if self._provider.refuses_all:
            await self._materialise()  # where they get their final word; the settler's commit wakes us for more
        while self._may_send():
            driver = self._sessions.choose()
            if driver is None or not (self._hand.ready or await self._materialise()):
                return
            if not await self._has_credential():
                return
            granted = self._spend_rate(min(driver.available, SUBMIT_ROWS, self._trusted_rows()))
            if not granted:
                return
            if unmarked := self._hand.find_unmarked(granted):
                await mark_started(self._engine, self._held, unmarked)
            # While that was waited for a cancel may have taken the rows back.
            taken = await self._submit(driver, granted) if self._hand.ready else 0
            self._return_rate(granted - taken)

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

    def _trusted_rows(self) -> int:
        """Return how many rows the credential is good for now: one, and alone, while it is doubted."""
        if not self._hold.is_doubted:
            return SUBMIT_ROWS
        return int(not self._sessions.in_flight)

    def _spend_rate(self, rows: int) -> int:
        rate = self._provider.rate
        return rows if rate is None else rate.spend(rows, self._clock.monotonic())

    def _return_rate(self, rows: int) -> None:
        if self._provider.rate is not None:
            self._provider.rate.give_back(rows)

    async def _submit(self, driver: Driver, most: int) -> int:
        """Submit rows of the first span that is ready, ``most`` at most; return how many were taken."""
        span = self._hand.ready.pop(0)
        try:
            return await self._submit_span(driver, span, most)
        finally:
            if span.start < span.stop:
                self._hand.repeat((span,), ())

    async def _submit_span(self, driver: Driver, span: Span, most: int) -> int:
        work, stop = span.work, self._attempts.expire(span, min(span.stop, span.start + most))
        if stop > span.start:
            if self._clock.monotonic() - work.built_at > self._provider.requests_lifetime_seconds:
                work.take(await self._provider.build_requests(work.chunk, work.batch), self._clock.monotonic())
                # While that was waited for the session may have gone, and rows may have become too old.
                stop = self._attempts.expire(span, stop)
            if unmarked := work.find_unmarked(span.start, stop):
                stop = unmarked[0]  # they came to the front while others were marked
        headers = self._provider.session_headers()
        stop = min(stop, span.start + driver.available)
        if stop <= span.start or headers is None or not self._held.has(work.ref):
            return 0
        earliest_ms = work.earliest_expiry(span.start, stop) + work.ref.lead_ms
        expires_at = self._clock.monotonic() + earliest_ms / 1000 - self._clock.steady()
        taken = driver.submit(work.requests, span.start, stop, headers, expires_at)
        span.start += taken
        return taken

    async def _materialise(self) -> bool:
        """Make the next queued chunks ready; return whether there are any."""
        refs = deque(self._take_refs())
        try:
            for at, stored in enumerate(await self._engine.read(refs) if refs else ()):
                if at % CHUNKS_PER_TURN == CHUNKS_PER_TURN - 1:
                    await trio.lowlevel.checkpoint()
                if stored is None:
                    self._hand.let_go(refs.popleft())
                    continue
                chunk = cut_chunk(decode_chunk(stored), refs[0].start, refs[0].stop)
                built = await self._provider.build_requests(chunk, batch := refs[0].record)
                if not self._held.has(refs[0]):
                    break
                now, ref = self._clock.monotonic(), refs.popleft()
                work = Work(ref, batch, chunk, built=built, provider=self._provider.name, now=now)
                self._take_in(work, built.refused)
        finally:
            # Stopped in between: they were not sent, and are there to be recalled.
            for ref in refs:
                self._hand.let_go(ref)
                if self._held.has(ref):
                    self._backlog.push(ref)
        return bool(self._hand.ready)

    def _take_in(self, work: Work, refused: Mapping[int, Verdict]) -> None:
        """Make a chunk's rows ready, less those that can't be sent."""
        if not refused:
            self._hand.add(work)
            return
        self._hand.add(work, [row for row in range(len(work.chunk)) if row not in refused])
        for row, verdict in refused.items():
            self._attempts.refuse(work, row, verdict)

    def _take_refs(self) -> list[ChunkRef]:
        refs: list[ChunkRef] = []
        rows = 0
        now = self._clock.monotonic()
        while self._backlog and rows < self._read_ahead_rows and self._hand.has_room():
            parts = self._backlog.pop(now)
            if not parts:
                break
            for ref in parts:
                self._hand.take(ref)
                rows += ref.stop - ref.start
            refs += parts
        return refs

    def recall(self, batch: int, chunk: int, rows: int) -> Recalled:
        """Let go of those of a chunk's leased ``rows`` (bits) that are not being sent, and return them."""
        waiting = self._backlog.recall(batch, chunk, rows)
        in_hand = self._hand.recall(batch, chunk, rows & ~waiting.rows)
        return Recalled(waiting.rows | in_hand.rows, {**waiting.attempts, **in_hand.attempts})

    def let_go_of_all(self) -> int:
        """Forget what is not in flight, as the lease has ended; return how many rows were open, in flight or not."""
        self._wakeup.set()
        return self._backlog.let_go_of_all() + self._hand.let_go_of_all()

    # Endings

    def on_progress(self, driver: Driver, touched: Sequence[Requests], exchanges: Sequence[Exchange]) -> None:
        """See :class:`SessionOwner`."""
        self._credit(*self._attempts.succeed(touched))
        if exchanges:
            self._sessions.note_let_go(driver, sum(each.ending is Ending.UNPROCESSED for each in exchanges))
            conclusion = self._attempts.conclude(exchanges, session_served=driver.answered > 0)
            self._follow(conclusion)
            if conclusion.replaces_session:
                driver.drain()
        goaway = driver.take_goaway_data()
        verdict = None if goaway is None else self._provider.classify_goaway(goaway)
        if verdict is not None and verdict.remedy is Remedy.HOLD_LANE:
            self._begin_hold(verdict.reason, verdict.provider_reason)
        self._wakeup.set()

    def on_ended(self, driver: Driver, exchanges: Sequence[Exchange], why: str) -> None:
        """See :class:`SessionOwner`."""
        unanswered = sum(exchange.ending is not Ending.ANSWERED for exchange in exchanges)
        self._sessions.forget(driver, why, unanswered)
        if exchanges and self._nursery is not None:
            self._nursery.start_soon(self._conclude, exchanges)

    async def _conclude(self, exchanges: Sequence[Exchange]) -> None:
        """Conclude what a session left, a few at a time; finished even when cancelled, so that none is forgotten."""
        with trio.CancelScope(shield=True):
            for start in range(0, len(exchanges), CONCLUDED_AT_ONCE):
                self._follow(self._attempts.conclude(exchanges[start : start + CONCLUDED_AT_ONCE]))
                self._wakeup.set()
                await trio.lowlevel.checkpoint()

    def _credit(self, succeeded: int, retried: int) -> None:
        if succeeded:
            self._budget.succeed(succeeded, retries=retried)
            self._hold.succeed()
            self._refusals.succeed()
            if refused := self._hand.take_refused():
                self._follow(self._attempts.conclude(refused))

    def _follow(self, conclusion: Conclusion) -> None:
        self._credit(conclusion.succeeded, conclusion.retried)
        self._hand.repeat(conclusion.free_spans, conclusion.paid_spans)
        now = self._clock.monotonic()
        if conclusion.is_refused_again and now >= self._refused_until:
            self._refused_until = now + self._refusals.fail()
        if conclusion.keeps_token:
            self._provider.keep_credential()
            self._hold.alarm_token_updates()
        if conclusion.slows and self._provider.rate is not None:
            self._provider.rate.slow(now)
        if conclusion.refusal is not None:
            self._hand.set_aside(conclusion.refused)
            self._doubt(conclusion.refusal, len(conclusion.refused))

    def _doubt(self, refusal: Verdict, rows: int) -> None:
        """Hold the lane for a refused credential, unless another row has yet to tell whether it is bad."""
        has_others = self._hand.ready or self._backlog or self._sessions.in_flight
        if rows > 1 or self._hold.is_doubted or not has_others:
            self._begin_hold(refusal.reason, refusal.provider_reason)
        self._hold.is_doubted = True

    def _settle_doubt(self) -> None:
        """Give up what a held lane has in hand, and end a doubt that no other row is left to settle."""
        if self._hold.is_on:
            self._hand.give_back(self._backlog)
        elif not (self._hand.ready or self._backlog or self._sessions.in_flight):
            self._hand.resume_refused()

    def _begin_hold(self, reason: Reason | None, word: str | None, *, can_retry: bool = False) -> None:
        if self._hold.begin(reason, word, can_retry=can_retry):
            # "Close all connections, fix the problem, and open new connections" (docs/apns.md#provider-tokens).
            self._sessions.drain_all()

    def statistics(self) -> LaneStatistics:
        """Return the counts now."""
        return LaneStatistics(
            queued_rows=self._backlog.rows,
            ready_rows=self._hand.ready_rows,
            waiting_rows=self._hand.waiting_rows,
            is_held=self._hold.is_on,
            pool=self._sessions.statistics(),
        )
