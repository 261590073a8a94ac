"""The caller's copy of its credits: what it may still send before answers come back."""

import trio


class CreditPurse:
    """Empty until the gateway's welcome fills it; spent by every batch, refilled by its answer.

    Whoever can't pay waits, and nobody overtakes.
    """

    def __init__(self) -> None:
        self._notifications = 0
        self._bytes = 0
        self._turn = trio.Lock()
        self._refilled = trio.Event()
        self._is_closed = False

    async def spend(self, notifications: int, size_bytes: int) -> None:
        """Wait until there is enough of both, and take it; return at once when the purse is closed."""
        async with self._turn:
            while not self._is_closed and (notifications > self._notifications or size_bytes > self._bytes):
                self._refilled = trio.Event()
                await self._refilled.wait()
            self._notifications -= notifications
            self._bytes -= size_bytes

    def refill(self, notifications: int, size_bytes: int) -> None:
        """Take what the gateway gives, or gives back."""
        self._notifications += notifications
        self._bytes += size_bytes
        self._refilled.set()

    def close(self) -> None:
        """Let nobody wait any more: the connection is gone and nothing will come back."""
        self._is_closed = True
        self._refilled.set()
