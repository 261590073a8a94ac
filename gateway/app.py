"""The gateway put together: the only place that builds things and decides the order of starting and draining.

Started inside out, so that nothing is taken in that could not go on: engine, delivery, door. Drained outside in: the
door refuses, what is on its way to a provider is awaited, results are handed out, and only then do the tasks below end.
"""

import os
import random
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import msgspec
import structlog
import trio

from gateway.access import make_authenticator
from gateway.clock import Clock, SystemClock
from gateway.collecting import collect_when_idle, collecting_the_young_only
from gateway.config import Config, ConfigError, JournalSettings, TcpAddress, UnixAddress, find_changes, find_risks
from gateway.delivery.credentials import find_expiring, load_credentials
from gateway.delivery.delivery import Delivery, DeliveryLimits
from gateway.delivery.lanes.lane import LaneStatistics
from gateway.delivery.providers.assembly import Providers
from gateway.delivery.providers.encryption import Encryptor
from gateway.doors.socket import DoorStatistics, SocketDoor
from gateway.errors import UnusableFileError, WorkLostError
from gateway.journal.engine import Engine
from gateway.journal.memory.engine import MemoryEngine
from gateway.journal.sqlite import SqliteEngine
from gateway.journal.statistics import EngineStatistics
from gateway.supervisor import Supervisor, get_supervisor
from gateway.telemetry.lane_notes import NotingListener

CERTIFICATE_CHECK_SECONDS = 6 * 3600.0
# What the last commits and the closing of the journal may take after a drain that used up its time.
CLOSING_SECONDS = 10.0

Addresses = list[UnixAddress | TcpAddress]
EngineWrapper = Callable[[Engine], Engine]
EncryptorWrapper = Callable[[Encryptor], Encryptor]
ConfigReader = Callable[[], Config]

Part = TypeVar("Part")


def _unwrapped(part: Part) -> Part:
    return part


def _make_engine(settings: JournalSettings, clock: Clock, *, results_kept_seconds: float) -> Engine:
    if settings.engine == "memory":
        return MemoryEngine(
            clock,
            idempotency_window_seconds=settings.idempotency_window_seconds,
            idempotency_bytes=settings.idempotency_limit_bytes,
            results_kept_seconds=results_kept_seconds,
        )
    return SqliteEngine(
        Path(settings.directory),
        clock,
        most_bytes=settings.most_bytes,
        idempotency_window_seconds=settings.idempotency_window_seconds,
        idempotency_bytes=settings.idempotency_limit_bytes,
        results_kept_seconds=results_kept_seconds,
    )


class GatewayStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """Where everything is: waiting at the door, owed by the engine, on its way in the lanes."""

    door: DoorStatistics
    engine: EngineStatistics
    lanes: Mapping[str, LaneStatistics]


