"""Results as they travel in columns, and as records for those who read one at a time.

A *block* is one settlement: what its rows share stands once, positions are ranges, and a column exists only where
rows differ. A thousand plain successes take about 200 bytes. A *result* is one row of it, spelled out.
"""

import base64
from collections.abc import Iterator, Sequence
from typing import TypeVar

import msgspec

from protocol.chunks import expand_ranges
from protocol.outcomes import Advice, Outcome
from protocol.providers.apns.provider_ids import provider_id
from protocol.reasons import Reason

Value = TypeVar("Value")


class ResultBlock(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One final word for many rows of one batch, in the words of the API. Moments are UNIX milliseconds.

    ``indexes`` are flat ranges: start, stop, start, stop … The lists after it have one entry a row, in that order, or
    are absent where no row has any. APNs request ids follow from ``provider_id_prefix`` and the row's index.
    """

    batch_id: str
    app: str
    provider: str
    outcome: str
    indexes: list[int]
    accepted_at: int
    finished_at: int
    reason: str | None = None
    advice: str = "none"
    provider_status: int | None = None
    provider_reason: str | None = None
    attempts: int = 0
    uncertain_attempts: int = 0
    provider_id_prefix: bytes | None = None
    labels: list[str] = []
    ids: list[str | None] | None = None
    tracks: list[bytes | None] | None = None
    provider_ids: list[str | None] | None = None
    dead_since: list[int | None] | None = None

    def __len__(self) -> int:
        return sum(self.indexes[at + 1] - self.indexes[at] for at in range(0, len(self.indexes), 2))


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """The final word on one notification, field by field as the API prints it. ``track`` is base64."""

    batch_id: str
    index: int
    id: str | None
    app: str
    provider: str
    outcome: str
    reason: str | None
    advice: str
    provider_id: str | None
    provider_status: int | None
    provider_reason: str | None
    attempts: int
    uncertain_attempts: int
    accepted_at: int
    finished_at: int
    dead_since: int | None
    labels: list[str]
    track: str | None


def make_block(
    *,
    batch_id: str,
    app: str,
    labels: Sequence[str],
    accepted_at_ms: int,
    provider_id_prefix: bytes,
    provider: str,
    outcome: Outcome,
    reason: Reason | None,
    advice: Advice,
    provider_status: int | None,
    provider_reason: str | None,
    attempts: int,
    uncertain_attempts: int,
    indexes: list[int],
    finished_at_ms: int,
    ids: list[str | None] | None = None,
    tracks: list[bytes | None] | None = None,
    provider_ids: list[str | None] | None = None,
    dead_since_ms: list[int | None] | None = None,
) -> ResultBlock:
    """Return the block of one settlement and its batch.

    The id prefix is left out where no request was ever made, and where the provider gave ids of its own.
    """
    has_derived_ids = provider == "apns" and provider_ids is None and attempts > 0
    return ResultBlock(
        batch_id=batch_id,
        app=app,
        provider=provider,
        outcome=outcome.word,
        indexes=indexes,
        accepted_at=accepted_at_ms,
        finished_at=finished_at_ms,
        reason=None if reason is None else reason.word,
        advice=advice.word,
        provider_status=provider_status,
        provider_reason=provider_reason,
        attempts=attempts,
        uncertain_attempts=uncertain_attempts,
        provider_id_prefix=provider_id_prefix if has_derived_ids else None,
        labels=list(labels),
        ids=ids,
        tracks=tracks,
        provider_ids=provider_ids,
        dead_since=dead_since_ms,
    )


def expand(block: ResultBlock) -> Iterator[Result]:
    """Yield the results of a block in the order of its rows. Raises ValueError when a column's length is wrong."""
    count = len(block)
    ids = _column(block.ids, count)
    tracks = _column(block.tracks, count)
    dead_since = _column(block.dead_since, count)
    provider_ids = _column(block.provider_ids, count)
    for row, index in enumerate(expand_ranges(block.indexes)):
        yield Result(
            batch_id=block.batch_id,
            index=index,
            id=ids[row],
            app=block.app,
            provider=block.provider,
            outcome=block.outcome,
            reason=block.reason,
            advice=block.advice,
            provider_id=provider_ids[row] or _derive_provider_id(block, index),
            provider_status=block.provider_status,
            provider_reason=block.provider_reason,
            attempts=block.attempts,
            uncertain_attempts=block.uncertain_attempts,
            accepted_at=block.accepted_at,
            finished_at=block.finished_at,
            dead_since=dead_since[row],
            labels=block.labels,
            track=_printable_track(tracks[row]),
        )


def _column(column: Sequence[Value | None] | None, count: int) -> Sequence[Value | None]:
    if column is None:
        return [None] * count
    if len(column) != count:
        raise ValueError(f"a column of a result block has {len(column)} entries for {count} rows")
    return column


def _derive_provider_id(block: ResultBlock, index: int) -> str | None:
    return None if block.provider_id_prefix is None else provider_id(block.provider_id_prefix, index)


def _printable_track(track: bytes | None) -> str | None:
    return None if track is None else base64.b64encode(track).decode()
