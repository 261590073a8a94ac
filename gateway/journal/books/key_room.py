"""How many bytes the keys of named batches take, with their first answers, and when that is too much.

At the bound new named batches are refused: a key that is inside its window is never given up for another one. The log
hears when four fifths are used, when there is no room, and when there is room again.
"""

import structlog

WARNING_SHARE = 0.8
# A little below the bound: keys that come and go there are no news.
ROOM_SHARE = 0.95

_log: structlog.stdlib.BoundLogger = structlog.get_logger("journal")


class KeyRoom:
    """Counts; ``limit_bytes`` is the bound."""

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self.used_bytes = 0
        self._is_warned = False
        self._is_lacking = False

    def has_room(self, size_bytes: int) -> bool:
        """Whether a key of so many bytes may come."""
        has_room = self.used_bytes + size_bytes <= self.limit_bytes
        if not has_room and not self._is_lacking:
            self._is_lacking = True
            _log.error(
                "idempotency_full",
                used_bytes=self.used_bytes,
                limit_bytes=self.limit_bytes,
                note="new batches with a batch_id are refused until older ones have ended their window",
                what_to_do="raise journal.idempotency_bytes, or shorten journal.idempotency_window_seconds",
            )
        return has_room

    def take(self, size_bytes: int) -> None:
        """Count a key."""
        self.used_bytes += size_bytes
        if not self._is_warned and self.used_bytes > self.limit_bytes * WARNING_SHARE:
            self._is_warned = True
            _log.warning("idempotency_filling", used_bytes=self.used_bytes, limit_bytes=self.limit_bytes)

    def give_back(self, size_bytes: int) -> None:
        """Count a key no more."""
        self.used_bytes -= size_bytes
        if self._is_lacking and self.used_bytes <= self.limit_bytes * ROOM_SHARE:
            self._is_lacking = False
            _log.info("idempotency_has_room", used_bytes=self.used_bytes, limit_bytes=self.limit_bytes)
        if self._is_warned and self.used_bytes <= self.limit_bytes * WARNING_SHARE * ROOM_SHARE:
            self._is_warned = False
