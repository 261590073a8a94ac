"""The layout of prepared rows: a list for each thing that is known of a row, one place a row in each.

This is the contract between whatever prepares rows and whoever groups them into chunks. Python code fills it today; a
native pass over the bytes of a request may fill the same lists. What both hold to:

- Places are dense and in the order of the batch. A rejected row has none; ``indexes`` tells which row a place is of.
- What rows share is *the very same object* in each of their places: lane, plan and body. Whoever groups rows compares
  by identity and never hashes or compares contents. So a run of rows that share all three is found by looking, and is
  moved into a chunk by slicing lists.
- What a row has for itself is its destination, id, track and cancel keys (None where it has none). ``sizes`` is what
  that takes in a chunk, in bytes, counted while the row is at hand; nobody measures it again.
- Lists are made at the length of the slice and cut to the rows that were prepared: filling a place is an assignment,
  not a call. A place is filled whole before ``rows`` counts it; what a rejected row left in it is written over.

Rejected: a record for each row, which cost three objects a row and half of all calls before a batch was appended; and
buffers of bytes with offsets, which the stored chunk would have to be cut from again, for it is msgpack.
"""

from collections.abc import Sequence
from typing import Any

from protocol.preparation.plans import Plan

# What a row costs beside the contents of its columns: its numbers and msgpack's length prefixes, rounded up.
ROW_OVERHEAD_BYTES = 24


class Columns:
    """Prepared rows of one slice; see the module text. ``destinations`` are as each provider stores its own.

    That is an APNs device token's bytes or a channel id, FCM's ``kind:value``, or a Web Push subscription's keys and
    path.
    """

    __slots__ = (
        "bodies",
        "cancel_keys",
        "destinations",
        "ids",
        "indexes",
        "lanes",
        "plans",
        "rows",
        "sizes",
        "tracks",
    )

    def __init__(self, places: int) -> None:
        self.rows = 0
        self.indexes: list[int] = [0] * places
        self.lanes: list[str] = [""] * places
        self.plans: list[Plan] = _make_places(places)
        self.bodies: list[bytes] = [b""] * places
        self.destinations: list[bytes] = [b""] * places
        self.sizes: list[int] = [0] * places
        self.ids: list[str | None] = [None] * places
        self.tracks: list[bytes | None] = [None] * places
        self.cancel_keys: list[Sequence[str] | None] = [None] * places

    def __len__(self) -> int:
        return self.rows

    def cut(self) -> "Columns":
        """Give up the places that no row took; return these columns."""
        if self.rows < len(self.indexes):
            for name in self.__slots__:
                if name != "rows":
                    del getattr(self, name)[self.rows :]
        return self

    def find_run_end(self, start: int) -> int:
        """Return where the run of rows ends that share lane, plan and body with the one at ``start``."""
        lanes, plans, bodies = self.lanes, self.plans, self.bodies
        lane, plan, body = lanes[start], plans[start], bodies[start]
        stop = start + 1
        while stop < self.rows and bodies[stop] is body and plans[stop] is plan and lanes[stop] is lane:
            stop += 1
        return stop


def _make_places(places: int) -> list[Any]:
    return [None] * places
