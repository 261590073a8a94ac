"""Everything between accepted work and its final word, as one service: lanes made as work for them appears.

Task tree: one leaser that takes work from the engine into the lanes, two that renew its lease and let go of rows for
other handles of the engine, one settler that commits final words, one that ends what expired while it waits in the
engine, one that lets go of lanes and sessions that nobody uses, and one dispatcher a lane with the tasks of its
sessions below it.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from math import inf

import msgspec
import trio

from gateway.clock import Clock
from gateway.delivery.lanes.active_set import ActiveSet
from gateway.delivery.lanes.dead_tokens import release_dead_tokens
from gateway.delivery.lanes.held_lease import HeldLease
from gateway.delivery.lanes.lane import Lane, LaneStatistics
from gateway.delivery.lanes.putting_off import put_off
from gateway.delivery.lanes.retirement import Retirement
from gateway.delivery.lanes.settle import Settler
from gateway.delivery.lanes.withheld import FindMissing, Withheld, miss_nothing
from gateway.delivery.lanes.work import Work
from gateway.delivery.pacing.limits import LaneLimits
from gateway.delivery.providers.provider import Provider
from gateway.journal.engine import ChunkRef, Engine, Recalled
from gateway.telemetry.listener import DeliveryListener
from protocol.disposition import Policy

# Rows leased at once: a hundred chunks, so that a long backlog is taken in without one long turn of the loop.
LEASE_ROWS = 10_000
# Put into lanes between two checkpoints, half a millisecond of work; a lane that is made counts as so many.
REFERENCES_A_TURN = 100
LANE_IN_REFERENCES = 20
# How late an expired notification that nobody has in hand may get its result.
EXPIRE_INTERVAL_SECONDS = 1.0
# A lane is made for each origin that a subscription names; an idle one takes 4 KiB, one that
# waits for its first try 6, and one with a task 16 beside its sessions: 160 MiB in all at the most.
MOST_LANES = 10_000
# What is beyond them waits so long in the engine: meanwhile some are idle, or about to be put off.
BEYOND_SECONDS = 30.0
ALARM_SECONDS = 60.0
MINUTE_SECONDS = 60.0
RENEWED_AFTER = 1 / 3  # of what is left of a lease

ProviderOfLane = Callable[[str], tuple[Provider, LaneLimits]]


class DeliveryLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How much is materialised over all lanes, how long a final word waits for company, how far a row is followed.

    ``most_lanes``: when there are so many, the one that has been idle for longest is forgotten for a new one; when none
    is idle, the new one's rows wait in the engine.
    """

    active_rows: int
    active_bytes: int
    settle_delay_seconds: float
    policy: Policy = Policy()
    most_lanes: int = MOST_LANES


