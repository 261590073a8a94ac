"""Delivery from engine to provider in virtual time: everything real but the sockets, which are streams of memory."""

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import trio
from trio.testing import memory_stream_pair

from bench.simulators.apns import ApnsScenario, ApnsSimulator, ApnsSimulatorOptions, open_apns_simulator
from gateway.clock import Clock, TrioClock
from gateway.config import TcpAddress
from gateway.config.sections import ApnsSettings
from gateway.delivery.credentials import ApnsCredential
from gateway.delivery.credentials.provider_token import ProviderTokenSource
from gateway.delivery.credentials.signing_key import load_signing_key
from gateway.delivery.delivery import Delivery, DeliveryLimits
from gateway.delivery.egress.dialer import Dialer, Link
from gateway.delivery.lanes.held_lease import HeldLease
from gateway.delivery.lanes.lane import LaneStatistics
from gateway.delivery.pacing.limits import LaneLimits, PoolLimits, SessionLimits
from gateway.delivery.providers.apns import ApnsProvider
from gateway.errors import SessionOpenError
from gateway.journal.engine import Engine, NewChunk, Settlement
from gateway.journal.leases import SOLE_LEASE
from gateway.journal.memory.engine import MemoryEngine
from gateway.telemetry.listener import DeliveryListener
from protocol.chunks import Chunk, Variant, encode_chunk, expand_ranges
from protocol.providers.apns import ApnsFacts
from protocol.reasons import Reason
from tests.support.journal import LANE, LATER_MS, append_batch

HEADERS = ((b"apns-topic", b"com.example.shop"), (b"apns-push-type", b"alert"), (b"apns-priority", b"10"))


def make_push_chunk(
    first: int,
    stop: int,
    *,
    lane: str = LANE,
    queue: int = 1,
    expires_at_ms: Sequence[int] = (LATER_MS,),
    report_unknown: bool = False,
    alert: str = "hi",
) -> NewChunk:
    """Return a chunk that APNs takes, of a batch's positions; each row's device token is its position in hex."""
    rows = stop - first
    chunk = Chunk(
        lane=lane,
        queue=queue,
        indexes=[first, stop],
        destinations=[position.to_bytes(32, "big") for position in range(first, stop)],
        bodies=[b'{"aps":{"alert":"%s"}}' % alert.encode()],
        variants=[
            Variant(expires_at_ms=deadline, headers=HEADERS, report_unknown=report_unknown)
            for deadline in expires_at_ms
        ],
        variant_of_row=[row % len(expires_at_ms) for row in range(rows)] if len(expires_at_ms) > 1 else None,
    )
    return NewChunk(
        lane=lane,
        queue=queue,
        rows=rows,
        stored=encode_chunk(chunk),
        expires_at_ms=min(expires_at_ms),
        reported=(1 << rows) - 1 if report_unknown else 0,
    )


class NotingListener(DeliveryListener):
    """Notes when lanes were held and resumed, and how often sessions opened and ended."""

    def __init__(self) -> None:
        self.held: list[tuple[float, str | None, float]] = []
        self.resumed: list[float] = []
        self.token_alarms = 0
        self.lanes_used_up_times = 0
        self.opened = 0
        self.origins_failed = 0
        self.ended: list[tuple[str, int]] = []
        self.unanswered: list[tuple[float, float]] = []
        self.answered_again: list[float] = []

    def token_updates_refused(self, lane: str) -> None:
        """Count it."""
        del lane
        self.token_alarms += 1

    def lane_unanswered(self, lane: str, seconds: float) -> None:
        """Note when, and for how long."""
        del lane
        self.unanswered.append((trio.current_time(), seconds))

    def lane_answered(self, lane: str) -> None:
        """Note when."""
        del lane
        self.answered_again.append(trio.current_time())

    def lanes_used_up(self, most: int, seconds: float) -> None:
        """Count it."""
        del most, seconds
        self.lanes_used_up_times += 1

    def origin_failed(self, lane: str, error: str, retry_in_seconds: float) -> None:
        """Count it."""
        del lane, error, retry_in_seconds
        self.origins_failed += 1

    def session_opened(self, lane: str, session: int) -> None:
        """Count it."""
        del lane, session
        self.opened += 1

    def session_ended(self, lane: str, session: int, why: str, *, answered: int, in_flight: int) -> None:
        """Note why, and what was left."""
        del lane, session, answered
        self.ended.append((why, in_flight))

    def lane_held(self, lane: str, reason: Reason | None, provider_reason: str | None, seconds: float) -> None:
        """Note it."""
        del lane, reason
        self.held.append((trio.current_time(), provider_reason, seconds))

    def lane_resumed(self, lane: str) -> None:
        """Note it."""
        del lane
        self.resumed.append(trio.current_time())


def hold_sole_lease() -> HeldLease:
    """Return what a delivery has of the lease of an engine with one handle."""
    held = HeldLease(TrioClock(), lambda lease: None)
    held.take(SOLE_LEASE)
    return held


async def resolve_nothing(host: str, port: int) -> Sequence[str]:
    """Fail: there is nothing to resolve in memory."""
    raise AssertionError((host, port))


