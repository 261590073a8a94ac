"""How much work is materialised at once, over all lanes: what bounds memory however much is queued.

One busy lane may use all of it. As soon as others have work too, each has a share of its own, the limit divided by the
lanes that use or want some of it, and may take that share even when a stalled provider's streams fill the set: what is
in flight can't be taken back, and must not slow the others. So the set may grow to twice its limit, until those streams
end, and no further, but for one chunk a lane.
"""

from gateway.journal.engine import ChunkRef
from gateway.wakeup import Wakeup

# Waiting lanes are woken one for so many free rows: a chunk of 100, or two.
ROWS_A_WAKEUP = 200


class LaneShare:
    """What one lane has in the set. A lane that has nothing may always take one chunk: nothing starves it."""

    __slots__ = ("bytes", "chunks", "rows", "wakeup")

    def __init__(self, wakeup: Wakeup) -> None:
        """``wakeup`` is set when there may be room for a lane that asked in vain."""
        self.wakeup = wakeup
        self.chunks = 0
        self.rows = 0
        self.bytes = 0

    def __repr__(self) -> str:
        return f"<LaneShare of {self.chunks} chunks, {self.rows} rows, {self.bytes} bytes>"


class ActiveSet:
    """Rows and bytes of the chunks in memory."""

    def __init__(self, rows: int, bytes_: int) -> None:
        self._rows_limit = rows
        self._bytes_limit = bytes_
        self._rows = 0
        self._bytes = 0
        self._users = 0  # shares with a chunk
        self._waiting: dict[LaneShare, None] = {}  # in the order in which they asked

    def __repr__(self) -> str:
        return f"<ActiveSet {self._rows} of {self._rows_limit} rows, {self._bytes} of {self._bytes_limit} bytes>"

    def has_room(self, share: LaneShare) -> bool:
        """Whether the lane may take another chunk now; one that may not is woken when that has changed."""
        if self._is_free or not share.chunks or self._is_owed(share):
            self._waiting.pop(share, None)
            return True
        self._waiting[share] = None
        return False

    @property
    def _is_free(self) -> bool:
        return self._rows < self._rows_limit and self._bytes < self._bytes_limit

    def _is_owed(self, share: LaneShare) -> bool:
        """Whether the lane has less than its share, and the set less than twice its limit."""
        lanes = self._users + sum(not waiting.chunks for waiting in self._waiting)
        has_less = share.rows * lanes < self._rows_limit and share.bytes * lanes < self._bytes_limit
        return has_less and self._rows < 2 * self._rows_limit and self._bytes < 2 * self._bytes_limit

    def take(self, share: LaneShare, ref: ChunkRef) -> None:
        """Count a chunk that is being materialised."""
        self._users += not share.chunks
        share.chunks += 1
        share.rows += ref.stop - ref.start
        share.bytes += ref.stored_bytes
        self._rows += ref.stop - ref.start
        self._bytes += ref.stored_bytes

    def release(self, share: LaneShare, ref: ChunkRef) -> None:
        """Count off a chunk that is let go of, and wake lanes that wait for room, as many as may find some."""
        share.chunks -= 1
        share.rows -= ref.stop - ref.start
        share.bytes -= ref.stored_bytes
        self._rows -= ref.stop - ref.start
        self._bytes -= ref.stored_bytes
        self._users -= not share.chunks
        if share in self._waiting:
            self._wake(share)  # it has less of its share, whatever the others have
        free_rows = self._rows_limit - self._rows
        while self._waiting and self._is_free and free_rows > 0:
            self._wake(next(iter(self._waiting)))
            free_rows -= ROWS_A_WAKEUP

    def _wake(self, share: LaneShare) -> None:
        del self._waiting[share]
        share.wakeup.set()

    def forget(self, share: LaneShare) -> None:
        """Stop waiting for a lane that has ended or has nothing more to take."""
        self._waiting.pop(share, None)
