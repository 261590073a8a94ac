"""What a cancel asks for, and how it went: rows of a batch by position or by id, or an app's rows by cancel key.

A search looks at chunks one by one, as often as it is shown any, and tells the rows that are to be cancelled. What
became of those is for the engine to find out; the search then does the counting, as each kind has its own.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Protocol

from gateway.journal.books import rowsets
from gateway.journal.books.store import StoredBatch, StoredChunk
from gateway.journal.books.withdrawal import find_positions
from gateway.journal.engine import CancelCount
from protocol.chunks import Chunk


class RowSearch(Protocol):
    """See the module text."""

    def find(self, stored: StoredChunk, chunk: Chunk) -> int:
        """Return the owed rows of a chunk that the search is for."""
        ...

    def count(self, cancelled: int) -> CancelCount:
        """Return the counts, when so many of the rows found were certainly stopped."""
        ...


class PositionSearch:
    """Positions in a batch; None: all. They are known for as long as the batch's key is.

    Positions come from callers: what lies past the batch's last one is counted and nothing is built from it, since a
    set takes as many bits as its highest number.
    """

    def __init__(self, batch: StoredBatch, indexes: Collection[int] | None) -> None:
        self._wanted: int | None = None
        self._accepted = batch.positions
        self._not_found = 0
        if indexes is not None:
            asked = set(indexes)
            self._wanted = self._accepted = batch.positions & rowsets.from_numbers(asked, batch.positions.bit_length())
            self._not_found = len(asked) - self._accepted.bit_count()

    def find(self, stored: StoredChunk, chunk: Chunk) -> int:
        """See :class:`RowSearch`."""
        return find_positions(chunk, stored.owed, self._wanted)

    def count(self, cancelled: int) -> CancelCount:
        """See :class:`RowSearch`."""
        return CancelCount(
            cancelled=cancelled,
            too_late=self._accepted.bit_count() - cancelled,
            not_found=self._not_found,
        )


class IdSearch:
    """Ids that the caller gave to rows of a batch: in chunks, and for rows that ended with their chunk in results."""

    def __init__(self, ids: Iterable[str]) -> None:
        self.missing = set(ids)
        self._wanted = len(self.missing)

    def find(self, stored: StoredChunk, chunk: Chunk) -> int:
        """See :class:`RowSearch`."""
        rows = 0
        for row, given in enumerate(chunk.ids or ()):
            if given in self.missing:
                self.missing.discard(given)
                rows |= 1 << row
        return rows & stored.owed

    def note_results(self, ids: Iterable[str | None]) -> None:
        """Be told of ids that have results."""
        self.missing.difference_update(ids)

    def count(self, cancelled: int) -> CancelCount:
        """See :class:`RowSearch`."""
        found = self._wanted - len(self.missing)
        return CancelCount(cancelled=cancelled, too_late=found - cancelled, not_found=len(self.missing))


class KeySearch:
    """A cancel key, in chunks whose filter says that they may have it."""

    def __init__(self, key: str) -> None:
        self._key = key
        self._carrying = 0

    def find(self, stored: StoredChunk, chunk: Chunk) -> int:
        """See :class:`RowSearch`."""
        keyed = enumerate(chunk.cancel_keys or ())
        rows = stored.owed & sum(1 << row for row, keys in keyed if keys is not None and self._key in keys)
        self._carrying += rows.bit_count()
        return rows

    def count(self, cancelled: int) -> CancelCount:
        """See :class:`RowSearch`."""
        return CancelCount(
            cancelled=cancelled, too_late=self._carrying - cancelled, not_found=0 if self._carrying else 1
        )


def count_nothing(indexes_or_ids: Sequence[object] | None) -> CancelCount:
    """Return the counts for a batch that isn't known: it counts as one, or as the rows that were named."""
    return CancelCount(cancelled=0, too_late=0, not_found=1 if indexes_or_ids is None else len(set(indexes_or_ids)))