class Gateway:
    """One gateway built from its settings; a wrapper puts something between it and its engine or its encryption.

    Raises CredentialError, naming app and file, when a credential can't be used.
    """

    def __init__(
        self,
        config: Config,
        *,
        clock: Clock,
        wrap_engine: EngineWrapper = _unwrapped,
        wrap_encryptor: EncryptorWrapper = _unwrapped,
    ) -> None:
        self._config = config
        self._clock = clock
        self._log: structlog.stdlib.BoundLogger = structlog.get_logger("gateway")
        self._drain = trio.Event()
        self._door_closed = trio.Event()
        self._delivery_ended = trio.Event()
        self._engine = wrap_engine(
            _make_engine(config.journal, clock, results_kept_seconds=config.limits.results_kept_seconds)
        )
        self._credentials = load_credentials(config, clock)
        self._providers = Providers(config, self._credentials, clock, wrap_encryptor)
        self._listener = NotingListener(None if self._is_in_memory else Path(config.journal.directory), clock.wall)
        self._delivery = Delivery(
            self._engine,
            self._providers.provider_of_lane,
            limits=DeliveryLimits(
                active_rows=config.delivery.active_rows,
                active_bytes=config.delivery.active_bytes,
                settle_delay_seconds=config.delivery.settle_delay_seconds,
            ),
            clock=clock,
            uniform=random.SystemRandom().uniform,
            listener=self._listener,
            before_resuming=self._providers.reread,
            find_missing=self._providers.find_missing,
        )
        self._authenticator = make_authenticator(config.access.principals_by_uid, config.access.default_belongs_to)
        self._door = SocketDoor(
            listen=config.listen,
            limits=config.limits,
            engine=self._engine,
            apps=self._providers.facts,
            authenticator=self._authenticator,
            clock=clock,
            random_bytes=os.urandom,
        )

    async def run(self, *, task_status: trio.TaskStatus[Addresses] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until drained; the task status gets the addresses. Cancelling ends it at once, without a drain.

        Raises JournalError when the journal can't be opened, JournalFailedError when it can't be written any more.
        """
        owed = await self._engine.recover()
        try:
            await self._serve(owed, task_status)
        finally:
            with trio.CancelScope(shield=True):
                await self._engine.aclose()

    async def _serve(self, owed: int, task_status: trio.TaskStatus[Addresses]) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._engine.watch)
            nursery.start_soon(self._listener.keep)
            nursery.start_soon(self._watch_certificates)
            nursery.start_soon(self._providers.run)
            await nursery.start(self._deliver)
            addresses: Addresses = await nursery.start(self._serve_door)
            self._log.info("ready", addresses=[str(address) for address in addresses], owed=owed)
            if self._is_in_memory:
                self._log.warning("journal_in_memory", note="accepted notifications do not survive a restart")
            for principal in self._find_unreachable():
                note = "nobody is this principal, so its results are read by nobody: see access.users"
                self._log.error("principal_unreachable", principal=principal, note=note)
            for risk in find_risks(self._config):
                self._log.warning("setting_widens_reach", setting=risk.place, detail=risk.detail)
            task_status.started(addresses)
            await self._drain.wait()
            await self._finish()
            nursery.cancel_scope.cancel()

    def _find_unreachable(self) -> list[str]:
        """Return who has results that nobody can read: principals of the journal that no caller can be."""
        unread = self._engine.statistics().unread_rows_by_principal
        return sorted(name for name, rows in unread.items() if rows and not self._authenticator.is_reachable(name))

    async def _watch_certificates(self) -> None:
        while True:
            now = datetime.fromtimestamp(self._clock.wall(), UTC)
            for app, expires_at in find_expiring(self._credentials.apns, now).items():
                self._log.error("certificate_expires", app=app, expires_at=expires_at.isoformat())
            await trio.sleep(CERTIFICATE_CHECK_SECONDS)

    async def _deliver(self, *, task_status: trio.TaskStatus[None]) -> None:
        await self._delivery.run(task_status=task_status)
        self._delivery_ended.set()

    async def _serve_door(self, *, task_status: trio.TaskStatus[Addresses]) -> None:
        await self._door.serve(task_status=task_status)
        self._door_closed.set()

    @property
    def _is_in_memory(self) -> bool:
        return self._config.journal.engine == "memory"

    @property
    def drain_timeout_seconds(self) -> float:
        """How long a drain may take."""
        return self._config.delivery.drain_timeout_seconds

    def drain(self) -> None:
        """Take nothing new, finish what is in flight, then let ``run`` return."""
        self._drain.set()

    async def reload(self) -> None:
        """Read credentials, certificates and CA files again; what can't be used is logged and stays as it was."""
        found = await self._providers.reread(tells=False)
        changed, faults = [*found.changed], [*map(str, found.faults)]
        try:
            if await trio.to_thread.run_sync(self._door.reread_certificate):
                changed.append("listen.tls_certificate_file")
        except UnusableFileError as error:
            faults.append(str(error))
        self._delivery.try_again()
        write = self._log.error if faults else self._log.info
        write("files_read_again", changed=changed, unusable=faults)

    def is_idle(self) -> bool:
        """Whether nothing is owed."""
        return not self._engine.statistics().owed_rows

    def statistics(self) -> GatewayStatistics:
        """Return the counts now."""
        return GatewayStatistics(
            door=self._door.statistics(), engine=self._engine.statistics(), lanes=self._delivery.statistics()
        )

    async def _finish(self) -> None:
        self._log.info("draining", owed=self._engine.statistics().owed_rows)
        self._door.begin_drain()
        with trio.move_on_after(self.drain_timeout_seconds):
            # What waits in a journal on the disk goes on after the next start; memory has nobody to leave it to.
            while self._is_in_memory and self._engine.statistics().owed_rows:
                await self._engine.wait_change()
            self._delivery.stop()
            await self._delivery_ended.wait()
            self._door.end_when_idle()
            await self._door_closed.wait()

    def report_end(self) -> None:
        """Log what is left behind. Raises WorkLostError when that is accepted work and nothing else has it."""
        counts = self._engine.statistics()
        self._log.info("stopped", owed=counts.owed_rows, results_unread=counts.unread_rows)
        if counts.owed_rows and self._is_in_memory:
            raise WorkLostError(
                f"{counts.owed_rows} accepted notifications were not sent, and are lost: the journal is in memory"
            )


async def run_gateway(
    config: Config,
    *,
    wrap_engine: EngineWrapper = _unwrapped,
    wrap_encryptor: EncryptorWrapper = _unwrapped,
    read_config: ConfigReader | None = None,
    task_status: trio.TaskStatus[Addresses] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Run a gateway as a process does: the first SIGINT or SIGTERM drains, the second cuts what is in flight.

    SIGHUP has files read again. ``read_config`` reads the settings, to tell which of them wait for a restart.

    Raises GatewayError: it could not start, or it ended with accepted work lost.
    """
    gateway = Gateway(config, clock=SystemClock(), wrap_engine=wrap_engine, wrap_encryptor=wrap_encryptor)
    supervisor = get_supervisor()
    with (
        trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals,
        trio.open_signal_receiver(signal.SIGHUP) as hang_ups,
        collecting_the_young_only(),
    ):
        async with trio.open_nursery() as watching:
            watching.start_soon(supervisor.keep_watchdog)
            watching.start_soon(collect_when_idle, gateway.is_idle)
            watching.start_soon(_reload_when_told, hang_ups, gateway, config, read_config)
            watching.start_soon(_obey, signals, gateway, supervisor, watching.cancel_scope)
            async with trio.open_nursery() as serving:
                addresses: Addresses = await serving.start(gateway.run)
                supervisor.tell_ready("taking and sending notifications")
                task_status.started(addresses)
            watching.cancel_scope.cancel()
    gateway.report_end()


async def _obey(signals: AsyncIterator[int], gateway: Gateway, supervisor: Supervisor, scope: trio.CancelScope) -> None:
    await anext(signals)
    gateway.drain()
    supervisor.tell_stopping("draining", gateway.drain_timeout_seconds + CLOSING_SECONDS)
    await anext(signals)
    scope.cancel()


async def _reload_when_told(
    hang_ups: AsyncIterator[int], gateway: Gateway, config: Config, read_config: ConfigReader | None
) -> None:
    log: structlog.stdlib.BoundLogger = structlog.get_logger("gateway")
    async for _ in hang_ups:
        await gateway.reload()
        if read_config is None:
            continue
        faults: list[str] = []
        changes: list[str] = []
        try:
            changes = find_changes(config, await trio.to_thread.run_sync(read_config))
        except ConfigError as error:
            faults = str(error).splitlines()
        if faults:
            log.error("settings_unusable", faults=faults, note="nothing was changed, but the next start would fail")
        if changes:
            log.warning("settings_need_restart", settings=changes)
