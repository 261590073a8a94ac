"""How earlier versions kept a batch: read once, when a journal of theirs is upgraded, checked or repaired.

Version 1 kept a batch's record under field names, and its first answer as the frame of the socket door that told it.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from gateway.journal.encoding import DamagedError, decode_positions, encode_record, seal, unseal
from gateway.journal.engine import BatchRecord
from gateway.journal.sqlite.disk import schema
from protocol.answers import Answer, RejectedRowsBuilder, encode_answer
from protocol.reasons import Reason
from protocol.rejections import Rejection

BATCH_COLUMNS = {
    1: "number, principal, fingerprint, record, positions, answer",
    schema.VERSION: "number, principal, batch_id, accepted_at_ms, is_named, record, positions, answer",
}
"""The columns of a batch in each version that can be read."""

BatchRow = tuple[Any, ...]


class _RejectedRow(msgspec.Struct):
    index: int
    id: str | None
    reason: str
    field: str | None
    detail: str


class _AcceptedFrame(msgspec.Struct):
    """An ``accepted`` frame of version 1 of the socket door."""

    batch_id: str
    accepted: int
    rejected: list[_RejectedRow]


_records = msgspec.msgpack.Decoder(BatchRecord)
_frames = msgspec.msgpack.Decoder(_AcceptedFrame)


def _convert_version_1(row: BatchRow) -> BatchRow:
    number, principal, fingerprint, record, positions, answer = row
    decode_positions(number, positions)
    batch = _records.decode(unseal(number, record))
    # Callers' own ids alone were kept under their names then, and those that were made can't be told from them.
    head, stored = encode_record(number, batch, unseal(number, fingerprint), is_named=True)
    kept = seal(number, encode_answer(_read_frame(number, unseal(number, answer))))
    return (number, principal, *head, stored, positions, kept)


def _read_frame(number: int, body: bytes) -> Answer:
    try:
        frame = _frames.decode(body)
        rejected = RejectedRowsBuilder()
        rejected.add(
            Rejection(index=row.index, id=row.id, reason=Reason[row.reason.upper()], field=row.field, detail=row.detail)
            for row in frame.rejected
        )
    except (msgspec.MsgspecError, KeyError) as error:
        raise DamagedError(f"the first answer of batch {number} can't be read ({error})") from error
    return Answer(batch_id=frame.batch_id, accepted=frame.accepted, rejected=rejected.finish())


def _keep(row: BatchRow) -> BatchRow:
    return row


CONVERT_BATCH: dict[int, Callable[[BatchRow], BatchRow]] = {1: _convert_version_1, schema.VERSION: _keep}
"""From a batch's row in each version to one of this version. Raises DamagedError."""
