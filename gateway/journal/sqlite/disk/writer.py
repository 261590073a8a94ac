"""The one thread that owns the journal file: gathers what tasks want to change, and commits it in groups.

While one group is being flushed the next one gathers, so a slow disk makes groups larger and not the queue longer. A
change is committed whole or not at all. After the first failed write or flush nothing is written any more and every
caller gets the failure: what the kernel still holds of it is not known, and asking again would only hear "yes"
(P4 in docs/promises.md).

A full disk is the exception: SQLite has undone the whole group then. New work is refused, and what ends old work is
written all the same, from the reserve; when even that is used up it waits here until there is room, and with it all
that would be sent next.
"""

import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path

import trio

from gateway.journal.errors import JournalFailedError, JournalFullError
from gateway.journal.sqlite.disk.change import Change
from gateway.journal.sqlite.disk.file_watch import FilesChangedError
from gateway.journal.sqlite.disk.journal_file import JournalFile
from gateway.journal.sqlite.disk.room import Room

GROUP_BYTES = 256 * 1024
IDLE_SECONDS = 1.0  # without a change for so long there is time to tidy up
FULL_DISK_SECONDS = 1.0  # between looks at a disk that had no room


class Writer:
    """See the module text. ``start`` and ``aclose`` are called in trio's thread, once each."""

    def __init__(self, path: Path, room: Room, open_file: Callable[[Path], JournalFile] = JournalFile) -> None:
        self._path = path
        self._room = room
        self._open_file = open_file
        self._queue: deque[Change] = deque()
        self._lock = threading.Condition()
        self._is_closing = False
        self._last: Change | None = None
        self._failure: JournalFailedError | None = None
        self._failed = trio.Event()
        self._is_failure_told = False
        self._token: trio.lowlevel.TrioToken | None = None
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._ended = trio.Event()

    def __repr__(self) -> str:
        return f"<Writer of {self._path}, {len(self._queue)} changes waiting>"

    def start(self) -> None:
        """Begin; a running trio is needed from here on."""
        self._token = trio.lowlevel.current_trio_token()
        self._thread.start()

    async def aclose(self, last: Change) -> None:
        """Commit what waits and then ``last``, move the log into the file, and close it.

        ``last`` stays out where there is no room for it: what it tells is that this was a clean end.
        Raises JournalFailedError when that went wrong in the end; nothing is lost, it stands in the log.
        """
        if self._token is None:
            return
        with self._lock:
            self._is_closing = True
            self._last = last
            self._lock.notify()
        with trio.CancelScope(shield=True):
            await self._ended.wait()
        self._thread.join()
        if self._failure is not None and not self._is_failure_told:
            raise self._failure

    def put(self, change: Change) -> Change:
        """Have a change committed behind those before it; wait for it with :meth:`Change.wait`."""
        with self._lock:
            if self._failure is not None:
                self._is_failure_told = True
                raise self._failure
            self._queue.append(change)
            self._lock.notify()
        return change

    async def watch(self) -> None:
        """Wait until writing fails, and raise that: it may happen while nobody waits for a change."""
        await self._failed.wait()
        assert self._failure is not None  # noqa: S101 - set before the event
        self._is_failure_told = True
        raise self._failure

    # The thread

    def _run(self) -> None:
        file: JournalFile | None = None
        try:
            file = self._open_file(self._path)
            self._note_used(file)
            while (group := self._take_group(file)) is not None:
                self._commit_group(file, group)
                self._checkpoint_if_due(file)
        except Exception as error:  # noqa: BLE001 - whatever it is, nothing may be promised any more
            self._fail(error)
        finally:
            try:
                self._close(file)
            finally:
                self._call(self._ended.set)

    def _take_group(self, file: JournalFile) -> list[Change] | None:
        """Wait for changes, tidying up while there are none; None when this is the end."""
        has_untidy = True
        while True:
            with self._lock:
                self._lock.wait_for(lambda: self._queue or self._is_closing, IDLE_SECONDS if has_untidy else None)
                if self._queue:
                    return self._take_queued()
                if self._is_closing:
                    return None
            # One step at a time: a change that comes meanwhile waits for no more than that.
            has_untidy = self._give_space_back(file) or not self._room.has_reserve
            self._checkpoint_if_due(file)
            self._restore_room(file)
            self._note_used(file)

    def _take_queued(self) -> list[Change]:
        group: list[Change] = []
        size_bytes = 0
        while self._queue and size_bytes < GROUP_BYTES:
            change = self._queue.popleft()
            size_bytes += change.size_bytes
            group.append(change)
        return group

    def _commit_group(self, file: JournalFile, group: list[Change]) -> None:
        """Commit a group. Raises sqlite3.Error; then nothing of what waits is committed by this process any more."""
        try:
            self._restore_room(file)
            self._refuse_without_room(group)
            self._save(file, [change for change in group if change.error is None])
            self._note_used(file)
        except Exception as error:
            self._give_up(group, error)
            raise
        self._finish(group)

    def _refuse_without_room(self, group: Sequence[Change]) -> None:
        size_bytes = 0
        for change in group:
            if change.admits:
                size_bytes += change.size_bytes
                self._refuse(change, self._room.find_lack(size_bytes))

    def _refuse(self, change: Change, lack: str | None) -> None:
        if lack is not None:
            change.error = JournalFullError(f"{self._path}: {lack}")

    def _save(self, file: JournalFile, changes: list[Change]) -> None:
        if not changes or self._fits(lambda: file.commit(changes)):
            return
        # A log that begins anew needs no more room.
        if self._fits(file.checkpoint) and self._fits(lambda: file.commit(changes)):
            return
        self._room.give_reserve()
        for change in changes:
            if change.admits:
                self._refuse(change, self._room.find_lack(change.size_bytes))
        self._save_from_reserve(file, [change for change in changes if not change.admits])

    def _save_from_reserve(self, file: JournalFile, changes: list[Change]) -> None:
        """Commit what ends old work, waiting for room if it must. Raises sqlite3.Error."""
        while changes:
            self._fits(file.checkpoint)
            try:
                file.commit(changes)
            except sqlite3.OperationalError as error:
                if not _is_disk_full(error) or not self._wait_for_room():
                    raise
            else:
                return

    def _fits(self, write: Callable[[], object]) -> bool:
        """Write something; False: the disk is full, and SQLite has undone all of it. Raises sqlite3.Error."""
        try:
            write()
        except sqlite3.OperationalError as error:
            if not _is_disk_full(error):
                raise
            return False
        return True

    def _wait_for_room(self) -> bool:
        """Refuse new work for a while; return False when there is no time to wait: this process is to end."""
        with self._lock:
            self._lock.wait_for(lambda: self._is_closing, FULL_DISK_SECONDS)
            refused = [change for change in self._queue if change.admits]
            self._queue = deque(change for change in self._queue if not change.admits)
        for change in refused:
            self._refuse(change, "the disk is full: free some room on it")
        self._finish(refused)
        return not self._is_closing

    def _note_used(self, file: JournalFile) -> None:
        self._room.note_used(file.count_used_bytes(), file.count_free_bytes())

    def _restore_room(self, file: JournalFile) -> None:
        self._room.restore_reserve(lambda size_bytes: self._fits(lambda: file.shrink(size_bytes)))

    def _give_space_back(self, file: JournalFile) -> bool:
        try:
            return file.give_space_back()
        except sqlite3.OperationalError as error:
            if not _is_disk_full(error):
                raise
            return False

    def _checkpoint_if_due(self, file: JournalFile) -> None:
        if not self._fits(file.checkpoint_if_due):
            # Nothing is lost, it stays in the log; the file could not grow.
            self._room.give_reserve()

    def _close(self, file: JournalFile | None) -> None:
        if file is None:
            return
        if self._failure is None and (last := self._last) is not None:
            self._end(lambda: file.commit([last]))
        # Whatever became of that: a connection that is left to itself moves the log when Python ends, and tells nobody.
        self._end(lambda: file.close(is_sound=self._failure is None))

    def _end(self, step: Callable[[], object]) -> None:
        try:
            step()
        except Exception as error:  # noqa: BLE001 - as above: whoever waits for the end is told
            if self._failure is None and not _is_disk_full(error):
                self._fail(error)

    def _give_up(self, changes: Iterable[Change], error: Exception) -> None:
        failure = self._describe(error)
        for change in changes:
            change.error = failure
            self._is_failure_told = True
        self._finish(changes)

    def _fail(self, error: Exception) -> None:
        with self._lock:
            self._failure = self._describe(error)
            left, self._queue = list(self._queue), deque()
        self._give_up(left, error)
        self._call(self._failed.set)

    def _describe(self, error: Exception) -> JournalFailedError:
        if isinstance(error, FilesChangedError):
            return JournalFailedError(
                f"{error}: it was removed, moved or replaced while this gateway had it open; nothing more is accepted "
                "or sent. What was accepted stands in the files that were there: put them back, try `pushmill journal "
                "check`, then start again"
            )
        return JournalFailedError(
            f"{self._path}: can't be written: {error}; nothing more is accepted or sent. What was accepted stands in "
            "it: look after the disk, try `pushmill journal check`, then start again"
        )

    def _finish(self, changes: Iterable[Change]) -> None:
        self._call(lambda: _finish(changes))

    def _call(self, function: Callable[[], object]) -> None:
        assert self._token is not None  # noqa: S101 - the thread starts after it was taken
        # When trio has ended without waiting for us nobody is left to be told.
        with suppress(trio.RunFinishedError):
            self._token.run_sync_soon(function)


def _finish(changes: Iterable[Change]) -> None:
    for change in changes:
        change.finish()


def _is_disk_full(error: Exception) -> bool:
    return isinstance(error, sqlite3.Error) and error.sqlite_errorcode == sqlite3.SQLITE_FULL
