"""How much work is materialised at once, over all lanes: what bounds memory however much is queued."""

from gateway.journal.engine import ChunkRef
from gateway.wakeup import Wakeup


class ActiveSet:
    """Rows and bytes of the chunks in memory.

    A lane that holds no chunk may always take one, whatever the bounds say, so no lane can starve another.
    """

    def __init__(self, rows: int, bytes_: int) -> None:
        self._rows_limit = rows
        self._bytes_limit = bytes_
        self._rows = 0
        self._bytes = 0
        self._waiting: set[Wakeup] = set()

    def __repr__(self) -> str:
        return f"<ActiveSet {self._rows} of {self._rows_limit} rows, {self._bytes} of {self._bytes_limit} bytes>"

    def has_room(self) -> bool:
        """Whether another chunk fits."""
        return self._rows < self._rows_limit and self._bytes < self._bytes_limit

    def take(self, ref: ChunkRef) -> None:
        """Count a chunk that is being materialised."""
        self._rows += ref.stop - ref.start
        self._bytes += ref.stored_bytes

    def release(self, ref: ChunkRef) -> None:
        """Count off a chunk whose rows all ended, and wake the lanes that wait for room."""
        self._rows -= ref.stop - ref.start
        self._bytes -= ref.stored_bytes
        if self._waiting and self.has_room():
            for wakeup in self._waiting:
                wakeup.set()
            self._waiting.clear()

    def wake_when_room(self, wakeup: Wakeup) -> None:
        """Have ``wakeup`` set once when there is room again."""
        self._waiting.add(wakeup)
