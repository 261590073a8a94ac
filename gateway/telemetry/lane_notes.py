"""What an operator asks of a lane that doesn't send: kept in a file beside the journal, for `pushmill journal shape`.

The journal knows what is owed and when it is due. Whether its lane is held, and what its last connection failed with,
is known to the running gateway alone; so it notes that, a few times a minute at most and only while it changes.
"""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec
import trio

from gateway.telemetry.listener import LogListener
from protocol.reasons import Reason

FILE = "lanes.json"
WRITE_SECONDS = 2.0
# Lanes of Web Push may be thousands, as many as callers name origins; those noted longest ago make room.
MOST_LANES = 1000
MOST_ERROR_CHARACTERS = 500


class LaneNote(msgspec.Struct, kw_only=True):
    """One lane in trouble, or that was. Moments are UNIX milliseconds.

    ``held_until``: nothing is sent before, for ``held_for`` (the reason, and the provider's word).
    ``unanswered_since``: no answer came since. ``next_attempt_at``: when it connects or tries again.
    """

    held_until: int | None = None
    held_for: str | None = None
    unanswered_since: int | None = None
    last_error: str | None = None
    last_error_at: int | None = None
    next_attempt_at: int | None = None


class LaneNotes(msgspec.Struct, kw_only=True):
    """The file: who wrote it, when, and what of which lanes."""

    process: int
    written_at: int
    lanes: dict[str, LaneNote]


def read_notes(folder: Path) -> LaneNotes | None:
    """Return what the gateway at work, or the last one, noted; None where there is nothing that can be read."""
    try:
        return msgspec.json.decode((folder / FILE).read_bytes(), type=LaneNotes)
    except (OSError, msgspec.MsgspecError):
        return None


class NotingListener(LogListener):
    """Logs as its parent does, and notes the state of lanes in trouble. ``folder`` None: notes nothing."""

    def __init__(self, folder: Path | None, wall: Callable[[], float]) -> None:
        super().__init__()
        self._folder = folder
        self._wall = wall  # UNIX time in seconds
        self._lanes: dict[str, LaneNote] = {}
        self._changes = 1  # a file of the process before is replaced at once
        self._written = 0

    async def keep(self) -> None:
        """Write what has changed, again and again, and what there is at the end."""
        if self._folder is None:
            return
        try:
            while True:
                if self._written != self._changes:
                    changes, data = self._changes, self._encode()
                    await trio.to_thread.run_sync(_write, self._folder, data)
                    self._written = changes
                await trio.sleep(WRITE_SECONDS)
        finally:
            if self._written != self._changes:
                _write(self._folder, self._encode())

    def session_opened(self, lane: str, session: int) -> None:
        """Forget when the next try was to be."""
        super().session_opened(lane, session)
        if lane in self._lanes:
            self._note(lane).next_attempt_at = None

    def session_failed(self, lane: str, error: str, retry_in_seconds: float) -> None:
        """Note the error and the next try."""
        super().session_failed(lane, error, retry_in_seconds)
        self._note_error(lane, error, retry_in_seconds)

    def session_ended(self, lane: str, session: int, why: str, *, answered: int, in_flight: int) -> None:
        """Note why, where rows were in flight."""
        super().session_ended(lane, session, why, answered=answered, in_flight=in_flight)
        if in_flight:
            self._note_error(lane, why, None)

    def lane_held(self, lane: str, reason: Reason | None, provider_reason: str | None, seconds: float) -> None:
        """Note for what, and until when."""
        super().lane_held(lane, reason, provider_reason, seconds)
        words = [word for word in (reason.word if reason else None, provider_reason) if word]
        note = self._note_error(lane, ", ".join(words) or "no credential", seconds)
        note.held_until, note.held_for = note.next_attempt_at, note.last_error

    def lane_resumed(self, lane: str) -> None:
        """Note that it tries again."""
        super().lane_resumed(lane)
        note = self._note(lane)
        note.held_until = note.held_for = note.next_attempt_at = None

    def lane_unanswered(self, lane: str, seconds: float) -> None:
        """Note since when."""
        super().lane_unanswered(lane, seconds)
        self._note(lane).unanswered_since = self._now_ms() - int(seconds * 1000)

    def lane_answered(self, lane: str) -> None:
        """Note that it is over."""
        super().lane_answered(lane)
        self._note(lane).unanswered_since = None

    def _note_error(self, lane: str, error: str, retry_in_seconds: float | None) -> LaneNote:
        note = self._note(lane)
        note.last_error, note.last_error_at = error[:MOST_ERROR_CHARACTERS], self._now_ms()
        if retry_in_seconds is not None:
            note.next_attempt_at = note.last_error_at + int(retry_in_seconds * 1000)
        return note

    def _note(self, lane: str) -> LaneNote:
        """Return the note of a lane, which is the newest now."""
        self._changes += 1
        note = self._lanes[lane] = self._lanes.pop(lane) if lane in self._lanes else LaneNote()
        if len(self._lanes) > MOST_LANES:
            del self._lanes[next(iter(self._lanes))]
        return note

    def _encode(self) -> bytes:
        return msgspec.json.encode(LaneNotes(process=os.getpid(), written_at=self._now_ms(), lanes=self._lanes))

    def _now_ms(self) -> int:
        return int(self._wall() * 1000)


def _write(folder: Path, data: bytes) -> None:
    """Replace the file. On a full disk the old one stays, and says when it was written; the log has all of it."""
    beside = folder / f"{FILE}.new"
    with suppress(OSError):
        beside.write_bytes(data)
        beside.replace(folder / FILE)
