"""Standard output and error of the command, whose failures have a type of their own.

A full disk or a reader that has gone (`| head -1`) shows wherever something happens to be written or flushed: inside a
command, in a nursery, at the interpreter's own end. As an OSError it would be taken for one of the files and sockets
that a command works with; as an :class:`OutputError` it passes them all, and ends the process in one place.
"""

import errno
import io
import os
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Buffer

STDOUT, STDERR = 1, 2
UNWRITABLE = 74  # EX_IOERR of sysexits.h
READER_GONE = 141  # what a shell reports for a command that SIGPIPE ended


class OutputError(Exception):
    """Standard output can't be written."""

    def __init__(self, number: int) -> None:
        super().__init__(os.strerror(number))
        self.is_reader_gone = number == errno.EPIPE


class _Descriptor(io.RawIOBase):
    """A descriptor to write to. ``is_muted``: what it doesn't take is dropped."""

    def __init__(self, descriptor: int, *, is_muted: bool) -> None:
        self._descriptor = descriptor
        self.is_muted = is_muted

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)

    def write(self, data: "Buffer", /) -> int:
        while True:
            try:
                return os.write(self._descriptor, data)
            except BlockingIOError:  # a pipe that whoever made it doesn't let wait
                select.select([], [self._descriptor], [])
            except OSError as error:
                if self.is_muted:
                    return memoryview(data).nbytes
                raise OutputError(error.errno or errno.EIO) from None


class Output:
    """Both streams, in place of Python's own while the command runs."""

    def __init__(self) -> None:
        _occupy_closed()
        self._stdout = _Descriptor(STDOUT, is_muted=False)
        # Where messages can't be told, the exit code still can.
        self._stderr = _Descriptor(STDERR, is_muted=True)

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Let everything that prints print through it. Raises OutputError for what is still to be written."""
        kept = sys.stdout, sys.stderr
        sys.stdout, sys.stderr = _open_text(self._stdout), _open_text(self._stderr)
        try:
            yield
            sys.stdout.flush()
        finally:
            self._stdout.is_muted = True
            sys.stdout.flush()
            sys.stderr.flush()
            sys.stdout, sys.stderr = kept


def find_output_error(error: BaseException) -> OutputError | None:
    """Return an error of the output out of what a command raised: groups in groups."""
    if isinstance(error, BaseExceptionGroup):
        return next(filter(None, map(find_output_error, error.exceptions)), None)
    return error if isinstance(error, OutputError) else None


def _occupy_closed() -> None:
    """Take the numbers of streams that are closed, or the next file or socket would get them, and what is printed."""
    for descriptor in (0, STDOUT, STDERR):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDONLY)  # the lowest free number is this one; a write to it fails


def _open_text(raw: _Descriptor) -> io.TextIOWrapper:
    # Names of files may be no text, and a terminal's encoding may lack what tables are drawn with.
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=sys.stdout.encoding if sys.stdout is not None else "utf-8",
        errors="backslashreplace",
        line_buffering=raw.fileno() == STDERR or raw.isatty(),
    )