class Delivery:
    """See the module text. ``run`` owns everything. However it ends, what is known by then is committed.

    Rows that were neither sent nor settled stay owed by the engine.
    """

    def __init__(
        self,
        engine: Engine,
        provider_of_lane: ProviderOfLane,
        *,
        limits: DeliveryLimits,
        clock: Clock,
        uniform: Callable[[float, float], float],
        listener: DeliveryListener,
        before_resuming: Callable[[], Awaitable[object]] = trio.lowlevel.checkpoint,
        find_missing: FindMissing = miss_nothing,
    ) -> None:
        """``before_resuming`` is awaited when a held lane's time has come, see :class:`Lane`."""
        self._engine = engine
        self._withheld = Withheld(find_missing, listener)
        self._provider_of_lane = provider_of_lane
        self._clock = clock
        self._uniform = uniform
        self._listener = listener
        self._before_resuming = before_resuming
        self._lanes: OrderedDict[str, Lane] = OrderedDict()
        self._retirement = Retirement(self._lanes, clock)
        self._most_lanes = limits.most_lanes
        self._alarm_at = -inf
        self._taken = 0
        self._active_set = ActiveSet(limits.active_rows, limits.active_bytes)
        self._policy = limits.policy
        self._leasing = trio.CancelScope()
        engine.set_recall(self._recall)
        self._held = HeldLease(clock, self._let_go)
        self._settler = Settler(
            engine, self._held, clock, delay_seconds=limits.settle_delay_seconds, on_released=self._release
        )

    def __repr__(self) -> str:
        return f"<Delivery {len(self._lanes)} lanes, {self._active_set!r}>"

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Deliver until stopped and at rest, or cancelled, which cuts what is in flight.

        A failing engine is raised: nothing may be sent that can't be settled.
        """
        try:
            async with trio.open_nursery() as helpers:
                helpers.start_soon(self._settler.run)
                helpers.start_soon(self._keep_lease)
                helpers.start_soon(self._engine.answer_recalls)
                helpers.start_soon(self._expire_waiting)
                helpers.start_soon(release_dead_tokens, self._engine, self._clock, self._listener)
                helpers.start_soon(self._retirement.run)
                helpers.start_soon(self._withheld.run)
                helpers.start_soon(self._tell_minutes)
                async with trio.open_nursery() as lanes:
                    task_status.started()
                    with self._leasing:
                        await self._take_work(lanes)
                helpers.cancel_scope.cancel()
        finally:
            await self._settler.flush()

    def stop(self) -> None:
        """Submit nothing more; ``run`` returns once no stream is open and all words are committed."""
        self._leasing.cancel()
        for lane in self._lanes.values():
            lane.stop()

    def try_again(self) -> None:
        """End every lane's hold before its time: credentials were replaced."""
        for lane in self._lanes.values():
            lane.try_again()

    async def _take_work(self, nursery: trio.Nursery) -> None:
        while True:
            beyond: list[ChunkRef] = []
            refs = await self._engine.lease(LEASE_ROWS)
            self._held.take(refs[0].lease)
            for ref in refs:
                if self._held.has(ref) and self._withheld.take(ref):
                    continue
                await self._pause_between(ref)
                if not self._held.has(ref):
                    break
                lane = self._lanes.get(ref.lane) or self._open_lane(ref.lane)
                if lane is None:
                    beyond.append(ref)
                    continue
                self._lanes.move_to_end(ref.lane)
                lane.enqueue(ref)
                lane.begin(nursery)
            if beyond and self._held.has(beyond[0]):
                await self._wait_for_lanes(beyond)

    async def _pause_between(self, ref: ChunkRef) -> None:
        """Let others run after every few references; lanes that have to be made take a tenth of a millisecond each.

        Not cancelled: what was leased is to be found in a lane when it is recalled, or left to the next start.
        """
        self._taken += 1 if ref.lane in self._lanes else LANE_IN_REFERENCES
        if self._taken >= REFERENCES_A_TURN:
            self._taken = 0
            await trio.lowlevel.cancel_shielded_checkpoint()

    async def _wait_for_lanes(self, refs: Sequence[ChunkRef]) -> None:
        """Leave rows to the engine that no lane can be made for."""
        now = self._clock.monotonic()
        if now - self._alarm_at >= ALARM_SECONDS:
            self._alarm_at = now
            self._listener.lanes_used_up(self._most_lanes, BEYOND_SECONDS)
        await put_off(self._engine, self._held, refs, self._clock, BEYOND_SECONDS)

    async def _keep_lease(self) -> None:
        """Renew the lease while rows are in hand or may be; a third of its time leaves two for a slow engine."""
        while True:
            lease = await self._engine.renew()
            self._held.take(lease)
            await trio.sleep((lease.ends_at - self._clock.monotonic()) * RENEWED_AFTER)

    def _let_go(self, lease: int) -> None:
        """Forget rows that may be another process's by now; those in flight end without a word."""
        rows = self._withheld.let_go_of_all() + sum(lane.let_go_of_all() for lane in self._lanes.values())
        self._listener.lease_ended(lease, rows)

    async def _tell_minutes(self) -> None:
        while True:
            await trio.sleep(MINUTE_SECONDS)
            self._listener.minute_passed()

    async def _expire_waiting(self) -> None:
        while True:
            await self._engine.wait_overdue()
            await self._engine.expire(int(self._clock.steady() * 1000))
            await trio.sleep(EXPIRE_INTERVAL_SECONDS)  # what is due meanwhile goes together

    def _open_lane(self, key: str) -> Lane | None:
        """Return a new lane; None when there are too many, and none of them is idle."""
        if len(self._lanes) >= self._most_lanes and not self._retirement.make_room():
            return None
        provider, limits = self._provider_of_lane(key)
        lane = self._lanes[key] = Lane(
            key,
            provider,
            engine=self._engine,
            settler=self._settler,
            active_set=self._active_set,
            held=self._held,
            limits=limits,
            policy=self._policy,
            clock=self._clock,
            uniform=self._uniform,
            listener=self._listener,
            before_resuming=self._before_resuming,
        )
        if self._leasing.cancel_called:
            lane.stop()  # a lease that was on its way when everything stopped: its rows stay owed
        return lane

    def _recall(self, lane: str, batch: int, chunk: int, rows: int) -> Recalled:
        """Return those of leased ``rows`` that a lane lets go of, for the engine to cancel or to end."""
        withheld = self._withheld.recall(batch, chunk, rows)
        found = self._lanes.get(lane)
        if found is None or withheld == rows:
            return Recalled(withheld)
        recalled = found.recall(batch, chunk, rows & ~withheld)
        return Recalled(recalled.rows | withheld, recalled.attempts)

    def _release(self, work: Work) -> None:
        self._lanes[work.ref.lane].release(work)

    def statistics(self) -> Mapping[str, LaneStatistics]:
        """Return the counts of every lane."""
        return {key: lane.statistics() for key, lane in self._lanes.items()}
