"""Results as they come to a subscribed caller."""

from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Generic, Self, TypeVar

import trio

from protocol.frames import Ack, CallerFrame, DeadTokens, Results

Frame = TypeVar("Frame", Results, DeadTokens)


class Subscription(AsyncIterator[Frame], Generic[Frame]):
    """Iterates over ``results`` frames; each has ``blocks`` (see :func:`protocol.results.expand`) and a ``cursor``.

    That of dead tokens iterates over ``dead_tokens`` frames, which have ``tokens`` and a ``cursor``.

    Acknowledge every frame: the gateway sends some 20,000 results ahead and then waits. The iteration ends when the
    gateway has drained, and raises what :class:`gateway.caller.SocketCaller` raises when the connection is lost.
    """

    def __init__(self, put: Callable[[CallerFrame], None]) -> None:
        self._put = put
        self._frames: deque[Frame] = deque()  # bounded by what the gateway sends ahead
        self._arrived = trio.Event()
        self._is_ended = False
        self._error: Exception | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Frame:
        await trio.lowlevel.checkpoint()
        while not self._frames:
            if self._error is not None:
                raise self._error
            if self._is_ended:
                raise StopAsyncIteration
            self._arrived = trio.Event()
            await self._arrived.wait()
        return self._frames.popleft()

    def acknowledge(self, frame: Frame) -> None:
        """Tell the gateway that what is in a frame, and all before it, is safe with you."""
        self._put(Ack(cursor=frame.cursor))

    def feed(self, frame: Frame) -> None:
        """Take a frame that arrived."""
        self._frames.append(frame)
        self._arrived.set()

    def end(self, error: Exception | None = None) -> None:
        """Let the iteration end once what arrived was read: plainly, or by raising ``error``."""
        self._is_ended = True
        self._error = error
        self._arrived.set()
