"""Results the engine itself makes: for rows that are cancelled or expire while nobody has leased them.

What results tell of a row (id, track, position in the batch) is in its stored chunk, so a withdrawal reads it first.
"""

from collections.abc import Sequence
from typing import TypeVar

import msgspec

from gateway.journal.books import rowsets
from gateway.journal.books.store import BatchStore, StoredChunk
from gateway.journal.engine import Recall, Recalled, Settlement
from protocol.chunks import Chunk, expand_ranges, pack_ranges
from protocol.lanes import get_provider
from protocol.outcomes import Advice, Outcome
from protocol.reasons import Reason

Column = TypeVar("Column")


def keep_all(lane: str, batch: int, chunk: int, rows: int) -> Recalled:
    """Let go of nothing: the recall of an engine that has not been told of any holder."""
    del lane, batch, chunk, rows
    return Recalled()


def get_back(store: BatchStore, recall: Recall, chunk: StoredChunk, rows: int) -> int:
    """Return those of ``rows`` that are not leased, after asking for those that are; their attempts come with them."""
    if leased := rows & chunk.leased:
        recalled = recall(chunk.lane, chunk.batch.number, chunk.number, leased)
        for row, attempts in recalled.attempts.items():
            chunk.raise_attempts(1 << row, attempts)
        store.unlease(chunk, recalled.rows)
    return rows & ~chunk.leased


class Withdrawal(msgspec.Struct, frozen=True):
    """Why rows end without a further attempt, and when (UNIX milliseconds)."""

    outcome: Outcome
    reason: Reason
    at_ms: int


def settle_unattempted(stored: StoredChunk, chunk: Chunk, rows: int, withdrawal: Withdrawal) -> list[Settlement]:
    """Return the results of withdrawn rows, a block for each history of attempts.

    After an uncertain attempt nobody can say that the provider did not take it: that row ends ``unknown``.
    """
    blocks = []
    for tried in stored.split_by_attempts(rows):
        block = _make_block(stored, chunk, tried.rows, withdrawal)
        block.attempts = tried.attempts
        block.uncertain_attempts = tried.uncertain_attempts
        block.outcome = Outcome.UNKNOWN if tried.uncertain_attempts else withdrawal.outcome
        blocks.append(block)
    return blocks


def _make_block(stored: StoredChunk, chunk: Chunk, rows: int, withdrawal: Withdrawal) -> Settlement:
    positions = list(expand_ranges(chunk.indexes))
    chosen = list(rowsets.rows_of(rows))
    return Settlement(
        batch=stored.batch.number,
        chunk=stored.number,
        rows=pack_ranges(chosen),
        indexes=pack_ranges([positions[row] for row in chosen]),
        provider=get_provider(stored.lane),
        outcome=withdrawal.outcome,
        reason=withdrawal.reason,
        advice=Advice.NONE,
        provider_status=None,
        provider_reason=None,
        attempts=0,
        uncertain_attempts=0,
        finished_at_ms=withdrawal.at_ms,
        ids=_pick(chunk.ids, chosen),
        tracks=_pick(chunk.tracks, chosen),
    )


def find_positions(chunk: Chunk, rows: int, wanted: int | None) -> int:
    """Return those of ``rows`` whose position in the batch is in ``wanted`` (None: all of them)."""
    if wanted is None:
        return rows
    positions = list(expand_ranges(chunk.indexes))
    return sum(1 << row for row in rowsets.rows_of(rows) if wanted >> positions[row] & 1)


def find_expired(chunk: Chunk, rows: int, now_ms: int) -> int:
    """Return those of ``rows`` whose deadline has come."""
    expired = [variant.expires_at_ms <= now_ms for variant in chunk.variants]
    if chunk.variant_of_row is None:
        return rows if expired[0] else 0
    return sum(1 << row for row in rowsets.rows_of(rows) if expired[chunk.variant_of_row[row]])


def earliest_deadline_ms(chunk: Chunk, rows: int) -> int:
    """Return the earliest deadline of ``rows``, which are not none."""
    if chunk.variant_of_row is None:
        return chunk.variants[0].expires_at_ms
    return min(chunk.variants[chunk.variant_of_row[row]].expires_at_ms for row in rowsets.rows_of(rows))


def keep_rows(settlement: Settlement, kept: int) -> Settlement:
    """Return a settlement without the rows that are not in ``kept``."""
    rows = list(expand_ranges(settlement.rows))
    places = [place for place, row in enumerate(rows) if kept >> row & 1]
    indexes = list(expand_ranges(settlement.indexes))
    return msgspec.structs.replace(
        settlement,
        rows=pack_ranges([rows[place] for place in places]),
        indexes=pack_ranges([indexes[place] for place in places]),
        ids=_pick(settlement.ids, places),
        tracks=_pick(settlement.tracks, places),
        provider_ids=_pick(settlement.provider_ids, places),
        dead_since_ms=_pick(settlement.dead_since_ms, places),
        destinations=_pick(settlement.destinations, places),
    )


def forget_destinations(settlement: Settlement) -> Settlement:
    """Return a settlement as results keep it."""
    return settlement if settlement.destinations is None else msgspec.structs.replace(settlement, destinations=None)


def _pick(column: Sequence[Column] | None, places: Sequence[int]) -> list[Column] | None:
    return None if column is None else [column[place] for place in places]
