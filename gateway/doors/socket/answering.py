"""A first answer in this door's own words: an ``accepted`` frame, whose rejected rows are a list."""

from functools import partial
from itertools import islice

from gateway.intake.turns import TURN_COST, TurnAccount, Turns
from protocol.answers import Answer
from protocol.frames import Accepted, Credits, RejectedRow
from protocol.rejections import Rejection

ROWS_A_SLICE = 250  # about 1 µs each


async def write_accepted(answer: Answer, credits_back: Credits, turns: Turns, account: TurnAccount) -> Accepted:
    """Return the frame, with what the batch gives back. Slices of rejected rows are written in turns."""
    rejected: list[RejectedRow] = []
    rows = iter(answer.rejected)
    while part := list(islice(rows, ROWS_A_SLICE)):
        cost = len(part) * TURN_COST // ROWS_A_SLICE
        await turns.run(account, cost, partial(rejected.extend, map(_describe, part)))
    return Accepted(batch_id=answer.batch_id, accepted=answer.accepted, rejected=rejected, credits=credits_back)


def _describe(row: Rejection) -> RejectedRow:
    return RejectedRow(
        index=row.index,
        id=row.id,
        reason=row.reason.word,
        advice=row.advice.word,
        field=row.field,
        detail=row.detail,
    )
