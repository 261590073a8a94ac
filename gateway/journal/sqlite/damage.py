"""The end of rows whose chunk can't be read any more (P6 in docs/promises.md): told in results, with all that is known.

Their positions in the batch stand apart from the chunk. Their ids and tracks stand in it alone, and are told where its
bytes still decode: nothing says then that an id is right to the letter, so callers should go by the positions.
"""

import sqlite3
from collections.abc import Callable
from typing import TypeVar

import msgspec
import structlog

from gateway.journal.books import rowsets
from gateway.journal.books.store import StoredChunk
from gateway.journal.books.withdrawal import Withdrawal, settle_unattempted
from gateway.journal.encoding import ENVELOPE_BYTES, decode_positions
from gateway.journal.engine import Settlement
from gateway.journal.sqlite.reader import Reader
from protocol.chunks import Chunk, decode_chunk
from protocol.outcomes import Advice, Outcome
from protocol.reasons import Reason

Value = TypeVar("Value")

_log: structlog.stdlib.BoundLogger = structlog.get_logger("journal")


async def settle_damaged(
    reader: Reader, chunk: StoredChunk, sealed: bytes, at_ms: int, choose_rows: Callable[[], int]
) -> list[Settlement]:
    """Return the results of a chunk's rows: failed, or unknown after an attempt without an answer.

    ``choose_rows`` is called last, and says which: others may be on their way, sent before the damage.
    """
    number = chunk.batch.number
    positions = (await reader.run(lambda connection: select_positions(connection, number)))[chunk.number]
    rows = choose_rows() & chunk.owed
    if not rows:
        return []
    _log.error(
        "journal_chunk_damaged",
        batch_id=chunk.batch.record.batch_id,
        principal=chunk.batch.record.principal,
        indexes=positions,
        rows=rows.bit_count(),
        what_to_do="its notifications end as failed; check the disk, and the rest with `pushmill journal check`",
    )
    withdrawal = Withdrawal(Outcome.FAILED, Reason.JOURNAL_DAMAGED, at_ms)
    blocks = settle_unattempted(chunk, _make_stand_in(chunk, positions, sealed), rows, withdrawal)
    for block in blocks:
        block.advice = Advice.RETRY_LATER
    return blocks


def select_positions(connection: sqlite3.Connection, batch: int) -> list[list[int]]:
    """Return the positions of the rows of each chunk of a batch. Raises DamagedError."""
    (data,) = connection.execute("SELECT positions FROM batch WHERE number = ?", (batch,)).fetchone()
    return decode_positions(batch, data)


def salvage_chunk(stored: bytes, rows: int) -> Chunk | None:
    """Return what bytes that failed their checksum decode to; None when that is nothing like the chunk."""
    try:
        chunk = decode_chunk(stored)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    return chunk if len(chunk) == rows else None


def _make_stand_in(chunk: StoredChunk, positions: list[int], sealed: bytes) -> Chunk:
    """Return a chunk that has what results tell of rows, and nothing to send."""
    rows = rowsets.from_ranges(positions).bit_count()
    salvaged = salvage_chunk(sealed[ENVELOPE_BYTES:], rows)
    ids, tracks = (salvaged.ids, salvaged.tracks) if salvaged is not None else (None, None)
    return Chunk(
        lane=chunk.lane,
        queue=chunk.queue,
        indexes=positions,
        destinations=[],
        bodies=[],
        variants=[],
        ids=_fit(ids, rows),
        tracks=_fit(tracks, rows),
    )


def _fit(column: list[Value] | None, rows: int) -> list[Value] | None:
    return column if column is not None and len(column) == rows else None
