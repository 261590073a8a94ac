"""From prepared rows to stored chunks: rows of one lane, queue, start time and account stand together.

A chunk holds at most CHUNK_ROWS rows and about CHUNK_BYTES bytes. Bodies and variants that rows share are stored once
a chunk; sharing is told by identity, as :mod:`protocol.preparation` hands the very same object to rows that share it.
Comparing contents instead would hash every byte of every body to find what is already known.
"""

from collections.abc import Iterable
from typing import TypeVar

from gateway.journal.books.cancel_keys import make_filter
from gateway.journal.engine import NewChunk
from protocol.chunks import CHUNK_BYTES, CHUNK_ROWS, Chunk, encode_chunk, pack_ranges
from protocol.preparation import PreparedRow

# What a row costs beside the contents of its columns: its numbers and msgpack's length prefixes, rounded up.
ROW_OVERHEAD_BYTES = 24

_GroupKey = tuple[str, int, int, str]  # lane, queue, not_before_ms, account
_Value = TypeVar("_Value")


class ChunkGrouper:
    """Collects the rows of one batch, in order, and gives them out as chunks when these are full."""

    def __init__(self) -> None:
        self._open: dict[_GroupKey, _OpenChunk] = {}

    def add(self, rows: Iterable[PreparedRow]) -> list[NewChunk]:
        """Take rows in rising order of their index; return the chunks that they filled."""
        filled: list[NewChunk] = []
        for row in rows:
            key = (row.lane, row.queue, row.variant.not_before_ms, row.variant.account)
            chunk = self._open.get(key)
            if chunk is None or not chunk.take(row):
                if chunk is not None:
                    filled.append(chunk.close())
                self._open[key] = _OpenChunk(key, row)
        return filled

    def finish(self) -> list[NewChunk]:
        """Return what is left, in the order in which it was begun."""
        rest = [chunk.close() for chunk in self._open.values()]
        self._open.clear()
        return rest


class _OpenChunk:
    """Rows of one group until the chunk is closed; it begins with a row, so that one of any size finds a place."""

    __slots__ = ("_bodies", "_key", "_rows", "_size_bytes", "_variants")

    def __init__(self, key: _GroupKey, first: PreparedRow) -> None:
        self._key = key
        self._rows: list[PreparedRow] = []
        self._size_bytes = 0
        # Identities of what is stored once; the rows keep the objects alive.
        self._bodies: set[int] = set()
        self._variants: set[int] = set()
        self._append(first, self._size_of(first))

    def take(self, row: PreparedRow) -> bool:
        """Add the row, or return False where the chunk is full."""
        size_bytes = self._size_of(row)
        if len(self._rows) >= CHUNK_ROWS or self._size_bytes + size_bytes > CHUNK_BYTES:
            return False
        self._append(row, size_bytes)
        return True

    def close(self) -> NewChunk:
        """Return the chunk in stored form."""
        lane, queue, not_before_ms, account = self._key
        return NewChunk(
            lane=lane,
            queue=queue,
            rows=len(self._rows),
            stored=encode_chunk(self._columns(lane, queue)),
            expires_at_ms=min(row.variant.expires_at_ms for row in self._rows),
            not_before_ms=not_before_ms,
            cancel_filter=make_filter(key for row in self._rows for key in row.cancel_keys or ()),
            account=account,
            reported=sum(1 << at for at, row in enumerate(self._rows) if row.variant.report_unknown),
        )

    def _append(self, row: PreparedRow, size_bytes: int) -> None:
        self._size_bytes += size_bytes
        self._bodies.add(id(row.body))
        self._variants.add(id(row.variant))
        self._rows.append(row)

    def _columns(self, lane: str, queue: int) -> Chunk:
        rows = self._rows
        bodies, body_of_row = _share([row.body for row in rows])
        variants, variant_of_row = _share([row.variant for row in rows])
        return Chunk(
            lane=lane,
            queue=queue,
            indexes=pack_ranges([row.index for row in rows]),
            destinations=[row.destination for row in rows],
            bodies=bodies,
            body_of_row=body_of_row,
            variants=variants,
            variant_of_row=variant_of_row,
            ids=_column_or_none([row.id for row in rows]),
            tracks=_column_or_none([row.track for row in rows]),
            cancel_keys=_column_or_none([list(row.cancel_keys) if row.cancel_keys else None for row in rows]),
        )

    def _size_of(self, row: PreparedRow) -> int:
        size_bytes = ROW_OVERHEAD_BYTES + len(row.destination)
        if id(row.body) not in self._bodies:
            size_bytes += len(row.body)
        if id(row.variant) not in self._variants:
            size_bytes += sum(len(name) + len(value) for name, value in row.variant.headers)
        if row.id is not None:
            size_bytes += len(row.id)
        if row.track is not None:
            size_bytes += len(row.track)
        if row.cancel_keys:
            size_bytes += sum(map(len, row.cancel_keys))
        return size_bytes


def _share(column: list[_Value]) -> tuple[list[_Value], list[int] | None]:
    """Return the different objects of a column and each row's number among them (None: all rows share the one)."""
    different = {id(value): value for value in column}
    if len(different) == 1:
        return [column[0]], None
    number_of = {identity: number for number, identity in enumerate(different)}
    return list(different.values()), [number_of[id(value)] for value in column]


def _column_or_none(column: list[_Value | None]) -> list[_Value | None] | None:
    """Return the column, or None where no row has a value: that is not stored."""
    return column if any(value is not None for value in column) else None
