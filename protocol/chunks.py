"""The stored form of accepted notifications: at most 100 rows of one batch, one lane and one queue.

One versioned internal encoding, never wire bytes: msgpack of columns. Rows share what they can: a body that many rows
send stands once, and what usually is alike for a whole batch (deadline, provider headers) is a *variant* that rows
name by number. Rejected rows are left out, so ``indexes`` holds the callers' positions as ranges.
Measured on the reference shape (32-byte APNs token, shared payload, 8-byte id): about 45 bytes a row.
"""

from collections.abc import Iterator, Sequence
from typing import TypeVar

import msgspec

CHUNK_VERSION = 1
CHUNK_ROWS = 100
CHUNK_BYTES = 64 * 1024


class Variant(msgspec.Struct, frozen=True, array_like=True):
    """What rows of a chunk have in common apart from destination and body.

    ``headers`` are provider header fields (name, value) in wire form. ``expires_at_ms`` is UNIX milliseconds.
    ``single_try``: ``ttl: 0``, one try now. ``account`` is who the app was at its provider when the rows were accepted:
    APNs team and topic as ``team/topic``, a VAPID key; empty where the lane says it or nobody knows.
    """

    expires_at_ms: int
    headers: tuple[tuple[bytes, bytes], ...] = ()
    not_before_ms: int = 0
    report_unknown: bool = False
    single_try: bool = False
    account: str = ""


class Chunk(msgspec.Struct, array_like=True, kw_only=True):
    """Rows as columns; every column that is None has the same value (absent, or number 0) in each row."""

    version: int = CHUNK_VERSION
    lane: str
    queue: int
    indexes: list[int]  # start, stop, start, stop …: positions in the batch as submitted
    destinations: list[bytes]
    bodies: list[bytes]
    body_of_row: list[int] | None = None
    variants: list[Variant]
    variant_of_row: list[int] | None = None
    ids: list[str | None] | None = None
    tracks: list[bytes | None] | None = None
    cancel_keys: list[list[str] | None] | None = None

    def __len__(self) -> int:
        return len(self.destinations)


Value = TypeVar("Value")

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Chunk)


def encode_chunk(chunk: Chunk) -> bytes:
    """Return the stored form."""
    return _encoder.encode(chunk)


def decode_chunk(stored: bytes) -> Chunk:
    """Return the rows of a stored chunk. Raises msgspec.DecodeError on damage, ValueError on another version."""
    chunk = _decoder.decode(stored)
    if chunk.version != CHUNK_VERSION:
        raise ValueError(f"chunk has version {chunk.version}, this gateway reads {CHUNK_VERSION}")
    return chunk


def cut_chunk(chunk: Chunk, start: int, stop: int) -> Chunk:
    """Return rows ``start`` to ``stop`` as a chunk of their own; what they share stays the same object."""
    if start == 0 and stop == len(chunk):
        return chunk
    positions = list(expand_ranges(chunk.indexes))[start:stop]
    return msgspec.structs.replace(
        chunk,
        indexes=pack_ranges(positions),
        destinations=chunk.destinations[start:stop],
        body_of_row=list(spread(chunk.body_of_row, len(chunk.bodies), len(chunk))[start:stop]),
        variant_of_row=list(spread(chunk.variant_of_row, len(chunk.variants), len(chunk))[start:stop]),
        ids=_cut(chunk.ids, start, stop),
        tracks=_cut(chunk.tracks, start, stop),
        cancel_keys=_cut(chunk.cancel_keys, start, stop),
    )


def _cut(column: list[Value] | None, start: int, stop: int) -> list[Value] | None:
    return None if column is None else column[start:stop]


def spread(column: Sequence[int] | None, distinct: int, rows: int) -> Sequence[int]:
    """Return which of the distinct values each row takes: as its column says; without one, its own or the only one."""
    if column is not None:
        return column
    return range(rows) if distinct == rows else [0] * rows


def expand_ranges(ranges: Sequence[int]) -> Iterator[int]:
    """Yield every number of a flat list start, stop, start, stop …."""
    for at in range(0, len(ranges), 2):
        yield from range(ranges[at], ranges[at + 1])


def pack_ranges(numbers: Sequence[int]) -> list[int]:
    """Return rising numbers as a flat list start, stop, start, stop …."""
    ranges: list[int] = []
    for number in numbers:
        if ranges and ranges[-1] == number:
            ranges[-1] = number + 1
        else:
            ranges += (number, number + 1)
    return ranges
