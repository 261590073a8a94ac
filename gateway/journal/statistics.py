"""Counts that an engine tells of itself."""

import msgspec


class UnreadResults(msgspec.Struct, frozen=True, kw_only=True):
    """Results of one principal that wait to be acknowledged; the oldest was settled at (UNIX milliseconds)."""

    rows: int
    bytes: int
    oldest_at_ms: int | None


class KeyStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """How many idempotency keys are kept, what they count for (answers included), and their index in memory."""

    kept: int
    counted_bytes: int
    limit_bytes: int
    memory_bytes: int


class EngineStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """What is owed (accepted, not settled) and what waits to be read, over all principals.

    ``batches`` have rows owed or unread.
    """

    owed_rows: int
    owed_bytes: int
    leased_rows: int
    scheduled_rows: int
    unread_rows: int
    unread: dict[str, UnreadResults]
    batches: int
    keys: KeyStatistics

    @property
    def unread_rows_by_principal(self) -> dict[str, int]:
        """The rows of ``unread`` alone."""
        return {principal: unread.rows for principal, unread in self.unread.items()}
