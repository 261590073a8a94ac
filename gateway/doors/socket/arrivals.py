"""How fast callers come in at one address.

Setting a connection up and taking it down costs the gateway about 1 ms of CPU, with TLS 2 to 3, and those who come and
go nothing. At a pace they take a part of one core at most, however many they are. Who is ahead of it waits: accepted
to be set up, where peers take turns (:mod:`gateway.doors.socket.peers`), and beyond those in the listener's backlog.
"""

import trio

# So many come at once without waiting, after a while in which nobody came: the callers of one host that starts.
AT_ONCE = 32


class Arrivals:
    """The pace of one listener."""

    def __init__(self, per_second: int) -> None:
        self._interval_seconds = 1 / per_second
        self._next_at = -float("inf")  # when the next one would be due if all came evenly

    def __repr__(self) -> str:
        return f"<Arrivals every {self._interval_seconds:g} s>"

    async def wait(self) -> None:
        """Wait until one more may come in, and count it. Not a checkpoint when it may at once."""
        now = trio.current_time()
        self._next_at = max(self._next_at, now - AT_ONCE * self._interval_seconds) + self._interval_seconds
        if self._next_at > now:
            await trio.sleep_until(self._next_at)
