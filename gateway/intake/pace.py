"""Bounds how often something may happen: a little at once after a quiet while, and the rest at an even pace.

Turns share the loop fairly, but a loop that is always busy is slow for everybody: a batch on its way to its answer
goes through the journal's thread, which has to get the interpreter's lock back for each statement. A flood of pongs
over one connection made a commit take 40 ms instead of 2. So what brings the gateway nothing (pings, frames that are
refused at once, halves of frames) is given a share of the loop's time, over all connections together, and waits for the
rest of it in the order in which it comes. New connections are taken in at a pace for the same reason. Batches that are
refused on their way to an answer are not paced: their callers' batches behind them, held meanwhile, cost more than that
saves (others' p99 was 4 to 12 times that without the flood, and 2.5 to 3.5 with turns alone).
"""

from math import inf

import trio

FRUITLESS_SHARE = 0.1
UNFINISHED_SHARE = 0.5  # of reading what is no whole frame yet: a large batch comes in pieces too
AT_ONCE_COST = 2_000


class Pace:
    """Shared by all whom it bounds. Its time goes on while nobody comes, up to what may be had at once."""

    def __init__(self, seconds_per_cost: float, at_once_cost: int) -> None:
        self._seconds_per_cost = seconds_per_cost
        self._at_once_seconds = at_once_cost * seconds_per_cost
        self._free_at = -inf  # when what came until now would be over if it had come evenly

    def __repr__(self) -> str:
        return f"<Pace of 1 every {self._seconds_per_cost:g} s>"

    async def wait(self, cost: float = 1) -> None:
        """Count something of this cost, and wait until it was earned. Not a checkpoint where it is already."""
        now = trio.current_time()
        self._free_at = max(self._free_at, now - self._at_once_seconds) + cost * self._seconds_per_cost
        if self._free_at > now:
            await trio.sleep_until(self._free_at)


def share_of_loop(share: float) -> Pace:
    """Return the pace of work that gets a share of the loop's time; costs are those of turns, about a microsecond."""
    return Pace(1e-6 / share, AT_ONCE_COST)
