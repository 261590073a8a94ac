"""Two handles on one memory store behind the engine's interface, so that what holds for one is tried with two."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from itertools import groupby
from typing import Any

import msgspec
import trio

from gateway.clock import Clock
from gateway.journal import Lease, MemoryEngine, Postponement, Recall, Settlement
from gateway.journal.books import rowsets
from gateway.journal.books.withdrawal import keep_rows
from gateway.journal.memory.store import MemoryStore

WITHDRAWING = {"cancel", "cancel_ids", "cancel_key", "expire"}


class TwoHandles:
    """Each call goes to the next handle; one about leased rows to the handle that holds them, whatever lease it names.

    Where rows are withdrawn both answer recalls, as handles at work do.
    """

    def __init__(self, clock: Clock, **bounds: Any) -> None:
        self.store = MemoryStore(clock, **bounds)
        self.handles = [MemoryEngine(clock, store=self.store) for _ in range(2)]
        self._calls = 0

    def __getattr__(self, name: str) -> Any:
        """Return what the next handle has of that name."""
        found = getattr(self._next(), name)
        return self._with_answers(found) if name in WITHDRAWING else found

    def _next(self) -> MemoryEngine:
        self._calls += 1
        return self.handles[self._calls % 2]

    def _with_answers(self, method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def call(*arguments: Any) -> Any:
            answering = trio.CancelScope()
            trio.lowlevel.spawn_system_task(self._answer_recalls, answering)
            try:
                return await method(*arguments)
            finally:
                answering.cancel()

        return call

    async def _answer_recalls(self, scope: trio.CancelScope) -> None:
        with scope:
            async with trio.open_nursery() as nursery:
                for handle in self.handles:
                    nursery.start_soon(handle.answer_recalls)

    def set_recall(self, recall: Recall) -> None:
        """Have both ask the same."""
        for handle in self.handles:
            handle.set_recall(recall)

    async def renew_both(self) -> list[Lease]:
        """Return the leases that they have."""
        return [await handle.renew() for handle in self.handles]

    async def aclose(self) -> None:
        """Close both, and the store that they shared."""
        for handle in self.handles:
            await handle.aclose()
        self.store.let_go()

    async def settle(self, lease: int, settlements: Sequence[Settlement]) -> None:
        """Settle blocks, in order, each under the lease that has its rows."""
        parts = [
            (holder, block if rows == rowsets.from_ranges(block.rows) else keep_rows(block, rows))
            for block in settlements
            for holder, rows in self._split(lease, block.batch, block.chunk, block.rows)
        ]
        for holder, group in groupby(parts, key=lambda part: part[0]):
            await self._next().settle(holder, [block for _, block in group])

    async def schedule(self, lease: int, postponements: Sequence[Postponement]) -> None:
        """Give rows back, each under the lease that has it."""
        parts = [
            (holder, msgspec.structs.replace(each, rows=rowsets.to_ranges(rows)))
            for each in postponements
            for holder, rows in self._split(lease, each.batch, each.chunk, each.rows)
        ]
        for holder, group in groupby(parts, key=lambda part: part[0]):
            await self._next().schedule(holder, [each for _, each in group])

    async def mark_started(self, lease: int, batch: int, chunk: int, rows: Sequence[int]) -> None:
        """Mark rows, each under the lease that has it."""
        for holder, held in self._split(lease, batch, chunk, rows):
            await self._next().mark_started(holder, batch, chunk, rowsets.to_ranges(held))

    def _split(self, lease: int, batch: int, chunk: int, ranges: Sequence[int]) -> Iterator[tuple[int, int]]:
        """Yield lease and rows; those that nobody has go with the lease that was named."""
        rows = rowsets.from_ranges(ranges)
        stored = self.store.batches.find_chunk(batch, chunk)
        if stored is not None:
            for holder in self.store.leases.find_holders(stored, rows):
                if holder != lease:
                    held = rows & self.store.leases.held(holder, stored)
                    rows &= ~held
                    yield holder, held
        if rows:
            yield lease, rows
