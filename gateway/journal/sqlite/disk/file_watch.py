"""Notices that a file of the journal, or its folder, was removed or replaced under a gateway at work.

The kernel lets a process go on writing and flushing a file that has no name any more: each commit succeeds, and the
next start finds none of them. So before a commit is answered the names must lead to what was opened. A file that is
removed has no link left and another inode, or none, under its name; the folder likewise.
"""

import os
from collections.abc import Iterable
from pathlib import Path


class FilesChangedError(Exception):
    """What was written went into a file that the next start does not find."""


class FileWatch:
    """Remembers what paths lead to now, and tells when they lead elsewhere."""

    def __init__(self, paths: Iterable[Path]) -> None:
        """Remember; raises OSError when a path leads nowhere."""
        self._known = [(path, _identify(path.stat())) for path in paths]

    def check(self) -> None:
        """See that each leads to what it led to. Raises FilesChangedError."""
        for path, identity in self._known:
            try:
                found = path.stat()
            except OSError as error:
                raise FilesChangedError(f"{path} is gone ({error.strerror})") from error
            if _identify(found) != identity or found.st_nlink == 0:
                raise FilesChangedError(f"{path} is another one than was opened")


def _identify(found: os.stat_result) -> tuple[int, int]:
    return found.st_dev, found.st_ino