class MemoryDialer(Dialer):
    """Connects to a simulator in the same loop, unless ``serve_next`` names who serves the next connections."""

    def __init__(self, simulator: ApnsSimulator, nursery: trio.Nursery) -> None:
        super().__init__(
            TcpAddress("localhost", 443), ssl.create_default_context(), timeout_seconds=10.0, resolver=resolve_nothing
        )
        self._simulator = simulator
        self._nursery = nursery
        self.is_blocked = False
        self._unblocked = trio.Event()
        self.error: SessionOpenError | None = None
        self.dials = 0  # that failed
        self.serve_next: list[Callable[[trio.abc.Stream], Awaitable[object]]] = []

    def unblock(self) -> None:
        """Let those dials go on that wait while ``is_blocked``."""
        self.is_blocked = False
        self._unblocked.set()

    async def dial(self) -> Link:
        """Return one end of a stream; the simulator has the other. Wait until unblocked, or raise ``error``."""
        if self.is_blocked:
            await self._unblocked.wait()
        if self.error is not None:
            self.dials += 1
            raise self.error
        await trio.lowlevel.checkpoint()
        ours, theirs = memory_stream_pair()
        serve = self.serve_next.pop(0) if self.serve_next else self._simulator.serve_stream
        self._nursery.start_soon(serve, theirs)
        return Link(ours, speaks_http2=True)


class Delivering:
    """A delivery at work. ``clock`` is trio's; a test lets it jump with ``autojump_clock``."""

    def __init__(
        self,
        simulator: ApnsSimulator,
        engine: Engine,
        delivery: Delivery,
        *,
        token: ProviderTokenSource,
        dialer: MemoryDialer,
        clock: Clock,
    ) -> None:
        self.simulator = simulator
        self.engine = engine
        self.delivery = delivery
        self.token = token
        self.dialer = dialer
        self.clock = clock
        self.listener = NotingListener()
        self._scope = trio.CancelScope()
        self._ended = trio.Event()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Deliver until stopped or cut."""
        with self._scope:
            await self.delivery.run(task_status=task_status)
        self._ended.set()

    def cut(self) -> None:
        """Cancel the delivery."""
        self._scope.cancel()

    async def wait_ended(self) -> None:
        """Wait until the delivery has ended."""
        await self._ended.wait()

    async def push(self, *chunks: NewChunk, batch_id: str = "b", principal: str = "default") -> None:
        """Have chunks delivered."""
        await append_batch(self.engine, batch_id, chunks, principal=principal)

    async def read(self, principal: str = "default") -> dict[int, Settlement]:
        """Return the final words so far by position; fails when a position has two."""
        words: dict[int, Settlement] = {}
        for entry in (await self.engine.feed(principal, 0, 1_000_000)).entries:
            for position in expand_ranges(entry.settlement.indexes):
                assert position not in words, f"position {position} has two final words"
                words[position] = entry.settlement
        return words

    @property
    def sent(self) -> list[int]:
        """Positions in the order in which the simulator knew what became of them."""
        return [int(entry.destination, 16) for entry in self.simulator.ledger.entries]

    def lane(self, key: str = LANE) -> LaneStatistics:
        """Return the counts of a lane."""
        return self.delivery.statistics()[key]


@asynccontextmanager
async def open_delivery(
    *,
    scenario: ApnsScenario | None = None,
    environment: str = "production",
    settings: ApnsSettings | None = None,
    engine_type: type[MemoryEngine] = MemoryEngine,
    provider_type: type[ApnsProvider] = ApnsProvider,
    active_rows: int = 20_000,
    active_bytes: int = 1 << 26,
) -> AsyncIterator[Delivering]:
    """Run a simulator and a delivery to it for the block; both are cut at its end."""
    settings = settings or ApnsSettings()
    clock = TrioClock()
    options = ApnsSimulatorOptions(clock=clock, scenario=scenario or ApnsScenario(), environment=environment)  # type: ignore[arg-type]
    async with open_apns_simulator(options) as simulator, trio.open_nursery() as nursery:
        key = simulator.credentials.keys[0]
        token = ProviderTokenSource(key.options.team_id, load_signing_key(key.options.key_id, key.file))
        facts = ApnsFacts(topic="com.example.shop", environment=None, token_auth=True)
        dialer = MemoryDialer(simulator, nursery)
        provider = provider_type(facts, ApnsCredential(token=token), dialer, settings, clock)
        limits = LaneLimits(
            pool=PoolLimits(least_sessions=settings.least_sessions, most_sessions=settings.most_sessions),
            session=SessionLimits(window=settings.session_window, ping_after_seconds=settings.ping_after_seconds),
            reconnect_delay_seconds=settings.reconnect_delay_seconds,
            reconnect_ceiling_seconds=settings.reconnect_ceiling_seconds,
        )
        listener = NotingListener()
        engine = engine_type(clock)
        delivery = Delivery(
            engine,
            lambda _: (provider, limits),
            limits=DeliveryLimits(active_rows=active_rows, active_bytes=active_bytes, settle_delay_seconds=0.005),
            clock=clock,
            uniform=lambda _low, high: high,
            listener=listener,
        )
        delivering = Delivering(simulator, engine, delivery, token=token, dialer=dialer, clock=clock)
        delivering.listener = listener
        await nursery.start(delivering.run)
        yield delivering
        nursery.cancel_scope.cancel()
