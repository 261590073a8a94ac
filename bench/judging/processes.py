"""Child processes, a gateway above all: started with a log each, watched, and stopped by their process id.

A child is put into a process group of its own, so that Ctrl-C reaches the supervisor alone, which then stops the
children in order. Whatever happens, leaving the block of `start_child` ends the child: SIGTERM, then SIGKILL.
"""

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import trio

LISTENING_POLL_SECONDS = 0.02
STOP_SECONDS = 10.0
"""How long a child may take to end after SIGTERM; the demo's gateway is told to drain in less."""
LAST_WORDS_LINES = 12
_MOST_LINE_BYTES = 64 * 1024
_READ_BYTES = 16 * 1024


class ChildError(Exception):
    """A child ended when it should not have, or did not get ready; the message quotes its last words."""


class Child:
    """One running process. ``lines`` are its standard output; its standard error is in ``log_file``."""

    def __init__(self, name: str, process: trio.Process, log_file: Path) -> None:
        self.name = name
        self.log_file = log_file
        self._process = process
        self._unread = b""

    def __repr__(self) -> str:
        state = "running" if self._process.returncode is None else f"ended with {self._process.returncode}"
        return f"<Child {self.name}, process {self._process.pid}, {state}>"

    @property
    def process_id(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def has_ended(self) -> bool:
        """Whether it runs no more."""
        return self._process.poll() is not None

    @property
    def has_ended_badly(self) -> bool:
        """Whether it ended other than with exit code 0."""
        return self.has_ended and self._process.returncode != 0

    def describe_end(self) -> str:
        """Return how it ended and its last words."""
        code = self._process.poll()
        how = (
            f"was ended by {signal.Signals(-code).name}"
            if code is not None and code < 0
            else f"ended with exit code {code}"
        )
        return f"the {self.name} {how}; its last words:\n{self.last_words()}"

    async def read_line(self) -> bytes | None:
        """Wait for the next line of its standard output; None at the end. Raises ChildError on an endless line."""
        if self._process.stdout is None:
            raise RuntimeError(f"the {self.name}'s standard output goes to its log")
        while b"\n" not in self._unread:
            received = await self._process.stdout.receive_some(_READ_BYTES)
            if not received:
                return None
            self._unread += received
            if len(self._unread) > _MOST_LINE_BYTES:
                raise ChildError(f"the {self.name} wrote a line of more than {_MOST_LINE_BYTES} bytes")
        line, _, self._unread = self._unread.partition(b"\n")
        return line

    def send_signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    async def wait(self) -> int:
        """Wait until it ends by itself."""
        return await self._process.wait()

    async def stop(self, patience_seconds: float = STOP_SECONDS) -> None:
        """Ask it to end, and after a while make it; nothing happens when it has ended."""
        with trio.CancelScope(shield=True):
            if not self.has_ended:
                self._process.terminate()
                with trio.move_on_after(patience_seconds):
                    await self._process.wait()
            if not self.has_ended:
                self._process.kill()
                await self._process.wait()

    def last_words(self) -> str:
        """Return the end of its log."""
        lines = self.log_file.read_text(errors="replace").splitlines()[-LAST_WORDS_LINES:]
        return "\n".join(f"  {line}" for line in lines) or "  (nothing)"


@asynccontextmanager
async def start_child(
    name: str, command: Sequence[str], log_file: Path, *, has_output: bool = True
) -> AsyncIterator[Child]:
    """Start a process and end it with the block. Without ``has_output`` its standard output goes to the log, too."""
    with log_file.open("wb") as log:
        process = await trio.lowlevel.open_process(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if has_output else log,
            stderr=log,
            env=_clean_environment(),
            process_group=0,
        )
    child = Child(name, process, log_file)
    try:
        yield child
    finally:
        await child.stop()
        if process.stdout is not None:
            await process.stdout.aclose()


def gateway_command(settings: Path, plant: str | None = None) -> list[str]:
    """Return the command line of a gateway: as an operator's, or one that differs by a planted defect alone."""
    if plant is None:
        return [sys.executable, "-m", "gateway.cli", "serve", "--config", str(settings)]
    return [sys.executable, "-m", "bench.judging.planted_gateway", "--config", str(settings), "--plant", plant]


async def is_listening(path: Path) -> bool:
    """Whether somebody accepts connections at a Unix socket, which has a name a moment before."""
    try:
        stream = await trio.open_unix_socket(path)
    except OSError:
        return False
    await stream.aclose()
    return True


async def wait_for_socket(path: Path, child: Child, *, patience_seconds: float) -> None:
    """Wait until somebody accepts connections at a Unix socket. Raises ChildError when the child ends or never does."""
    with trio.move_on_after(patience_seconds):
        while not child.has_ended:
            if await is_listening(path):
                return
            await trio.sleep(LISTENING_POLL_SECONDS)
    raise ChildError(f"the {child.name} never listened; its last words:\n{child.last_words()}")


def _clean_environment() -> dict[str, str]:
    """Return our environment without settings that are meant for the user's own gateway."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PUSHMILL_")}
