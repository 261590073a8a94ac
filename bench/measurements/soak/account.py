"""The caller's own account: what was accepted, what came back, what is missing and what came twice."""

from collections import Counter, deque

from protocol.chunks import expand_ranges
from protocol.results import ResultBlock

ACCEPTED = "provider_accepted"


class Account:
    """Holds only batches that are open: a mask of the rows whose result was read, one bit each."""

    def __init__(self, window_seconds: float) -> None:
        self._window_seconds = window_seconds
        self._open: dict[str, tuple[int, int]] = {}  # batch id: all rows, and those that have their result, as masks
        self._keys: deque[float] = deque()  # when each batch inside the window was accepted
        self.submitted = 0
        self.accepted = 0
        self.results = 0
        self.repeated = 0
        self.retried = 0
        self.refusals = 0
        self.outcomes: Counter[str] = Counter()

    def open(self, batch_id: str, rows: int) -> None:
        """Note a batch before it is sent: results may overtake its answer."""
        self._open[batch_id] = ((1 << rows) - 1, 0)
        self.submitted += rows

    def note_accepted(self, accepted: int, now: float) -> None:
        """Note that a batch was accepted whole."""
        self.accepted += accepted
        self._keys.append(now)
        while self._keys[0] < now - self._window_seconds:
            self._keys.popleft()

    def note_block(self, block: ResultBlock) -> None:
        """Note final words."""
        rows = len(block)
        wanted, seen = self._open.get(block.batch_id, (0, 0))
        mask = 0
        for index in expand_ranges(block.indexes):
            mask |= 1 << index
        fresh = (mask & wanted & ~seen).bit_count()
        self.results += fresh
        self.repeated += rows - fresh  # of a row that has its result, or of a batch that has all of them
        self.outcomes[block.outcome] += fresh
        if block.attempts > 1:
            self.retried += fresh
        seen |= mask
        if seen & wanted == wanted:
            self._open.pop(block.batch_id, None)
        else:
            self._open[block.batch_id] = (wanted, seen)

    @property
    def missing(self) -> int:
        """Rows without a result so far; at the end they are lost."""
        return self.submitted - self.results

    def count_keys(self) -> int:
        """Return how many batches were accepted within the idempotency window before the last one."""
        return len(self._keys)
