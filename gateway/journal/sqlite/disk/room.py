"""How much new work may still take: below the bound of the settings, and only while the reserve is whole.

What ends old work is never refused for the bound's sake. So that it always fits, new work stops an eighth before the
bound, where the log and the reserve are left out as well: a chunk's results take less than the chunk, which goes with
its last row, but the first results come before it goes.

When the disk itself is full, the reserve is given to what ends old work, and no new work is taken before it is whole
again: nothing else may eat the room that was set aside. It is made whole only when there is room for more than the
reserve: else the first new work would find the disk full again, and so on in turn. Free pages inside of the file count
as room, for what is written next goes there, and what the file gives back the reserve can take.
"""

import time
from collections.abc import Callable

import structlog

from gateway.journal.sqlite.disk.files import Reserve

# The log is moved into the file when it has grown to this; readers may hold that up, which costs disk and no more.
CHECKPOINT_BYTES = 16 * 1024 * 1024
RESTORE_SECONDS = 1.0  # between attempts to get the reserve back: each asks the file system for all of it
# What there must be beside the reserve before new work is taken again.
MARGIN_BYTES = 8 * 1024 * 1024
# So long nothing must have been refused before there is room again, for people to read: small batches that still fit
# between larger ones are no news, nor is a disk that lets some in every now and then.
CALM_SECONDS = 10.0
NEARLY_FULL, NO_LONGER_NEARLY_FULL = 0.8, 0.7
LOOK_SECONDS = 1.0  # between looks at how much the disk has left

_log: structlog.stdlib.BoundLogger = structlog.get_logger("journal")


class Room:
    """Asked by the journal's thread before new work is committed, and told by it what the file holds."""

    def __init__(self, reserve: Reserve, most_bytes: int, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._reserve = reserve
        self._limit_bytes = (most_bytes - reserve.size_bytes - 2 * CHECKPOINT_BYTES) * 7 // 8
        self._monotonic = monotonic
        self._used_bytes = 0
        self._free_bytes = 0
        self._has_reserve = True
        self._next_restore_at = 0.0
        self._next_look_at = 0.0
        self._refused_at: float | None = None  # None: the log says that there is room
        self._is_nearly_full = False

    @property
    def has_reserve(self) -> bool:
        """Whether what ends old work has room that nothing else may take."""
        return self._has_reserve

    def note_used(self, used_bytes: int, free_bytes: int) -> None:
        """Be told how much of the file is in use, and how much of it is free; the log hears of what that means."""
        self._used_bytes, self._free_bytes = used_bytes, free_bytes
        now = self._monotonic()
        if self._refused_at is not None and self._has_reserve and now >= self._refused_at + CALM_SECONDS:
            self._refused_at = None
            _log.info("journal_has_room")
        if now >= self._next_look_at:
            self._next_look_at = now + LOOK_SECONDS
            self._warn_in_time()

    def _warn_in_time(self) -> None:
        most_bytes = max(1, min(self._limit_bytes, self._used_bytes + self._count_spare_bytes()))
        share = self._used_bytes / most_bytes
        if share >= NEARLY_FULL and not self._is_nearly_full:
            self._is_nearly_full = True
            note = "have results read and acknowledged, raise journal.most_bytes, or make room on the disk"
            _log.warning("journal_nearly_full", used_bytes=self._used_bytes, most_bytes=most_bytes, note=note)
        elif share < NO_LONGER_NEARLY_FULL:
            self._is_nearly_full = False

    def _count_spare_bytes(self) -> int:
        return self._free_bytes + self._reserve.count_disk_bytes()

    def find_lack(self, size_bytes: int) -> str | None:
        """Return why so many bytes of new work can't be taken in, None when they can; the log hears of a change."""
        lack = self._find_lack(size_bytes)
        if lack is not None:
            if self._refused_at is None:
                _log.error("journal_full", detail=lack, note="new work is refused, old work goes on")
            self._refused_at = self._monotonic()
        return lack

    def _find_lack(self, size_bytes: int) -> str | None:
        if not self._has_reserve:
            return "the disk is full: free some room on it, or move journal.directory to another one"
        if self._used_bytes + size_bytes > self._limit_bytes:
            return (
                f"{self._used_bytes} bytes are in use, new work may take {self._limit_bytes} of journal.most_bytes: "
                "have results read and acknowledged, or raise journal.most_bytes"
            )
        return None

    def give_reserve(self) -> None:
        """Let what ends old work have the reserve."""
        if self._has_reserve:
            self._has_reserve = False
            self._reserve.release()
            self._next_restore_at = self._monotonic() + RESTORE_SECONDS

    def restore_reserve(self, shrink: Callable[[int], object]) -> None:
        """Try to get a reserve back that was given, now and then.

        ``shrink`` is asked for what the disk lacks of it and the file has: it gives back so many bytes of free pages.
        """
        if self._has_reserve or self._monotonic() < self._next_restore_at:
            return
        if self._count_spare_bytes() >= self._reserve.size_bytes + MARGIN_BYTES:
            lacking_bytes = self._reserve.size_bytes - self._reserve.count_disk_bytes()
            if lacking_bytes > 0:
                shrink(lacking_bytes)
            self._has_reserve = self._reserve.restore()
        self._next_restore_at = self._monotonic() + RESTORE_SECONDS
