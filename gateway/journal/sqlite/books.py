"""What stands about a chunk beside its rows' places: when scheduled rows are due, and which were marked as started."""

from collections import defaultdict

from gateway.journal.sqlite.encoding import Progress, encode_progress, encode_rows
from gateway.journal.store import StoredChunk


class ChunkBooks:
    """Due moments and start marks by chunk key; chunks that have neither take no room."""

    def __init__(self) -> None:
        self._due: dict[int, dict[int, int]] = {}
        self._started: defaultdict[int, int] = defaultdict(int)

    def note_due(self, key: int, rows: int, due_at_ms: int) -> None:
        """Remember that rows wait for a moment, in place of what they waited for before."""
        due = {moment: kept for moment, others in self._due.get(key, {}).items() if (kept := others & ~rows)}
        due[due_at_ms] = due.get(due_at_ms, 0) | rows
        self._due[key] = due

    def note_started(self, key: int, rows: int) -> None:
        """Remember that rows are about to be sent."""
        self._started[key] |= rows

    def forget(self, key: int) -> None:
        """Forget a chunk that is finished."""
        self._due.pop(key, None)
        self._started.pop(key, None)

    def encode(self, key: int, chunk: StoredChunk) -> bytes:
        """Return a chunk's progress as the journal keeps it; rows that came due since are due at once after a crash."""
        scheduled = [
            (moment, encode_rows(rows & chunk.scheduled))
            for moment, rows in self._due.get(key, {}).items()
            if rows & chunk.scheduled
        ]
        attempted = [
            (attempts, uncertain_attempts, encode_rows(rows & chunk.owed))
            for (attempts, uncertain_attempts), rows in (chunk.attempted or {}).items()
            if rows & chunk.owed
        ]
        started = self._started.get(key, 0) & chunk.owed
        settled = chunk.rows & ~chunk.owed
        return encode_progress(key, Progress(encode_rows(settled), encode_rows(started), scheduled, attempted))
