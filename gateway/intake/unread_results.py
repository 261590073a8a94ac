"""When a principal has left so many results unread that it may send nothing new.

Nothing unread is ever dropped: neither for its number or size, nor for its age. What was promised to be kept so long is
kept longer where it must be, and its owner hears of it at the next batch.
"""

from gateway.config import LimitSettings
from gateway.journal.statistics import UnreadResults


def find_excess(limits: LimitSettings, unread: UnreadResults | None, new_rows: int, now_ms: int) -> str | None:
    """Return what is unread beyond its bound; None when new work may come."""
    rows = 0 if unread is None else unread.rows
    if rows + new_rows > limits.unread_results:
        return f"{rows} results are unread, the limit is {limits.unread_results}"
    if unread is None:
        return None
    if unread.bytes > limits.results_kept_bytes:
        return f"unread results take {unread.bytes} bytes, the limit is {limits.results_kept_bytes}"
    if unread.oldest_at_ms is not None and now_ms - unread.oldest_at_ms > limits.results_kept_seconds * 1000:
        return f"results have been unread for more than {limits.results_kept_seconds:g} seconds"
    return None
