"""The gateway and the caller of a run, on a Unix socket: started as a user would start them, by their command lines.

Each knows of the others only what its options say.
"""

import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import msgspec

from bench.demo.processes import Child, start_child, wait_for_socket
from bench.demo.settings import write_settings
from bench.demo.simulators import READY_SECONDS, SimulatorFacts


class Gateway(msgspec.Struct, frozen=True):
    """A running gateway, and where it listens."""

    child: Child
    socket: Path


@asynccontextmanager
async def open_gateway(directory: Path, facts: SimulatorFacts, plant: str | None = None) -> AsyncIterator[Gateway]:
    """Run a gateway, with a planted defect if one is named. Raises ChildError when it doesn't get ready.

    Each has a socket of its own, so that one is never taken for another that is or was there. It lies in a folder of
    its own, too: its path may have 107 bytes at most.
    """
    with tempfile.TemporaryDirectory(prefix="pushmill-") as folder:
        socket = Path(folder) / "gateway.sock"
        settings = directory / "gateway.toml"
        settings.write_text(write_settings(socket, facts))
        command = [sys.executable, "-m", "gateway.cli", "serve", "--config", str(settings)]
        if plant is not None:
            command = [sys.executable, "-m", "bench.demo.planted_gateway", "--config", str(settings), "--plant", plant]
        async with start_child("gateway", command, directory / "gateway.log", has_output=False) as child:
            await wait_for_socket(socket, child, patience_seconds=READY_SECONDS)
            yield Gateway(child, socket)


def open_caller_process(
    directory: Path, socket: Path, facts: SimulatorFacts, *, notifications: int, seed: int, batch_size: int
) -> AbstractAsyncContextManager[Child]:
    """Run the caller; its lines are counts."""
    options = {
        "--socket": socket,
        "--directory": directory,
        "--subscriptions": facts.webpush.subscriptions_file,
        "--notifications": notifications,
        "--seed": seed,
        "--batch-size": batch_size,
    }
    words = [str(word) for option in options.items() for word in option]
    return start_child("caller", [sys.executable, "-m", "bench.demo.caller", *words], directory / "caller.log")
