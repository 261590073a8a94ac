"""The files of a journal: a folder for their owner alone, a lock against a second gateway, room kept in reserve."""

import errno
import fcntl
import os
import stat
from contextlib import suppress
from pathlib import Path

from gateway.journal.errors import JournalError

DATABASE = "journal.db"
LOCK = "lock"
RESERVE = "reserve"
# Enough to end tens of thousands of rows when the disk is full: their results, and the pages that go with them.
RESERVE_BYTES = 16 * 1024 * 1024


def prepare_folder(folder: Path) -> None:
    """Make the journal's folder if it is missing, durably. Raises JournalError."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for made in missing:
            flush_folder(made.parent)
    except OSError as error:
        raise JournalError(f"{folder}: {error.strerror}; check journal.directory") from error
    fault = find_folder_fault(folder) or find_stranger_fault(folder)
    if fault is not None:
        raise JournalError(f"{folder}: {fault}")


def find_folder_fault(folder: Path) -> str | None:
    """Return what a folder is that a journal can't be in, with the next step. Raises OSError."""
    if not folder.is_dir():
        return "not a folder; change journal.directory"
    if os.statvfs(folder).f_flag & os.ST_RDONLY:
        return "on a file system that is mounted read-only; remount it, or change journal.directory"
    if not os.access(folder, os.W_OK | os.X_OK):
        return "not writable by this user; change its owner, or journal.directory"
    return None


def find_stranger_fault(folder: Path) -> str | None:
    """Return what is wrong with a folder in which everybody may make and remove files. Raises OSError.

    A group may: that is a grant, and how some orchestrators hand out volumes.
    """
    mode = stat.S_IMODE(folder.stat().st_mode)
    if mode & stat.S_IWOTH:
        return (
            f"writable by every user of this machine (mode {mode:04o}), who could replace the journal; `chmod 0700` "
            "it, or name a folder in it as journal.directory, which is made for this user alone"
        )
    return None


def flush_folder(folder: Path) -> None:
    """Make the names of new files durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def create_private(path: Path) -> bool:
    """Make an empty file that only its owner can read; return False when there is one already."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        return False
    return True


class FolderLock:
    """Held from ``take`` to ``release`` by one process alone; the kernel lets go of it when that dies.

    Both the file and the folder are locked: the file can be removed, and a new one would be free.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / LOCK
        self._descriptors: list[int] = []

    def take(self) -> None:
        """Take it. Raises JournalError when another gateway has it."""
        try:
            self._descriptors.append(os.open(self._path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
            self._descriptors.append(os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
        except OSError as error:
            self.release()
            raise JournalError(f"{self._path}: {error.strerror}; check journal.directory") from error
        file = self._descriptors[0]
        try:
            for descriptor in self._descriptors:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.read(file, 32).decode("ascii", "replace").strip() or "unknown"
            self.release()
            raise JournalError(
                f"{self._path.parent}: in use by another gateway (process {holder}); stop it, or give this one a "
                "journal.directory of its own"
            ) from error
        # Who has it is for people to know; on a full disk it works without.
        with suppress(OSError):
            os.ftruncate(file, 0)
            os.write(file, f"{os.getpid()}\n".encode())

    def release(self) -> None:
        """Let go of it."""
        while self._descriptors:
            os.close(self._descriptors.pop())


class Reserve:
    """A file of zeros whose room is given to settlements when the disk is full, and taken back when there is some."""

    def __init__(self, folder: Path, size_bytes: int = RESERVE_BYTES) -> None:
        self._path = folder / RESERVE
        self.size_bytes = size_bytes

    def count_disk_bytes(self) -> int:
        """Return how much the disk has left for this user. Raises OSError."""
        disk = os.statvfs(self._path.parent)
        return disk.f_bavail * disk.f_frsize

    def release(self) -> None:
        """Give the room away."""
        self._path.unlink(missing_ok=True)

    def restore(self) -> bool:
        """Take the room back; return whether there was enough."""
        if self._is_whole():
            return True
        descriptor = os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, self.size_bytes)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            self._path.unlink()
            return False
        finally:
            os.close(descriptor)
        return True

    def _is_whole(self) -> bool:
        """Whether all of it is there; of a copy that left out the zeros nothing is."""
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return False
        return found.st_size == self.size_bytes <= found.st_blocks * 512
