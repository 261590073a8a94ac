"""Gathers final words, and what is to be tried again later, and commits them in groups.

A settlement is one block: rows of one chunk that ended with the same words. Successes come as row ranges and stay
ranges; what ended otherwise comes row by row. The group waits at most ``delay_seconds`` for company, then is committed
by one call of the engine; only after that are the rows done and their chunk released.
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple, TypeVar

import msgspec
import trio

from gateway.clock import Clock
from gateway.delivery.lanes.held_lease import HeldLease
from gateway.delivery.lanes.work import Work
from gateway.journal.engine import Engine, Postponement, Settlement
from gateway.journal.leases import LeaseEndedError
from gateway.wakeup import Wakeup
from protocol.chunks import pack_ranges
from protocol.destinations import name_destination
from protocol.outcomes import Advice, Outcome
from protocol.reasons import Reason

Value = TypeVar("Value")

NO_IDS: Mapping[int, str] = MappingProxyType({})
# Rows whose final words are put together between two checkpoints: half a millisecond's work where each has a name.
ROWS_PER_TURN = 300


class FinalWord(msgspec.Struct, frozen=True, kw_only=True):
    """The words that rows of one block share."""

    outcome: Outcome
    reason: Reason | None = None
    advice: Advice = Advice.NONE
    provider_status: int | None = None
    provider_reason: str | None = None
    attempts: int = 1
    uncertain_attempts: int = 0


class _Block:
    """Rows of one chunk that wait for the same word to be committed."""

    __slots__ = ("_dead_since_ms", "_positions", "_provider_ids", "_word", "work")

    def __init__(self, work: Work, word: FinalWord) -> None:
        self.work = work
        self._word = word
        self._positions: list[int] = []
        self._dead_since_ms: dict[int, int] = {}
        self._provider_ids: dict[int, str] = {}

    def add(self, start: int, stop: int) -> None:
        self._positions += range(start, stop)

    def add_rows(self, rows: Sequence[int], dead_since_ms: int | None, provider_ids: Mapping[int, str]) -> None:
        self._positions += rows
        if dead_since_ms is not None:
            self._dead_since_ms.update(dict.fromkeys(rows, dead_since_ms))
        self._provider_ids.update(provider_ids)

    @property
    def count(self) -> int:
        return len(self._positions)

    def settlement(self, finished_at_ms: int) -> Settlement:
        work, word = self.work, self._word
        positions = sorted(self._positions)
        return Settlement(
            batch=work.ref.batch,
            chunk=work.ref.chunk,
            rows=pack_ranges(work.number_as_stored(positions)),
            indexes=pack_ranges([work.indexes[row] for row in positions]),
            provider=work.provider,
            outcome=word.outcome,
            reason=word.reason,
            advice=word.advice,
            provider_status=word.provider_status,
            provider_reason=word.provider_reason,
            attempts=word.attempts,
            uncertain_attempts=word.uncertain_attempts,
            finished_at_ms=finished_at_ms,
            ids=_pick(work.chunk.ids, positions),
            tracks=_pick(work.chunk.tracks, positions),
            provider_ids=_column(self._provider_ids, positions),
            dead_since_ms=_column(self._dead_since_ms, positions),
            destinations=self._name_destinations(positions),
        )

    def _name_destinations(self, positions: list[int]) -> list[str] | None:
        """Return the destinations that the caller should delete, None when there is no such advice."""
        if self._word.advice is not Advice.DELETE_PENDING:
            return None
        lane, destinations = self.work.ref.lane, self.work.chunk.destinations
        return [name_destination(lane, destinations[row]) for row in positions]


def _pick(column: list[Value] | None, positions: list[int]) -> list[Value] | None:
    return None if column is None else [column[row] for row in positions]


def _column(by_row: dict[int, Value], positions: list[int]) -> list[Value | None] | None:
    return [by_row.get(row) for row in positions] if by_row else None


class Delay(NamedTuple):
    """What postponed rows of one chunk share: when they are due (UNIX milliseconds), and how they were tried."""

    due_at_ms: int
    attempts: int
    uncertain_attempts: int


class Settler:
    """The task that commits. One for the whole gateway."""

    def __init__(
        self,
        engine: Engine,
        held: HeldLease,
        clock: Clock,
        *,
        delay_seconds: float,
        on_released: Callable[[Work], None],
    ) -> None:
        self._engine = engine
        self._held = held
        self._clock = clock
        self._delay_seconds = delay_seconds
        self._on_released = on_released
        self._blocks: dict[tuple[int, FinalWord], _Block] = {}
        self._postponed: dict[tuple[int, Delay], tuple[Work, list[int]]] = {}
        self._wakeup = Wakeup()

    def __repr__(self) -> str:
        return f"<Settler {len(self._blocks)} blocks waiting>"

    def settle_ranges(self, work: Work, ranges: Sequence[tuple[int, int]], word: FinalWord) -> None:
        """Settle row ranges that differ in nothing but their row."""
        block = self._block(work, word)
        for start, stop in ranges:
            block.add(start, stop)

    def settle_rows(
        self,
        work: Work,
        rows: Sequence[int],
        word: FinalWord,
        *,
        dead_since_ms: int | None = None,
        provider_ids: Mapping[int, str] = NO_IDS,
    ) -> None:
        """Settle rows that were answered one by one. ``provider_ids``: those that have one of their own."""
        self._block(work, word).add_rows(rows, dead_since_ms, provider_ids)

    def postpone(self, work: Work, rows: Sequence[int], delay: Delay) -> None:
        """Give rows back to the engine until their next attempt is due."""
        _, waiting = self._postponed.setdefault((id(work), delay), (work, []))
        waiting += rows
        self._wakeup.set()

    def _block(self, work: Work, word: FinalWord) -> _Block:
        key = (id(work), word)
        block = self._blocks.get(key)
        if block is None:
            block = self._blocks[key] = _Block(work, word)
            self._wakeup.set()
        return block

    async def run(self) -> None:
        """Commit what gathers, until cancelled. An engine that fails ends the gateway: nothing may be sent on."""
        while True:
            await self._wakeup.wait()
            await trio.sleep(self._delay_seconds)
            await self.flush()

    async def flush(self) -> None:
        """Commit what has gathered; nothing, when it came while the last group gathered and went with that.

        A commit that has begun is finished even when cancelled: its words can't be had again.
        """
        with trio.CancelScope(shield=True):
            await self._commit()

    async def _commit(self) -> None:
        blocks, self._blocks = list(self._blocks.values()), {}
        postponed, self._postponed = self._postponed, {}
        if held := [block for block in blocks if self._held.has(block.work.ref)]:
            await self._settle(held)
        # Those of a lease that has ended among them: whoever took its rows over has the say.
        for block in blocks:
            self._end_rows(block.work, block.count)
        if held_back := {key: each for key, each in postponed.items() if self._held.has(each[0].ref)}:
            await self._schedule(held_back)
        for work, rows in postponed.values():
            self._end_rows(work, len(rows))

    async def _settle(self, blocks: Sequence[_Block]) -> None:
        lease = blocks[0].work.ref.lease.id
        finished_at_ms = int(self._clock.wall() * 1000)
        settlements: list[Settlement] = []
        rows = 0
        for block in blocks:
            settlements.append(block.settlement(finished_at_ms))
            rows += settlements[-1].count
            if rows >= ROWS_PER_TURN:
                rows = 0
                await trio.lowlevel.checkpoint()
        try:
            await self._engine.settle(lease, settlements)
        except LeaseEndedError as error:
            self._held.lose(error.lease)

    async def _schedule(self, postponed: Mapping[tuple[int, Delay], tuple[Work, list[int]]]) -> None:
        postponements = [
            Postponement(
                batch=work.ref.batch,
                chunk=work.ref.chunk,
                rows=pack_ranges(work.number_as_stored(sorted(rows))),
                **delay._asdict(),
            )
            for (_, delay), (work, rows) in postponed.items()
        ]
        (work, _), *_ = postponed.values()
        try:
            await self._engine.schedule(work.ref.lease.id, postponements)
        except LeaseEndedError as error:
            self._held.lose(error.lease)

    def _end_rows(self, work: Work, count: int) -> None:
        work.open_rows -= count
        if not work.open_rows:
            self._on_released(work)
