"""The connection that writes, for the journal's thread alone: commits, moves the log, gives space back."""

from collections.abc import Iterable
from pathlib import Path

from gateway.journal.sqlite.disk import schema
from gateway.journal.sqlite.disk.change import Change
from gateway.journal.sqlite.disk.commit_counter import CommitCounter
from gateway.journal.sqlite.disk.file_watch import FileWatch
from gateway.journal.sqlite.disk.files import LOCK, create_private, flush_folder
from gateway.journal.sqlite.disk.log_gauge import LogGauge
from gateway.journal.sqlite.disk.log_scan import count_commits, log_path, read_log_header
from gateway.journal.sqlite.disk.opening import connect
from gateway.journal.sqlite.disk.room import CHECKPOINT_BYTES
from gateway.journal.sqlite.disk.statements import fetch, run, transaction

# Free pages are used again before the file grows; only what is beyond this goes back to the disk, when nothing else is
# to be done.
FREE_BYTES_KEPT = 64 * 1024 * 1024
VACUUM_PAGES = 32  # a step: each moves that many pages, 1 MiB of writing that a batch may have to wait for


class JournalFile:
    """See the module text. Every method raises sqlite3.Error and OSError.

    After any error but SQLITE_FULL nothing may be written.
    """

    def __init__(self, path: Path) -> None:
        # SQLite makes the log if it is missing, and flushes the folder for it without looking at what that says: a log
        # without a name after a power loss is everything that was accepted since. So it finds its name flushed.
        create_private(log_path(path))
        flush_folder(path.parent)
        self._connection = connect(path)
        # Nobody else writes: there is nothing to wait for but readers that hold up a checkpoint, and those may.
        run(self._connection, "PRAGMA busy_timeout = 0")
        self._page_bytes = self._read_count("page_size")
        fetch(self._connection, "SELECT count(*) FROM principal")
        schema.complete(self._connection)
        self._gauge = LogGauge(path, self._page_bytes)
        self._counter = CommitCounter(path.parent, self._gauge, _count_commits(path, self._gauge.count_frames()))
        self._watch = FileWatch(each for each in (path.parent, path, log_path(path), path.parent / LOCK))
        self._checkpoint_at_bytes = CHECKPOINT_BYTES
        self._is_longer = False  # than it should be: pages at its end were given up and are still there

    def commit(self, changes: Iterable[Change]) -> None:
        """Commit changes together, durably, in files that the next start will find.

        Raises FilesChangedError when it won't.
        """
        with transaction(self._connection):
            for change in changes:
                for statement, rows in change.statements:
                    self._connection.executemany(statement, rows)
        self._counter.note_commit()
        self._watch.check()

    def count_used_bytes(self) -> int:
        """Return the bytes of pages in use."""
        return self._read_count("page_count") * self._page_bytes - self.count_free_bytes()

    def count_free_bytes(self) -> int:
        """Return the bytes of free pages inside of the file."""
        return self._read_count("freelist_count") * self._page_bytes

    def checkpoint_if_due(self) -> bool:
        """Move the log into the file when it has grown enough; return whether it was moved."""
        return self._gauge.read_bytes() >= self._checkpoint_at_bytes and self.checkpoint()

    def checkpoint(self) -> bool:
        """Move the log into the file; return whether all of it was moved, and it begins anew."""
        is_busy, frames, moved = fetch(self._connection, "PRAGMA wal_checkpoint(PASSIVE)")
        self._counter.note_moved(moved, all_of_them=not is_busy and moved == frames)
        if is_busy or moved < frames:
            # A reader still needs the rest: the log goes on growing meanwhile, and is tried again further on.
            self._checkpoint_at_bytes = self._gauge.read_bytes() + CHECKPOINT_BYTES
            return False
        self._checkpoint_at_bytes = CHECKPOINT_BYTES
        return True

    def give_space_back(self) -> bool:
        """Shrink the file by one step; return whether there is more to give."""
        if self.count_free_bytes() > FREE_BYTES_KEPT:
            self._give_pages_up()
        elif self._is_longer:
            # The file itself is cut when the log is moved, and steps that free its end put next to nothing there.
            self._is_longer = not self.checkpoint()
        else:
            return False
        return True

    def shrink(self, size_bytes: int) -> None:
        """Make the file so much shorter, if it has so many free pages and no reader needs the log."""
        self.checkpoint()  # what is written next begins the log anew and takes no room on the disk
        for _ in range(0, min(size_bytes, self.count_free_bytes()), VACUUM_PAGES * self._page_bytes):
            self._give_pages_up()
        self._is_longer = not self.checkpoint()

    def _give_pages_up(self) -> None:
        run(self._connection, f"PRAGMA incremental_vacuum({VACUUM_PAGES})")
        self._counter.note_commit()
        self._is_longer = True

    def close(self, *, is_sound: bool) -> None:
        """Close; a sound file gets its log moved into it first.

        The reading connection must be open still: the last one that closes would move the log, and not tell.
        """
        try:
            if is_sound and self.checkpoint():
                # An empty log is as it should be only when the counter says that nothing of it is needed.
                self._counter.flush()
                run(self._connection, "PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            # Also after an error: a connection that is left to itself tries again when Python ends.
            self._connection.close()
            self._gauge.close()
            self._counter.close()

    def _read_count(self, name: str) -> int:
        (count,) = fetch(self._connection, f"PRAGMA {name}")
        return int(count)


def _count_commits(database: Path, valid_frames: int) -> int:
    with log_path(database).open("rb") as log:
        header = read_log_header(log)
        return 0 if header is None else count_commits(log, header, valid_frames)
