"""Leases: who may attempt what, until when, and what becomes of it afterwards.

Who works on an engine is a *handle*: one object of the engine's type in one process. Several handles may have one store
between them and nothing else. What a handle takes it holds by its **lease**, which has an id and an end:

- *held*: ``lease`` and ``renew`` put its end off, for all of the handle's rows at once. Its id stays.
- *ended*: its end came before it was renewed, or the handle was closed. Its rows are due again, for whoever asks, and
  count as possibly tried; those marked as started end ``unknown``. The handle's next call begins another lease, with
  another id, that has none of them.
- ``settle``, ``schedule`` and ``mark_started`` carry the id. With that of an ended lease they change nothing and raise
  LeaseEndedError (they are *fenced*): the handle lets go of those rows and says no more about them. With a lease that
  is held they pass over the rows that another one has.
- A cancel or an expiry *recalls* held rows, from whichever handle has them (``Engine.set_recall``).

An engine that is one process's alone has one handle, whose lease never ends: :data:`SOLE_LEASE`.
"""

from math import inf

import msgspec


class Lease(msgspec.Struct, frozen=True, kw_only=True):
    """The right of one handle to attempt what it has taken, until ``ends_at`` (the engine's monotonic clock).

    An id is given once in the life of a store.
    """

    id: int
    ends_at: float


SOLE_LEASE = Lease(id=1, ends_at=inf)


class LeaseEndedError(Exception):
    """The lease has ended: whatever it held may be another handle's by now, and this one has no say about it."""

    def __init__(self, lease: int) -> None:
        super().__init__(f"lease {lease} has ended")
        self.lease = lease
