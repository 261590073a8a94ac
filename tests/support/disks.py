"""Small file systems of a test's own, to be filled up or made read-only: real ones, which takes root."""

import errno
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

BLOCKS = (1024 * 1024, 4096)


@contextmanager
def mounted(folder: Path, size_bytes: int) -> Iterator[None]:
    """Have a file system of that size in ``folder``; skips the test where that can't be."""
    folder.mkdir()
    if os.geteuid() != 0 or _run("mount", "-t", "tmpfs", "-o", f"size={size_bytes}", "tmpfs", str(folder)):
        pytest.skip("a file system can't be mounted here: that takes root")
    try:
        yield
    finally:
        _run("umount", "-l", str(folder))


def make_read_only(folder: Path) -> None:
    """Mount what is in ``folder`` anew, so that nothing in it can be written."""
    if _run("mount", "-o", "remount,ro", str(folder)):
        raise RuntimeError(f"{folder} can't be mounted read-only")


def fill(path: Path) -> None:
    """Write a file that takes all the room that is left."""
    with path.open("wb", buffering=0) as file:
        for block in BLOCKS:
            while _write(file.fileno(), block):
                pass


def _write(descriptor: int, size_bytes: int) -> bool:
    try:
        os.write(descriptor, bytes(size_bytes))
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        return False
    return True


def _run(*command: str) -> int:
    return subprocess.run(command, capture_output=True, check=False).returncode  # noqa: S603 -- mount and umount
