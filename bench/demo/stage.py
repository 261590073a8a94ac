"""The gateway and the caller of a run, on a Unix socket: started as a user would start them, by their command lines.

Each knows of the others only what its options say.
"""

import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path

import trio

from bench.demo.options import DemoOptions
from bench.demo.settings import write_settings
from bench.demo.simulators import READY_SECONDS, SimulatorFacts
from bench.judging.kills import Kill
from bench.judging.processes import Child, ChildError, gateway_command, start_child, wait_for_socket


class Gateway:
    """The gateway of a run: one process after the other, on the same settings, socket and journal.

    ``child`` is the one that runs now; ``kills`` are those so far.
    """

    child: Child

    def __init__(self, directory: Path, socket: Path, stack: AsyncExitStack) -> None:
        self.socket = socket
        self.kills: list[Kill] = []
        self._directory = directory
        self._stack = stack
        self._changing = trio.Lock()

    async def start(self, plant: str | None = None) -> None:
        """Start a process and wait until it listens. Raises ChildError when it never does."""
        command = gateway_command(find_settings(self._directory), plant)
        log = self._directory / (f"gateway-{len(self.kills) + 1}.log" if self.kills else "gateway.log")
        self.child = await self._stack.enter_async_context(start_child("gateway", command, log, has_output=False))
        await wait_for_socket(self.socket, self.child, patience_seconds=READY_SECONDS)

    async def kill(self) -> None:
        """End it by SIGKILL and start the next one, without any defect. Raises ChildError when that never listens."""
        async with self._changing:
            at = _wall_ms()
            self.child.send_signal(signal.SIGKILL)
            await self.child.wait()
            restarted_at = _wall_ms()
            self.kills.append(Kill(at=at, restarted_at=restarted_at, ready_at=restarted_at))
            await self.start()
            self.kills[-1] = Kill(at=at, restarted_at=restarted_at, ready_at=_wall_ms())

    async def fail_at_end(self) -> None:
        """Wait until a process ends that was not killed by us. Raises ChildError then."""
        while True:
            child = self.child
            await child.wait()
            async with self._changing:
                if child is self.child:
                    raise ChildError(child.describe_end())


@asynccontextmanager
async def open_gateway(directory: Path, facts: SimulatorFacts, plant: str | None = None) -> AsyncIterator[Gateway]:
    """Run a gateway, the first process with a planted defect if one is named. Raises ChildError as ``start`` does.

    Each run has a socket of its own, so that one is never taken for another that is or was there. It lies in a folder
    of its own, too: its path may have 107 bytes at most.
    """
    with tempfile.TemporaryDirectory(prefix="pushmill-") as folder:
        async with AsyncExitStack() as stack:
            gateway = Gateway(directory, Path(folder) / "gateway.sock", stack)
            find_settings(directory).write_text(write_settings(gateway.socket, find_journal(directory), facts))
            await gateway.start(plant)
            yield gateway


def find_settings(directory: Path) -> Path:
    """Return where the settings are written."""
    return directory / "gateway.toml"


def find_journal(directory: Path) -> Path:
    """Return the folder of the journal."""
    return directory / "gateway-journal"


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000


def open_caller_process(
    directory: Path, socket: Path, facts: SimulatorFacts, options: DemoOptions
) -> AbstractAsyncContextManager[Child]:
    """Run the caller; its lines are counts."""
    given = {
        "--socket": socket,
        "--directory": directory,
        "--subscriptions": facts.webpush.subscriptions_file,
        "--notifications": options.notifications,
        "--last-act": ",".join(map(str, options.last_act)),
        "--seed": options.seed,
        "--batch-size": options.batch_size,
    }
    words = [str(word) for option in given.items() for word in option]
    return start_child("caller", [sys.executable, "-m", "bench.demo.caller", *words], directory / "caller.log")
