"""One task sleeping until others have something for it; any number of calls before it looks are one wake-up."""

import trio


class Wakeup:
    """A coalescing signal for a single waiting task."""

    __slots__ = ("_event",)

    def __init__(self) -> None:
        self._event = trio.Event()

    def set(self) -> None:
        """Let the waiting task run, or its next wait return at once."""
        self._event.set()

    async def wait(self) -> None:
        """Sleep until ``set`` was called since the last wait returned. A checkpoint even if it was."""
        await self._event.wait()
        self._event = trio.Event()
