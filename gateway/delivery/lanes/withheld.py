"""Leased work that can't be sent with the settings of this process: an app, a topic or a project is gone or another.

It is kept aside, as a set of rows for each chunk, and somebody is told. It ends by a cancel or at its time, and goes on
with a start that has what it needs.
"""

from collections.abc import Callable

import trio

from gateway.journal.engine import ChunkRef
from gateway.telemetry.listener import DeliveryListener

# The first one after the work that is there at the start has been leased; the others so that nobody forgets.
FIRST_ALARM_SECONDS = 1.0
ALARM_INTERVAL_SECONDS = 900.0

FindMissing = Callable[[str, str], str | None]


def miss_nothing(lane: str, account: str) -> str | None:
    """Return None: everything can be sent."""
    del lane, account
    return None


class Withheld:
    """See the module text. ``find_missing`` says of lane and account what isn't there, None when all is."""

    def __init__(self, find_missing: FindMissing, listener: DeliveryListener) -> None:
        self._find_missing = find_missing
        self._listener = listener
        self._rows: dict[tuple[int, int], int] = {}  # (batch, chunk) → rows, as bits
        self._missing: dict[tuple[int, int], str] = {}
        self._counts: dict[str, int] = {}  # rows by what is missing
        self._arrival = trio.Event()

    def __repr__(self) -> str:
        return f"<Withheld {sum(self._counts.values())} rows>"

    def take(self, ref: ChunkRef) -> bool:
        """Keep leased rows aside if they can't be sent; return whether that is so."""
        missing = self._find_missing(ref.lane, ref.account)
        if missing is None:
            return False
        key = (ref.batch, ref.chunk)
        self._rows[key] = self._rows.get(key, 0) | ((1 << ref.stop - ref.start) - 1) << ref.start
        self._missing[key] = missing
        self._counts[missing] = self._counts.get(missing, 0) + ref.stop - ref.start
        self._arrival.set()
        return True

    def recall(self, batch: int, chunk: int, rows: int) -> int:
        """Let go of those of ``rows`` (bits) that are kept here, and return them."""
        key = (batch, chunk)
        found = self._rows.get(key, 0) & rows
        if found:
            missing = self._missing[key]
            self._counts[missing] -= found.bit_count()
            if not self._counts[missing]:
                del self._counts[missing]
            self._rows[key] &= ~found
            if not self._rows[key]:
                del self._rows[key], self._missing[key]
        return found

    def let_go_of_all(self) -> int:
        """Forget everything, as its lease has ended; return how many rows that were."""
        rows = sum(self._counts.values())
        for kept in (self._rows, self._missing, self._counts):
            kept.clear()
        return rows

    async def run(self) -> None:
        """Alarm while there is any, until cancelled."""
        await self._arrival.wait()
        await trio.sleep(FIRST_ALARM_SECONDS)
        while True:
            for missing, rows in tuple(self._counts.items()):
                self._listener.work_withheld(missing, rows)
            await trio.sleep(ALARM_INTERVAL_SECONDS)
