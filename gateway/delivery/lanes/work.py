"""A materialised chunk: its rows as requests ready for the wire, and what is known of those that did not just succeed.

Rows become objects only here, and only when something goes wrong with them: the sparse dictionaries stay empty for a
chunk whose rows all succeed at once.

Who keeps whom: a lane has its works in a set until their rows have ended, a work has its requests, and a session those
that are in flight. The way back, from requests to their work, is a weak reference: a cycle of the two would be left to
the collector, which doesn't look at old objects while there is work (``gateway.collecting``).
"""

from collections.abc import Iterable, Iterator
from math import inf
from weakref import ref as weak_reference

import msgspec

from gateway.delivery.providers.provider import BuiltRequests
from gateway.journal.engine import BatchRecord, ChunkRef
from native import Requests
from protocol.chunks import Chunk, Variant, expand_ranges, pack_ranges
from protocol.requests import RequestColumns


class Work:
    """Rows of a chunk while this gateway holds their lease: ``chunk`` has those of ``ref`` and no others.

    Rows are numbered as they are there, from 0; row 0 is row ``ref.start`` of the stored chunk.
    """

    __slots__ = (
        "__weakref__",
        "_reports_unknown",
        "attempts",
        "batch",
        "built_at",
        "chunk",
        "columns",
        "earliest_expiry_ms",
        "indexes",
        "marked",
        "open_rows",
        "provider",
        "ref",
        "remedied",
        "repeats",
        "requests",
    )

    requests: Requests
    columns: RequestColumns

    def __init__(
        self, ref: ChunkRef, batch: BatchRecord, chunk: Chunk, *, built: BuiltRequests, provider: str, now: float
    ) -> None:
        self.ref = ref
        self.provider = provider
        self.batch = batch
        self.chunk = chunk
        self.take(built, now)
        self.indexes = list(expand_ranges(chunk.indexes))
        self.open_rows = ref.stop - ref.start
        self.earliest_expiry_ms = min(variant.expires_at_ms for variant in chunk.variants)
        self._reports_unknown = any(variant.report_unknown for variant in chunk.variants)
        self.attempts: dict[int, int] = {}  # row → attempts under this lease that count and are over, where not none
        self.repeats: dict[int, int] = {}  # row → free repeats had, where not none
        self.marked: set[int] = set()  # rows that the engine knows as started under this lease
        self.remedied: set[int] = set()  # rows that had their one repeat after a remedy

    def __repr__(self) -> str:
        return f"<Work batch {self.ref.batch} chunk {self.ref.chunk}, {self.open_rows} of {len(self.chunk)} rows open>"

    def count_attempts(self, row: int) -> int:
        """Return how many attempts of ``row`` counted and are over, those of earlier leases with them."""
        return self.ref.attempts + self.attempts.get(row, 0)

    def number_as_stored(self, rows: Iterable[int]) -> list[int]:
        """Return rows numbered as in the stored chunk, for the engine."""
        return [self.ref.start + row for row in rows]

    def find_unmarked(self, start: int, stop: int) -> list[int]:
        """Return which rows of a range are to be reported when their end is unknown, and not marked as started yet.

        A chunk may mix them with rows that are to be sent again.
        """
        if not self._reports_unknown:
            return []
        return [row for row in range(start, stop) if row not in self.marked and self.variant(row).report_unknown]

    def earliest_expiry(self, start: int, stop: int) -> int:
        """Return when the first row of a range expires, UNIX milliseconds."""
        of_row = self.chunk.variant_of_row
        if of_row is None:
            return self.earliest_expiry_ms
        return min(self.chunk.variants[number].expires_at_ms for number in set(of_row[start:stop]))

    def take(self, built: BuiltRequests, now: float) -> None:
        """Send ``built`` from ``now`` (monotonic) on. Rows in flight end by the requests that they went out with."""
        self.requests = built.requests
        self.columns = built.columns
        built.requests.owner = weak_reference(self)
        self.built_at = now

    def outdate(self) -> None:
        """Have the requests built anew before any more of them go out."""
        self.built_at = -inf

    def has_history(self, row: int) -> bool:
        """Whether ``row`` was attempted under this lease already."""
        return row in self.attempts or row in self.repeats or row in self.remedied

    def number_of_variant(self, row: int) -> int:
        """Return which of the chunk's variants ``row`` has."""
        of_row = self.chunk.variant_of_row
        return of_row[row] if of_row is not None else 0

    def variant(self, row: int) -> Variant:
        """Return what ``row`` shares with others."""
        return self.chunk.variants[self.number_of_variant(row)]


def work_of(requests: Requests) -> Work:
    """Return the work that ``requests`` were built for. Its lane has it as long as any of its rows is open."""
    work: Work | None = requests.owner()
    if work is None:
        raise RuntimeError(f"{requests!r} outlived their work")
    return work


class Span(msgspec.Struct):
    """A range of a work's rows that waits to be submitted; ``start`` moves up as rows go out."""

    work: Work
    start: int
    stop: int

    def refs(self) -> Iterator[ChunkRef]:
        """Yield the rows as leased work again, with the attempts that were made meanwhile."""
        work, first = self.work, self.work.ref.start
        start = self.start
        while start < self.stop:
            attempts, stop = work.count_attempts(start), start + 1
            while stop < self.stop and work.count_attempts(stop) == attempts:
                stop += 1
            yield msgspec.structs.replace(work.ref, start=first + start, stop=first + stop, attempts=attempts)
            start = stop

    @property
    def stored_rows(self) -> int:
        """The rows as bits, numbered as in the stored chunk."""
        return ((1 << self.stop - self.start) - 1) << self.start + self.work.ref.start

    @property
    def stored_attempts(self) -> dict[int, int]:
        """Attempts that count and are over, where not none, by row as in the stored chunk."""
        work, first = self.work, self.work.ref.start
        if not work.attempts and not work.ref.attempts:
            return {}
        return {first + row: tried for row in range(self.start, self.stop) if (tried := work.count_attempts(row))}


def spans_of(work: Work, rows: Iterable[int]) -> list[Span]:
    """Return rows (in any order) as spans."""
    ranges = pack_ranges(sorted(rows))
    return [Span(work, ranges[at], ranges[at + 1]) for at in range(0, len(ranges), 2)]


def withdraw(spans: list[Span], batch: int, chunk: int, rows: int) -> list[Span]:
    """Take those of a stored chunk's ``rows`` (bits) out of ``spans``, and return them, as spans."""
    kept: list[Span] = []
    taken: list[Span] = []
    for span in spans:
        ref = span.work.ref
        if (ref.batch, ref.chunk) != (batch, chunk):
            kept.append(span)
            continue
        inside, wanted = range(span.start, span.stop), rows >> ref.start
        kept += spans_of(span.work, [row for row in inside if not wanted >> row & 1])
        taken += spans_of(span.work, [row for row in inside if wanted >> row & 1])
    spans[:] = kept
    return taken
