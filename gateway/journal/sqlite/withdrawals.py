"""Rows that end without a further attempt: cancelled, expired, or about to be sent when the last process died.

What results tell of a row stands in its chunk, so chunks are read for it, some at a time; each slice is one commit.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import trio

from gateway.clock import lead_ms
from gateway.journal.books.cancelling import IdSearch, KeySearch, PositionSearch, RowSearch, count_nothing
from gateway.journal.books.store import StoredChunk
from gateway.journal.books.withdrawal import (
    Withdrawal,
    earliest_deadline_ms,
    find_expired,
    settle_unattempted,
)
from gateway.journal.engine import CancelCount, Settlement
from gateway.journal.sqlite.state import JournalState, key_of
from protocol.chunks import Chunk, decode_chunk
from protocol.outcomes import Outcome
from protocol.reasons import Reason

Value = TypeVar("Value")

CHUNKS_A_SLICE = 25  # read, decoded and settled at once: about half a millisecond of the loop
LOOK_AGAIN_MS = 1000  # overdue rows that are leased are their holder's to end; they may still be given back


class Withdrawals:
    """See the module text."""

    def __init__(self, state: JournalState) -> None:
        self._state = state

    async def cancel(self, principal: str, batch_id: str, indexes: Sequence[int] | None, now_ms: int) -> CancelCount:
        """See :meth:`gateway.journal.engine.Engine.cancel`."""
        batch = await self._state.keys.find_batch(principal, batch_id)
        if batch is None:
            return count_nothing(indexes)
        search = PositionSearch(batch, indexes)
        return search.count(await self._cancel(batch.open_chunks(), search, now_ms))

    async def cancel_ids(self, principal: str, batch_id: str, ids: Sequence[str], now_ms: int) -> CancelCount:
        """See :meth:`gateway.journal.engine.Engine.cancel_ids`."""
        batch = await self._state.keys.find_batch(principal, batch_id)
        if batch is None:
            return count_nothing(ids)
        search = IdSearch(ids)
        cancelled = await self._cancel(batch.open_chunks(), search, now_ms)
        await self._state.results.search(batch, search)
        return search.count(cancelled)

    async def cancel_key(self, principal: str, app: str, key: str, now_ms: int) -> CancelCount:
        """See :meth:`gateway.journal.engine.Engine.cancel_key`."""
        search = KeySearch(key)
        cancelled = 0
        for chunks in self._state.store.cancel_keys.find(principal, app, key):
            cancelled += await self._cancel(chunks, search, now_ms)
            await trio.lowlevel.cancel_shielded_checkpoint()
        return search.count(cancelled)

    async def _cancel(self, chunks: Sequence[StoredChunk], search: RowSearch, now_ms: int) -> int:
        """Settle what may be cancelled of what is searched; return how many rows were certainly never taken."""
        cancellation = Withdrawal(Outcome.CANCELLED, Reason.CANCELLED, now_ms)
        blocks = await self._withdraw(chunks, search.find, cancellation)
        return sum(block.count for block in blocks if block.outcome is Outcome.CANCELLED)

    async def expire(self, now_ms: int) -> int:
        """See :meth:`gateway.journal.engine.Engine.expire`."""
        blocks = await self._withdraw(
            list(self._state.deadlines.take_due(now_ms)),
            lambda stored, chunk: find_expired(chunk, stored.owed, now_ms - stored.batch.lead_ms),
            Withdrawal(Outcome.EXPIRED, Reason.EXPIRED, now_ms - lead_ms(self._state.clock)),
            on_left=lambda stored, chunk, left: self._state.deadlines.push(
                max(earliest_deadline_ms(chunk, left) + stored.batch.lead_ms, now_ms + LOOK_AGAIN_MS), stored
            ),
        )
        return sum(block.count for block in blocks)

    async def end_started(self, started: Sequence[tuple[StoredChunk, int]]) -> None:
        """Settle as unknown what was marked as about to be sent: nobody knows whether it was."""
        rows_of = {key_of(chunk): rows for chunk, rows in started}
        await self._withdraw(
            [chunk for chunk, _ in started],
            lambda stored, _: rows_of[key_of(stored)] & stored.owed,
            Withdrawal(Outcome.UNKNOWN, Reason.LINK_LOST, self._state.now_ms),
            on_block=_count_the_last_attempt,
        )

    async def _withdraw(
        self,
        chunks: Sequence[StoredChunk],
        find_rows: Callable[[StoredChunk, Chunk], int],
        withdrawal: Withdrawal,
        *,
        on_left: Callable[[StoredChunk, Chunk, int], None] | None = None,
        on_block: Callable[[Settlement], None] | None = None,
    ) -> list[Settlement]:
        """Settle those of the rows found in each chunk that nobody holds, and return their results."""
        settled: list[Settlement] = []
        for part in _slices(chunks):
            stored_bytes = await self._state.read_chunks({key_of(stored): stored for stored in part})
            pairs: list[tuple[StoredChunk, Settlement]] = []
            for stored in part:
                if stored.is_finished or key_of(stored) not in stored_bytes:
                    continue
                chunk = decode_chunk(stored_bytes[key_of(stored)])
                rows = self._state.get_back(stored, find_rows(stored, chunk))
                blocks = settle_unattempted(stored, chunk, rows, withdrawal)
                for block in blocks:
                    if on_block is not None:
                        on_block(block)
                    pairs.append((stored, block))
                if on_left is not None and (left := stored.owed & ~rows):
                    on_left(stored, chunk, left)
            await self._state.settle(pairs)
            settled += (block for _, block in pairs)
        return settled


def _count_the_last_attempt(block: Settlement) -> None:
    block.attempts += 1
    block.uncertain_attempts += 1


def _slices(items: Sequence[Value]) -> Iterator[Sequence[Value]]:
    for at in range(0, len(items), CHUNKS_A_SLICE):
        yield items[at : at + CHUNKS_A_SLICE]
