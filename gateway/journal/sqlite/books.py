"""What stands about a chunk beside its rows' places: when scheduled rows are due, and which were marked as started."""

from collections import defaultdict
from struct import Struct

from gateway.journal.books import rowsets
from gateway.journal.books.store import StoredChunk
from gateway.journal.encoding import Progress, encode_progress, encode_rows

_DUE = Struct("<QBB")  # moment (UNIX milliseconds), first row, one after the last row


class ChunkBooks:
    """Due moments and start marks by chunk key; chunks that have neither take no room.

    Moments are packed, an entry for each run of rows: of millions of retries nearly each has a moment of its own.
    """

    def __init__(self) -> None:
        self._due: dict[int, bytes] = {}
        self._started: defaultdict[int, int] = defaultdict(int)

    def note_due(self, key: int, rows: int, due_at_ms: int) -> None:
        """Remember that rows wait for a moment, in place of what they waited for before; they were not sent by then."""
        self._due[key] = self._due.get(key, b"") + _pack(due_at_ms, rows)
        if key in self._started:
            self._started[key] &= ~rows

    def note_started(self, key: int, rows: int) -> None:
        """Remember that rows are about to be sent."""
        self._started[key] |= rows

    def forget(self, key: int) -> None:
        """Forget a chunk that is finished."""
        self._due.pop(key, None)
        self._started.pop(key, None)

    def encode(self, key: int, chunk: StoredChunk) -> bytes:
        """Return a chunk's progress as the journal keeps it; rows that came due since are due at once after a crash."""
        scheduled = [(moment, encode_rows(rows)) for moment, rows in self._take_stock(key, chunk.scheduled).items()]
        attempted = [
            (attempts, uncertain_attempts, encode_rows(rows & chunk.owed))
            for rows, attempts, uncertain_attempts in chunk.attempted
            if rows & chunk.owed
        ]
        started = self._started.get(key, 0) & chunk.owed
        progress = Progress(
            settled=encode_rows(chunk.rows & ~chunk.owed),
            started=encode_rows(started),
            scheduled=scheduled,
            attempted=attempted,
            doubted=encode_rows(chunk.doubted & chunk.owed),
        )
        return encode_progress(key, progress)

    def _take_stock(self, key: int, scheduled: int) -> dict[int, int]:
        """Return the scheduled rows by moment, and keep nothing but them."""
        due: dict[int, int] = {}
        left = scheduled
        # What was noted last of a row is what counts.
        for moment, start, stop in reversed(list(_DUE.iter_unpack(self._due.get(key, b"")))):
            if rows := ((1 << stop - start) - 1) << start & left:
                due[moment] = due.get(moment, 0) | rows
                left &= ~rows
        if due:
            self._due[key] = b"".join(_pack(moment, rows) for moment, rows in due.items())
        else:
            self._due.pop(key, None)
        return due


def _pack(moment: int, rows: int) -> bytes:
    ranges = rowsets.to_ranges(rows)
    return b"".join(_DUE.pack(moment, ranges[at], ranges[at + 1]) for at in range(0, len(ranges), 2))
