"""What all connections together may hold half-received or unsent, and who goes when it is too much.

A frame of 8 MiB that never ends, and answers that nobody reads, cost their sender nothing and the gateway their bytes.
Up to SMALL_BYTES of each are every connection's own. What is beyond that counts here; at the bound the share without
progress for the longest time is *evicted*: it is forgotten, and its scope cancelled. A caller that is at work has
moved on long before, whatever others do; and who sends small frames and reads its answers never counts at all.
"""

import trio

# What one read brings in, and what one write takes.
SMALL_BYTES = 64 * 1024


class BufferRoom:
    """The bytes of all shares. Evicting only cancels: the owner frees what it holds when it runs next."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._size_bytes = 0
        self._shares: dict[BufferShare, None] = {}  # those without progress for the longest time first

    def __repr__(self) -> str:
        return f"<BufferRoom {self._size_bytes}/{self._limit_bytes} bytes, {len(self._shares)} shares>"

    @property
    def size_bytes(self) -> int:
        """What counts at the moment."""
        return self._size_bytes

    def count(self, share: "BufferShare", size_bytes: int, *, progressed: bool) -> None:
        """Take a share's new size, 0 for one that is small, and make room."""
        if progressed:
            self._shares.pop(share, None)
        if size_bytes:
            self._shares[share] = None
        else:
            self._shares.pop(share, None)
        self._size_bytes += size_bytes - share.counted_bytes
        share.counted_bytes = size_bytes
        while self._size_bytes > self._limit_bytes:
            self._evict(next(iter(self._shares)))

    def _evict(self, share: "BufferShare") -> None:
        share.is_evicted = True
        del self._shares[share]
        self._size_bytes -= share.counted_bytes
        share.counted_bytes = 0
        if share.scope is not None:
            share.scope.cancel()


class BufferShare:
    """What one connection holds of one kind. An evicted one counts no more; its ``scope`` has been cancelled."""

    __slots__ = ("_room", "counted_bytes", "is_evicted", "scope")

    def __init__(self, room: BufferRoom) -> None:
        self._room = room
        self.counted_bytes = 0
        self.is_evicted = False
        self.scope: trio.CancelScope | None = None

    def resize(self, size_bytes: int, *, progressed: bool = False) -> None:
        """Say what is held; ``progressed`` where that is something else than before, not only more of it."""
        if (self.counted_bytes or size_bytes > SMALL_BYTES) and not self.is_evicted:
            self._room.count(self, size_bytes if size_bytes > SMALL_BYTES else 0, progressed=progressed)

    def close(self) -> None:
        """Count no more, whatever is still said."""
        self.resize(0)
        self.is_evicted = True
