"""Bounds how much of the loop goes to what brings the gateway nothing: pings, refused frames, halves of frames.

Turns share the loop fairly, but a loop that is always busy is slow for everybody: a batch on its way to its answer
goes through the journal's thread, which has to get the interpreter's lock back for each statement. A flood of pongs
over one connection made a commit take 40 ms instead of 2. So a flood is given a share of the loop's time and waits for
the rest of it, over all connections together, in the order in which they come.
"""

from math import inf

import trio

FRUITLESS_SHARE = 0.1
UNFINISHED_SHARE = 0.5  # of reading what is no whole frame yet: a large batch comes in pieces too
AT_ONCE_COST = 2_000  # what goes unhindered after a while in which there was nothing


class Throttle:
    """Shared by all connections of a door. Costs are those of :mod:`gateway.intake.turns`, about a microsecond."""

    def __init__(self, share: float) -> None:
        self._seconds_per_cost = 1e-6 / share
        self._free_at = -inf

    def __repr__(self) -> str:
        return f"<Throttle {self._seconds_per_cost * 1e6:g} s of waiting for a second of work>"

    async def wait(self, cost: int) -> None:
        """Wait until work of this cost, done just now, was earned. Not a checkpoint where it is already."""
        now = trio.current_time()
        at_once_seconds = AT_ONCE_COST * self._seconds_per_cost
        self._free_at = max(self._free_at, now - at_once_seconds) + cost * self._seconds_per_cost
        if self._free_at > now:
            await trio.sleep_until(self._free_at)
