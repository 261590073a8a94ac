"""Results as they come to a subscribed caller."""

from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Self

import trio

from protocol.frames import Ack, CallerFrame, Results


class Subscription(AsyncIterator[Results]):
    """Iterates over ``results`` frames; each has ``blocks`` (see :func:`protocol.results.expand`) and a ``cursor``.

    Acknowledge every frame: the gateway sends some 20,000 results ahead and then waits. The iteration ends when the
    gateway has drained, and raises what :class:`gateway.caller.SocketCaller` raises when the connection is lost.
    """

    def __init__(self, put: Callable[[CallerFrame], None]) -> None:
        self._put = put
        self._frames: deque[Results] = deque()  # bounded by what the gateway sends ahead
        self._arrived = trio.Event()
        self._is_ended = False
        self._error: Exception | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Results:
        await trio.lowlevel.checkpoint()
        while not self._frames:
            if self._error is not None:
                raise self._error
            if self._is_ended:
                raise StopAsyncIteration
            self._arrived = trio.Event()
            await self._arrived.wait()
        return self._frames.popleft()

    def acknowledge(self, results: Results) -> None:
        """Tell the gateway that these results, and all before them, are safe with you."""
        self._put(Ack(cursor=results.cursor))

    def feed(self, results: Results) -> None:
        """Take a frame that arrived."""
        self._frames.append(results)
        self._arrived.set()

    def end(self, error: Exception | None = None) -> None:
        """Let the iteration end once what arrived was read: plainly, or by raising ``error``."""
        self._is_ended = True
        self._error = error
        self._arrived.set()
