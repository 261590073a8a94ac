"""A first answer in this door's own words: an ``accepted`` frame, whose rejected rows are a list."""

from itertools import islice

import trio

from protocol.answers import Answer
from protocol.frames import Accepted, Credits, RejectedRow
from protocol.rejections import Rejection

ROWS_A_SLICE = 250  # about 1 µs each


async def write_accepted(answer: Answer, credits_back: Credits) -> Accepted:
    """Return the frame, with what the batch gives back. A checkpoint after each slice of rejected rows."""
    rejected: list[RejectedRow] = []
    rows = iter(answer.rejected)
    while part := list(islice(rows, ROWS_A_SLICE)):
        rejected += map(_describe, part)
        await trio.lowlevel.checkpoint()
    return Accepted(batch_id=answer.batch_id, accepted=answer.accepted, rejected=rejected, credits=credits_back)


def _describe(row: Rejection) -> RejectedRow:
    return RejectedRow(index=row.index, id=row.id, reason=row.reason.word, field=row.field, detail=row.detail)
