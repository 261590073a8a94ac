"""Rows of the engine in memory that end without a further attempt: cancelled, or too old to be sent.

What a lease has is asked for first: that of the handle at work by a call, those of others by a question that is left in
the store. It goes in slices of chunks with shielded checkpoints between them, and each slice is whole.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import trio

from gateway.clock import lead_ms
from gateway.journal.books.cancelling import RowSearch
from gateway.journal.books.store import StoredChunk
from gateway.journal.books.withdrawal import (
    Withdrawal,
    earliest_deadline_ms,
    find_expired,
    keep_all,
    settle_unattempted,
)
from gateway.journal.engine import Recall, Settlement
from gateway.journal.memory.leases import GivenUp
from gateway.journal.memory.recalls import Question
from gateway.journal.memory.store import MemoryStore
from protocol.chunks import Chunk, decode_chunk
from protocol.outcomes import Outcome
from protocol.reasons import Reason

CHUNKS_A_SLICE = 25  # read and settled at about 20 µs each: half a millisecond of the loop
LOOK_AGAIN_MS = 1000  # overdue rows that are leased are their holder's to end; they may still be given back


class _Found(NamedTuple):
    """Rows (bits) of a chunk that are to end."""

    stored: StoredChunk
    chunk: Chunk
    rows: int


class MemoryWithdrawals:
    """See the module text. One for each handle; ``lease`` is the one that it has at the time of a call."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self.recall: Recall = keep_all

    async def cancel(self, lease: int, chunks: Sequence[StoredChunk], search: RowSearch, now_ms: int) -> int:
        """Settle what may be cancelled of what is searched; return how many rows were certainly never taken."""
        blocks = await self._withdraw(
            lease, chunks, search.find, Withdrawal(Outcome.CANCELLED, Reason.CANCELLED, now_ms)
        )
        return sum(block.count for block in blocks if block.outcome is Outcome.CANCELLED)

    async def expire(self, lease: int, now_ms: int) -> int:
        """Settle what has expired; return how many rows that is."""
        blocks = await self._withdraw(
            lease,
            list(self._store.deadlines.take_due(now_ms)),
            lambda stored, chunk: find_expired(chunk, stored.owed, now_ms - stored.batch.lead_ms),
            Withdrawal(Outcome.EXPIRED, Reason.EXPIRED, now_ms - lead_ms(self._store.clock)),
            on_left=lambda stored, chunk: self._store.deadlines.push(
                max(earliest_deadline_ms(chunk, stored.owed) + stored.batch.lead_ms, now_ms + LOOK_AGAIN_MS), stored
            ),
        )
        return sum(block.count for block in blocks)

    async def _withdraw(
        self,
        lease: int,
        chunks: Sequence[StoredChunk],
        find_rows: Callable[[StoredChunk, Chunk], int],
        withdrawal: Withdrawal,
        *,
        on_left: Callable[[StoredChunk, Chunk], None] | None = None,
    ) -> list[Settlement]:
        """Settle those of the rows found in each chunk that nobody keeps, and return their results."""
        settled: list[Settlement] = []
        for at in range(0, len(chunks), CHUNKS_A_SLICE):
            if at:
                await trio.lowlevel.cancel_shielded_checkpoint()
            found: list[_Found] = []
            for stored in chunks[at : at + CHUNKS_A_SLICE]:
                if not stored.is_finished:
                    chunk = decode_chunk(stored.stored)
                    found.append(_Found(stored, chunk, find_rows(stored, chunk)))
            fetched = await self._ask_others(lease, found)
            for stored, chunk, rows in found:
                free = self._get_back(lease, stored, rows, fetched.get(stored, 0))
                for block in settle_unattempted(stored, chunk, free, withdrawal):
                    self._store.settle(stored, block)
                    settled.append(block)
                if on_left is not None and not stored.is_finished:
                    on_left(stored, chunk)
            self._store.work.leave_behind()
            self._store.change.unpark_all()
        return settled

    async def _ask_others(self, lease: int, found: Sequence[_Found]) -> dict[StoredChunk, int]:
        """Return the rows that other handles let go of: they are this one's lease's then."""
        asked: dict[int, dict[StoredChunk, int]] = {}
        for stored, _, rows in found:
            if rows & stored.leased & ~self._store.leases.held(lease, stored):
                for holder in self._store.leases.find_holders(stored, rows):
                    if holder != lease:
                        asked.setdefault(holder, {})[stored] = rows & self._store.leases.held(holder, stored)
        questions = [Question(holder, lease, rows) for holder, rows in asked.items()]
        if questions:
            with trio.CancelScope(shield=True):
                await self._store.recalls.ask(questions)
        fetched: dict[StoredChunk, int] = {}
        for question in questions:
            for stored, rows in question.let_go.items():
                fetched[stored] = fetched.get(stored, 0) | rows & self._store.leases.held(lease, stored)
        return fetched

    def answer(self, question: Question) -> None:
        """Let go of what another handle asks for, as far as this one can."""
        asks_still = self._store.leases.is_held(question.asker)
        for stored, rows in question.rows.items() if asks_still else ():
            wanted = rows & self._store.leases.held(question.lease, stored)
            if let_go := self._recall(stored, wanted):
                self._store.leases.move(question.lease, question.asker, stored, let_go)
                question.let_go[stored] = let_go
        question.is_answered.set()

    def _recall(self, stored: StoredChunk, rows: int) -> int:
        """Return those of this handle's rows that it lets go of; the attempts that they had are noted."""
        if not rows:
            return 0
        recalled = self.recall(stored.lane, stored.batch.number, stored.number, rows)
        for row, attempts in recalled.attempts.items():
            stored.raise_attempts(1 << row, attempts)
        return recalled.rows

    def _get_back(self, lease: int, stored: StoredChunk, rows: int, fetched: int) -> int:
        """Return those of ``rows`` that nobody keeps."""
        own = rows & self._store.leases.held(lease, stored) & ~fetched
        self._store.let_go_of(lease, stored, fetched | self._recall(stored, own))
        return rows & stored.owed & ~stored.leased

    def let_go(self, lease: int) -> None:
        """End a lease for good: what was not sent is due again, and of the rest nobody knows."""
        for stored, rows, started in self._store.leases.end(lease):
            certain = self._recall(stored, rows)
            self._store.batches.unlease(stored, certain)
            if certain:
                self._store.work.put(stored, certain, 0)
            if left := rows & ~certain:
                self._store.give_up([GivenUp(stored, left, started & left)])
