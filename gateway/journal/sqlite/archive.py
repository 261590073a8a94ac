"""Batches whose keys are taken, on the disk: found again one by one for a repeat or a cancel, and all at a start."""

import sqlite3
from collections.abc import Iterator

import msgspec
import structlog

from gateway.journal.books import rowsets
from gateway.journal.books.idempotency import Archived, RecoveredKey
from gateway.journal.books.store import StoredBatch
from gateway.journal.encoding import (
    CHECKSUM_BYTES,
    BatchHead,
    DamagedError,
    decode_positions,
    decode_record,
    unseal,
)
from gateway.journal.engine import BatchRecord
from gateway.journal.errors import AnswerDamagedError
from gateway.journal.sqlite.reader import Reader, is_damage

_log: structlog.stdlib.BoundLogger = structlog.get_logger("journal")


# 85 on the disk, where labels are short, and 50 to 70 of memory
# (`python -m bench.measurements.key_memory sqlite 60000`).
KEY_BYTES = 160


class SqliteArchive:
    """See :class:`gateway.journal.books.idempotency.Archive`. ``reader`` is there from the opening of the files on."""

    key_bytes = KEY_BYTES
    reader: Reader

    async def read(self, number: int) -> Archived | None:
        """Return a batch; None when it is gone. Raises AnswerDamagedError, JournalFailedError."""
        found = await self.reader.run(lambda connection: _select(connection, number))
        if isinstance(found, str):
            _log.error("journal_answer_damaged", batch=number, detail=found, what_to_do="run `pushmill journal check`")
            raise AnswerDamagedError(f"batch {number}: {found}")
        return found


def _select(connection: sqlite3.Connection, number: int) -> Archived | str | None:
    """Return a batch, or what is wrong with it."""
    try:
        row = connection.execute(
            "SELECT batch_id, accepted_at_ms, is_named, record, positions, answer FROM batch WHERE number = ?",
            (number,),
        ).fetchone()
        return None if row is None else _open(number, BatchHead(*row[:3]), *row[3:])
    except DamagedError as error:
        return str(error)
    except sqlite3.DatabaseError as error:
        if not is_damage(error):
            raise
        return str(error)


def _open(number: int, head: BatchHead, record: bytes, positions: bytes, answer: bytes) -> Archived:
    batch_record, fingerprint = decode_record(number, head, record)
    batch = StoredBatch(number, batch_record)
    for ranges in decode_positions(number, positions):
        batch.positions |= rowsets.from_ranges(ranges)
    kept = unseal(number, answer)
    if not kept:
        raise DamagedError("its first answer was damaged before a repair")
    return Archived(batch, fingerprint, kept)


def select_keys(connection: sqlite3.Connection) -> Iterator[RecoveredKey]:
    """Yield every key, oldest first. No blob is read, so what is damaged in one is found when it is asked for."""
    return connection.execute(
        "SELECT principal, batch_id, number, accepted_at_ms, length(answer) - ?, is_named FROM batch ORDER BY number",
        (CHECKSUM_BYTES,),
    )


class KeyCount(msgspec.Struct, frozen=True, kw_only=True):
    """How many batch ids are kept with their first answers, and the bytes that journal.idempotency_bytes counts."""

    kept: int
    counted_bytes: int


def count_keys(connection: sqlite3.Connection) -> KeyCount:
    """Count the keys, without a look at what is in them."""
    kept, name_bytes, answer_bytes = connection.execute(
        "SELECT count(*), total(length(batch_id)), total(length(answer)) FROM batch"
    ).fetchone()
    answers = int(answer_bytes) - kept * CHECKSUM_BYTES
    return KeyCount(kept=kept, counted_bytes=kept * KEY_BYTES + int(name_bytes) + answers)


def select_batches(connection: sqlite3.Connection, batch_id: str) -> list[tuple[int, int, BatchRecord]]:
    """Return (number, principal, record) of each batch of an id, finished ones too. Raises DamagedError."""
    found = connection.execute(
        "SELECT number, principal, batch_id, accepted_at_ms, is_named, record FROM batch WHERE batch_id = ?",
        (batch_id,),
    )
    return [
        (number, principal, decode_record(number, BatchHead(*columns), record)[0])
        for number, principal, *columns, record in found.fetchall()
    ]
