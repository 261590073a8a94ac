"""How much new work may still take: below the bound of the settings, and only while the reserve is whole.

What ends old work is never refused for the bound's sake. So that it always fits, new work stops an eighth before the
bound, where the log and the reserve are left out as well: a chunk's results take less than the chunk, which goes with
its last row, but the first results come before it goes.

When the disk itself is full, the reserve is given to what ends old work, and no new work is taken before it is whole
again: nothing else may eat the room that was set aside.
"""

import time
from collections.abc import Callable

import structlog

from gateway.journal.sqlite.files import Reserve

# The log is moved into the file when it has grown to this; readers may hold that up, which costs disk and no more.
CHECKPOINT_BYTES = 16 * 1024 * 1024
RESTORE_SECONDS = 1.0  # between attempts to get the reserve back: each asks the file system for all of it

_log: structlog.stdlib.BoundLogger = structlog.get_logger("journal")


class Room:
    """Asked by the journal's thread before new work is committed, and told by it what the file holds."""

    def __init__(self, reserve: Reserve, most_bytes: int, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._reserve = reserve
        self._limit_bytes = (most_bytes - reserve.size_bytes - 2 * CHECKPOINT_BYTES) * 7 // 8
        self._monotonic = monotonic
        self._used_bytes = 0
        self._has_reserve = True
        self._next_restore_at = 0.0
        self._is_lacking = False

    def note_used(self, used_bytes: int) -> None:
        """Be told how much of the file is in use."""
        self._used_bytes = used_bytes

    def find_lack(self, size_bytes: int) -> str | None:
        """Return why so many bytes of new work can't be taken in, None when they can; the log hears of a change."""
        lack = self._find_lack(size_bytes)
        if lack is not None and not self._is_lacking:
            self._is_lacking = True
            _log.error("journal_full", detail=lack, note="new work is refused, old work goes on")
        elif lack is None and self._is_lacking and self._used_bytes <= self._limit_bytes * 19 // 20:
            # A little below the bound: small batches that still fit between larger ones are no news.
            self._is_lacking = False
            _log.info("journal_has_room")
        return lack

    def _find_lack(self, size_bytes: int) -> str | None:
        if not self._has_reserve and not self.restore_reserve():
            return "the disk is full: free some room on it, or move journal.directory to another one"
        if self._used_bytes + size_bytes > self._limit_bytes:
            return (
                f"{self._used_bytes} bytes are in use, new work may take {self._limit_bytes} of journal.most_bytes: "
                "have results read and acknowledged, or raise journal.most_bytes"
            )
        return None

    def give_reserve(self) -> bool:
        """Let what ends old work have the reserve; return False when it was given already."""
        had, self._has_reserve = self._has_reserve, False
        if had:
            self._reserve.release()
            self._next_restore_at = self._monotonic() + RESTORE_SECONDS
        return had

    def restore_reserve(self) -> bool:
        """Try to get the reserve back, now and then; return whether it is whole."""
        if not self._has_reserve and self._monotonic() >= self._next_restore_at:
            self._next_restore_at = self._monotonic() + RESTORE_SECONDS
            self._has_reserve = self._reserve.restore()
        return self._has_reserve
