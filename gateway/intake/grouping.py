"""From prepared rows to stored chunks: rows of one lane, queue, start time and account stand together.

A chunk holds at most CHUNK_ROWS rows and about CHUNK_BYTES bytes. Bodies and variants that rows share are stored once
a chunk; sharing is told by identity (:mod:`protocol.preparation.columns`). Comparing contents instead would hash every
byte of every body to find what is already known. Rows come as columns and go into the chunk in runs: lists are cut and
joined, and nothing is called for a row.
"""

from collections.abc import Sequence
from itertools import chain
from typing import Generic, TypeVar

from gateway.journal.books.cancel_keys import make_filter
from gateway.journal.engine import NewChunk
from protocol.chunks import CHUNK_BYTES, CHUNK_ROWS, Chunk, Variant, encode_chunk, pack_ranges
from protocol.preparation import Columns

_GroupKey = tuple[str, int, int, str]  # lane, queue, not_before_ms, account
_Value = TypeVar("_Value")


class ChunkGrouper:
    """Collects the rows of one batch, in order, and gives them out as chunks when these are full."""

    def __init__(self) -> None:
        self._open: dict[_GroupKey, _OpenChunk] = {}

    def add(self, columns: Columns) -> list[NewChunk]:
        """Take rows that come behind those before them; return the chunks that they filled."""
        filled: list[NewChunk] = []
        start = 0
        while start < columns.rows:
            stop = columns.find_run_end(start)
            self._add_run(columns, start, stop, filled)
            start = stop
        return filled

    def _add_run(self, columns: Columns, start: int, stop: int, filled: list[NewChunk]) -> None:
        plan = columns.plans[start]
        key = (columns.lanes[start], plan.queue, plan.variant.not_before_ms, plan.variant.account)
        chunk = self._open.get(key)
        while start < stop:
            if chunk is None:
                chunk = self._open[key] = _OpenChunk(key)
            start = chunk.take(columns, start, stop)
            if start < stop:
                filled.append(chunk.close())
                chunk = None

    def finish(self) -> list[NewChunk]:
        """Return what is left, in the order in which it was begun."""
        rest = [chunk.close() for chunk in self._open.values()]
        self._open.clear()
        return rest


class _OpenChunk:
    """Rows of one group until the chunk is closed; an empty one takes a row of any size."""

    __slots__ = (
        "_bodies",
        "_cancel_keys",
        "_destinations",
        "_expires_at_ms",
        "_ids",
        "_indexes",
        "_key",
        "_reported",
        "_size_bytes",
        "_tracks",
        "_variants",
    )

    def __init__(self, key: _GroupKey) -> None:
        self._key = key
        self._size_bytes = 0
        self._bodies = _Shared[bytes]()
        self._variants = _Shared[Variant]()
        self._indexes: list[int] = []
        self._destinations: list[bytes] = []
        self._ids: list[str | None] = []
        self._tracks: list[bytes | None] = []
        self._cancel_keys: list[Sequence[str] | None] = []
        self._expires_at_ms: int | None = None
        self._reported = 0

    def take(self, columns: Columns, start: int, stop: int) -> int:
        """Add rows of one run; return the first that found no room, or ``stop``."""
        body, variant = columns.bodies[start], columns.plans[start].variant
        size_bytes = self._size_bytes
        if body not in self._bodies:
            size_bytes += len(body)
        if variant not in self._variants:
            size_bytes += sum(len(name) + len(value) for name, value in variant.headers)
        rows = len(self._indexes)
        end, last = start, min(stop, start + CHUNK_ROWS - rows)
        while end < last:
            with_row = size_bytes + columns.sizes[end]
            if with_row > CHUNK_BYTES and rows + end - start:
                break
            size_bytes = with_row
            end += 1
        if end > start:
            self._size_bytes = size_bytes
            self._share(body, variant, rows, end - start)
            self._append(columns, start, end)
        return end

    def close(self) -> NewChunk:
        """Return the chunk in stored form."""
        lane, queue, not_before_ms, account = self._key
        return NewChunk(
            lane=lane,
            queue=queue,
            rows=len(self._indexes),
            stored=encode_chunk(self._columns(lane, queue)),
            expires_at_ms=self._expires_at_ms or 0,
            not_before_ms=not_before_ms,
            cancel_filter=make_filter(chain.from_iterable(filter(None, self._cancel_keys))),
            account=account,
            reported=self._reported,
        )

    def _share(self, body: bytes, variant: Variant, at: int, rows: int) -> None:
        self._bodies.add(body, rows)
        self._variants.add(variant, rows)
        if self._expires_at_ms is None or variant.expires_at_ms < self._expires_at_ms:
            self._expires_at_ms = variant.expires_at_ms
        if variant.report_unknown:
            self._reported |= (1 << rows) - 1 << at

    def _append(self, columns: Columns, start: int, stop: int) -> None:
        self._indexes += columns.indexes[start:stop]
        self._destinations += columns.destinations[start:stop]
        self._ids += columns.ids[start:stop]
        self._tracks += columns.tracks[start:stop]
        self._cancel_keys += columns.cancel_keys[start:stop]

    def _columns(self, lane: str, queue: int) -> Chunk:
        return Chunk(
            lane=lane,
            queue=queue,
            indexes=pack_ranges(self._indexes),
            destinations=self._destinations,
            bodies=self._bodies.values,
            body_of_row=self._bodies.of_row,
            variants=self._variants.values,
            variant_of_row=self._variants.of_row,
            ids=_column_or_none(self._ids),
            tracks=_column_or_none(self._tracks),
            cancel_keys=_column_or_none([None if keys is None else list(keys) for keys in self._cancel_keys]),
        )


class _Shared(Generic[_Value]):
    """What rows of a chunk share: each object once, and its number for every row. Told by identity."""

    __slots__ = ("_number_of", "_numbers", "values")

    def __init__(self) -> None:
        self.values: list[_Value] = []  # keeps the objects alive whose identities are noted
        self._number_of: dict[int, int] = {}
        self._numbers: list[int] = []

    def __contains__(self, value: _Value) -> bool:
        return id(value) in self._number_of

    def add(self, value: _Value, rows: int) -> None:
        """Add a run of rows with this value."""
        number = self._number_of.setdefault(id(value), len(self.values))
        if number == len(self.values):
            self.values.append(value)
        self._numbers += [number] * rows

    @property
    def of_row(self) -> list[int] | None:
        """Each row's number, None where all rows share the one."""
        return None if len(self.values) == 1 else self._numbers


def _column_or_none(column: list[_Value | None]) -> list[_Value | None] | None:
    """Return the column, or None where no row has a value: that is not stored."""
    return None if column.count(None) == len(column) else column
