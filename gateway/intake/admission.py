"""Admission: a batch waits here for room, with its credits spent, so that a full gateway stops intake at its source.

Three bounds: what the gateway owes (rows and bytes, over all principals), what a principal has left unread, and the
bytes of requests that are held while they wait. At the first two a batch waits; at the third it is refused at once,
for holding it is what costs. Batches of one principal are admitted in the order in which they came: a small one never
overtakes a large one, else the large one might wait for ever.

Whoever waits longer than ``admission_wait_seconds``, or until the gateway drains, is refused and told when to come
back.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import msgspec
import trio

from gateway.clock import Clock
from gateway.config import LimitSettings
from gateway.intake.credits import Cost
from gateway.intake.refusals import ShedError
from gateway.intake.unread_results import find_excess
from gateway.journal.engine import Engine
from protocol.reasons import Reason

# Refused callers waited through admission_wait_seconds and will again: coming back soon costs nobody anything.
RETRY_AFTER_MS = 1000
# All connections together: some hundred batches of usual size, each at most four times as large once it is worked on.
HELD_LIMIT_BYTES = 64 * 1024 * 1024
# What a batch that waits takes in memory beside its bytes, and each of its rows: a row may have come as a single byte.
BATCH_OVERHEAD_BYTES = 1024
ROW_OVERHEAD_BYTES = 72


class AdmissionStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """What is held here: batches that wait, requests in bytes, and rows on their way into the engine's own counts."""

    waiting_batches: int
    held_bytes: int
    admitted_rows: int
    admitted_bytes: int


class Admission:
    """Shared by all connections. ``random_bytes`` spreads the moments at which refused callers come back."""

    def __init__(
        self, limits: LimitSettings, engine: Engine, *, clock: Clock, random_bytes: Callable[[int], bytes]
    ) -> None:
        self._limits = limits
        self._engine = engine
        self._clock = clock
        self._random_bytes = random_bytes
        # One connection's credits must fit, or its caller could never use them.
        self._held_limit_bytes = max(
            HELD_LIMIT_BYTES,
            limits.connection_credit_bytes
            + limits.connection_credit_notifications * (BATCH_OVERHEAD_BYTES + ROW_OVERHEAD_BYTES),
        )
        self._turns: dict[str, trio.Lock] = {}
        self._waiting: set[trio.CancelScope] = set()
        self._held_bytes = 0
        self._admitted_rows = 0
        self._admitted_bytes = 0
        self._is_draining = False

    def statistics(self) -> AdmissionStatistics:
        """Return the counts now."""
        return AdmissionStatistics(
            waiting_batches=len(self._waiting),
            held_bytes=self._held_bytes,
            admitted_rows=self._admitted_rows,
            admitted_bytes=self._admitted_bytes,
        )

    def begin_drain(self) -> None:
        """Refuse every batch from now on, those that wait as well."""
        self._is_draining = True
        for patience in self._waiting:
            patience.cancel()

    def hold(self, cost: Cost) -> None:
        """Count what a request takes until :meth:`let_go`. Raises ShedError, and counts nothing, over the bound."""
        held_bytes = self._held_bytes + _find_held_bytes(cost)
        if held_bytes > self._held_limit_bytes:
            raise self._shed((Reason.OVERLOADED, "too many bytes of other batches wait for room"))
        self._held_bytes = held_bytes

    def let_go(self, cost: Cost) -> None:
        """End what :meth:`hold` began."""
        self._held_bytes -= _find_held_bytes(cost)

    @asynccontextmanager
    async def room(self, principal: str, rows: int, size_bytes: int) -> AsyncIterator[None]:
        """Wait for room and hold it until the body of the ``async with`` has appended the batch. Raises ShedError.

        ``size_bytes`` is the batch as the caller sent it: an estimate of what storing it will take.
        """
        await self._wait_room(principal, rows, size_bytes)
        self._admitted_rows += rows
        self._admitted_bytes += size_bytes
        try:
            yield
        finally:
            self._admitted_rows -= rows
            self._admitted_bytes -= size_bytes

    async def _wait_room(self, principal: str, rows: int, size_bytes: int) -> None:
        await trio.lowlevel.checkpoint()
        if self._is_room_free(principal, rows, size_bytes):
            return
        with trio.move_on_after(self._limits.admission_wait_seconds) as patience:
            self._waiting.add(patience)
            try:
                async with self._turns.setdefault(principal, trio.Lock()):
                    while not self._is_draining and self._find_lack(principal, rows, size_bytes):
                        await self._engine.wait_change()
            finally:
                self._waiting.discard(patience)
        if self._is_draining:
            raise self._shed((Reason.DRAINING, "this gateway is about to stop: send to another one"))
        if patience.cancelled_caught:
            raise self._shed(self._find_lack(principal, rows, size_bytes))

    def _is_room_free(self, principal: str, rows: int, size_bytes: int) -> bool:
        """Return whether there is room, and nobody of the principal's who waits for some and came before."""
        turn = self._turns.get(principal)
        is_first = turn is None or not turn.locked()
        return is_first and not self._is_draining and self._find_lack(principal, rows, size_bytes) is None

    def _find_lack(self, principal: str, rows: int, size_bytes: int) -> tuple[Reason, str] | None:
        """Return the bound that stands in the way, if any."""
        limits = self._limits
        counts = self._engine.statistics()
        excess = find_excess(limits, counts.unread.get(principal), rows, int(self._clock.wall() * 1000))
        if excess is not None:
            return Reason.RESULTS_BACKLOG, f"{excess}: read them by a named subscription and acknowledge them"
        if counts.owed_rows + self._admitted_rows + rows > limits.queued_notifications:
            return Reason.OVERLOADED, f"the gateway holds its limit of {limits.queued_notifications} notifications"
        if counts.owed_bytes + self._admitted_bytes + size_bytes > limits.queued_bytes:
            return Reason.OVERLOADED, f"the gateway holds its limit of {limits.queued_bytes} bytes of notifications"
        return None

    def _shed(self, lack: tuple[Reason, str] | None) -> ShedError:
        reason, detail = lack or (Reason.OVERLOADED, "room came too late: earlier batches took it")
        return ShedError(reason, detail, self.choose_retry_after_ms())

    def shed_unfinished(self) -> ShedError:
        """Return the refusal of a frame that others need the room of."""
        return self._shed((Reason.OVERLOADED, "too many bytes of unfinished frames: this one took the longest"))

    def choose_retry_after_ms(self) -> int:
        """Return when a refused caller should come back, each another while."""
        jitter_ms = int.from_bytes(self._random_bytes(2), "big") * RETRY_AFTER_MS >> 16
        return RETRY_AFTER_MS + jitter_ms


def _find_held_bytes(cost: Cost) -> int:
    return cost.bytes + BATCH_OVERHEAD_BYTES + cost.notifications * ROW_OVERHEAD_BYTES
