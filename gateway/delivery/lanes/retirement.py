"""Lets go of what nobody uses: lanes without work or session, and idle sessions beyond a bound.

Web Push has a lane for each origin, and whoever registers a subscription names the origin. A lane that is needed again
is made again, and begins with a fresh retry budget and back-off, as it would have by then.
"""

from collections import OrderedDict
from collections.abc import Iterable
from itertools import islice

import trio

from gateway.clock import Clock
from gateway.delivery.lanes.lane import Lane
from gateway.delivery.sessions.driver import Driver

LOOK_SECONDS = 10.0
# Above the longest delay before an origin is tried again, so that no lane forgets that it should wait.
UNUSED_SECONDS = 1_000.0
# Each holds a file descriptor and some 100 KiB; the pools let go of their own after five idle minutes.
MOST_IDLE_SESSIONS = 1_000
# Looked at between two checkpoints: 0.25 ms of work (measured).
LANES_PER_TURN = 250
LANES_LOOKED_AT = 20  # for one that may go at once


class Retirement:
    """Looks after ``lanes``, and takes those out of it that it retires. They stand in the order of their last work."""

    def __init__(self, lanes: OrderedDict[str, Lane], clock: Clock) -> None:
        self._lanes = lanes
        self._clock = clock

    async def run(self) -> None:
        """Look every few seconds, until cancelled."""
        while True:
            await trio.sleep(LOOK_SECONDS)
            await self.look()

    def make_room(self) -> bool:
        """Retire the lane that has been idle for longest, however short that is; False when there is none.

        It looks at the few that had work the longest ago: each that is busy is put behind the others for the next time.
        """
        now = self._clock.monotonic()
        for key in list(islice(self._lanes, LANES_LOOKED_AT)):
            if self._lanes[key].unused_for(now) > 0.0:
                self._lanes.pop(key).stop()
                return True
            self._lanes.move_to_end(key)
        return False

    async def look(self) -> None:
        """Retire what is due now."""
        idle: list[tuple[float, Driver]] = []
        for at, (key, lane) in enumerate(list(self._lanes.items())):
            if at % LANES_PER_TURN == LANES_PER_TURN - 1:
                await trio.lowlevel.checkpoint()
            now = self._clock.monotonic()
            if lane.unused_for(now) >= UNUSED_SECONDS:
                # No checkpoint between the two: the leaser finds a lane that works, or none and makes one.
                del self._lanes[key]
                lane.stop()
            else:
                idle += lane.idle_sessions(now)
        drain_longest_idle(idle)


def drain_longest_idle(idle: Iterable[tuple[float, Driver]]) -> None:
    """Drain sessions beyond the bound, those first that have been idle for longest."""
    by_idleness = sorted(idle, key=lambda entry: entry[0])
    for _, driver in by_idleness[MOST_IDLE_SESSIONS:]:
        driver.drain()
