"""Late answers of all connections in one heap: a task for each request would cost more than the request."""

import heapq
import itertools
import math
from collections.abc import Callable
from typing import Any

import trio

# Moments are rounded up to this: one wake-up then serves all answers of a millisecond.
_TICK_SECONDS = 0.001


class Scheduler:
    """Calls functions at given moments of trio's clock; they must not raise. It can be made to stand still."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._order = itertools.count()
        self._earlier = trio.Event()
        self._is_stalled = False

    @property
    def is_stalled(self) -> bool:
        """Whether calls are withheld until `resume`."""
        return self._is_stalled

    def call_after(self, seconds: float, function: Callable[..., None], *arguments: Any) -> None:  # noqa: ANN401 - passed through
        """Call ``function`` once ``seconds`` have passed; at the same moment the older call comes first."""
        due = math.ceil((trio.current_time() + seconds) / _TICK_SECONDS) * _TICK_SECONDS
        if not self._heap or due < self._heap[0][0]:
            self._earlier.set()
        heapq.heappush(self._heap, (due, next(self._order), function, arguments))

    def stall(self) -> None:
        """Withhold every call."""
        self._is_stalled = True

    def resume(self) -> None:
        """Make the withheld calls that are due, and go on."""
        self._is_stalled = False
        self._earlier.set()

    async def run(self) -> None:
        """Serve until cancelled."""
        while True:
            self._earlier = trio.Event()
            until = self._heap[0][0] if self._heap and not self._is_stalled else math.inf
            with trio.move_on_at(until):
                await self._earlier.wait()
            if not self._is_stalled:
                self._call_due(trio.current_time())

    def _call_due(self, now: float) -> None:
        while self._heap and self._heap[0][0] <= now:
            _, _, function, arguments = heapq.heappop(self._heap)
            function(*arguments)
