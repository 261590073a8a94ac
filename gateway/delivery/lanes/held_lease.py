"""The lease that a delivery has at the engine, as its lanes and its settler look at it before they act.

Rows that were taken under a lease which has ended may be another process's by now. None of them is sent or spoken about
any more: those that wait are let go of as soon as it is known, and those in flight end without a word to the engine.
"""

from collections.abc import Callable
from math import inf

from gateway.clock import Clock
from gateway.journal.engine import ChunkRef
from gateway.journal.leases import Lease


class HeldLease:
    """See the module text. ``on_lost`` is called with its id when its rows are to be let go of."""

    __slots__ = ("_clock", "_ends_at", "_id", "_on_lost")

    def __init__(self, clock: Clock, on_lost: Callable[[int], None]) -> None:
        self._clock = clock
        self._id: int | None = None
        self._ends_at = inf
        self._on_lost = on_lost

    def __repr__(self) -> str:
        return f"<HeldLease {self._id} until {self._ends_at}>"

    def take(self, lease: Lease) -> None:
        """Note what the engine gave; the rows of another lease are lost."""
        if self._id is not None and self._id != lease.id:
            self.lose(self._id)
        self._id, self._ends_at = lease.id, lease.ends_at

    def lose(self, lease: int) -> None:
        """Note that a lease has ended; once, however many hear of it."""
        if lease == self._id:
            self._id = None
            self._on_lost(lease)

    def has(self, ref: ChunkRef) -> bool:
        """Whether rows are held still, as far as is known here."""
        return ref.lease.id == self._id

    def may_send(self) -> bool:
        """Whether what is held may go out: the end may have passed while nobody here could run."""
        return self._clock.monotonic() < self._ends_at
