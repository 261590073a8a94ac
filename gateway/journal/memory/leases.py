"""Who has which rows of a memory store, and until when: what an engine of several handles keeps of its leases.

A handle has one lease at a time, whatever it has taken, so that renewing is one deed. The rows held by all leases
together are the leased ones of the store. Ends are monotonic seconds; nothing here waits or looks at a clock.
"""

from math import inf
from typing import NamedTuple

from gateway.journal.books.store import StoredChunk
from gateway.journal.leases import Lease, LeaseEndedError


class GivenUp(NamedTuple):
    """Rows (bits) of a chunk whose lease has ended. ``started`` are those of them that were marked before it did."""

    chunk: StoredChunk
    rows: int
    started: int


class _Held:
    """What one lease has, by chunk, as bits."""

    __slots__ = ("ends_at", "rows", "started")

    def __init__(self, ends_at: float) -> None:
        self.ends_at = ends_at
        self.rows: dict[StoredChunk, int] = {}
        self.started: dict[StoredChunk, int] = {}


class LeaseBook:
    """See the module text. A lease lasts ``seconds`` from when it was begun or renewed."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._leases: dict[int, _Held] = {}
        self._last_id = 0

    def __repr__(self) -> str:
        return f"<LeaseBook of {len(self._leases)} leases>"

    @property
    def next_end_at(self) -> float:
        """When the first lease ends that is not renewed."""
        return min((held.ends_at for held in self._leases.values()), default=inf)

    def renew(self, lease: int, now: float) -> Lease:
        """Put off the end of a lease, and return it; a new one, with nothing, where it has ended."""
        if lease not in self._leases:
            lease = self._last_id = self._last_id + 1
            self._leases[lease] = _Held(inf)
        ends_at = self._leases[lease].ends_at = now + self._seconds
        return Lease(id=lease, ends_at=ends_at)

    def is_held(self, lease: int) -> bool:
        """Whether a lease has not ended."""
        return lease in self._leases

    def check(self, lease: int) -> None:
        """Raise LeaseEndedError unless the lease is held."""
        if lease not in self._leases:
            raise LeaseEndedError(lease)

    def hold(self, lease: int, chunk: StoredChunk, rows: int) -> None:
        """Note that a lease has rows."""
        held = self._leases[lease].rows
        held[chunk] = held.get(chunk, 0) | rows

    def held(self, lease: int, chunk: StoredChunk) -> int:
        """Return the rows of a chunk that a lease has."""
        return self._leases[lease].rows.get(chunk, 0) if lease in self._leases else 0

    def mark(self, lease: int, chunk: StoredChunk, rows: int) -> None:
        """Note that those of ``rows`` that a lease has are about to be sent."""
        if marked := rows & self.held(lease, chunk):
            started = self._leases[lease].started
            started[chunk] = started.get(chunk, 0) | marked

    def drop(self, lease: int, chunk: StoredChunk, rows: int) -> None:
        """Note that a lease has those rows no more."""
        held = self._leases.get(lease)
        for sets in () if held is None else (held.rows, held.started):
            if chunk in sets:
                sets[chunk] &= ~rows
                if not sets[chunk]:
                    del sets[chunk]

    def move(self, lease: int, other: int, chunk: StoredChunk, rows: int) -> None:
        """Note that rows of one lease are another's from now on."""
        self.drop(lease, chunk, rows)
        self.hold(other, chunk, rows)

    def find_holders(self, chunk: StoredChunk, rows: int) -> list[int]:
        """Return the leases that have any of ``rows``."""
        return [lease for lease, held in self._leases.items() if held.rows.get(chunk, 0) & rows]

    def end_due(self, now: float) -> list[GivenUp]:
        """End the leases whose end has come, and return what they had."""
        due = [lease for lease, held in self._leases.items() if held.ends_at <= now]
        return [given_up for lease in due for given_up in self.end(lease)]

    def end(self, lease: int) -> list[GivenUp]:
        """End a lease, if it is held, and return what it had."""
        held = self._leases.pop(lease, None)
        if held is None:
            return []
        return [GivenUp(chunk, rows, held.started.get(chunk, 0)) for chunk, rows in held.rows.items()]
