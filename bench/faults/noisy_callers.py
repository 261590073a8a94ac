"""A good caller beside a nuisance: how soon its batches are accepted, alone and beside it, at one real gateway.

Rounds alone and beside take turns, so that what else the machine does touches both alike.
"""

import statistics
import sys
import time
from pathlib import Path

import msgspec
import trio

from bench.faults.gateway_process import APP, open_place, start_gateway
from bench.judging.processes import Child, start_child
from bench.simulators.apns import open_apns_simulator
from gateway.caller import SocketCaller, open_caller

BATCH_ROWS = 10
ROUNDS = 5
SETTLING_SECONDS = 0.5  # for the nuisance to begin, and to be over
PATIENCE_SECONDS = 60.0


class Beside(msgspec.Struct, frozen=True, kw_only=True):
    """What one nuisance does to a good caller, in milliseconds from sending a batch to its answer."""

    kind: str
    alone_p50: float
    alone_p99: float
    beside_p50: float
    beside_p99: float
    unanswered: int
    most_resident_mib: float

    @property
    def ratio(self) -> float:
        """How much longer the slowest hundredth waits."""
        return self.beside_p99 / self.alone_p99


async def measure_beside(folder: Path, kind: str, batches: int) -> Beside:
    """Send so many batches alone and as many beside the nuisance. Raises ChildError."""
    alone: list[float] = []
    beside: list[float] = []
    resident_mib: list[float] = []
    async with (
        open_apns_simulator() as simulator,
        open_place(folder, simulator) as place,
        start_gateway(place) as gateway,
        open_caller(place.address) as caller,
    ):
        await _send(caller, "warm-up", batches // ROUNDS)
        command = [sys.executable, "-m", "bench.faults.noise_makers", "--kind", kind, "--address", place.address]
        for number in range(ROUNDS):
            alone += await _send(caller, f"alone-{number}", batches // ROUNDS)
            async with start_child("noise", command, folder / "noise.log") as noise:
                await noise.read_line()
                await trio.sleep(SETTLING_SECONDS)
                beside += await _send(caller, f"beside-{number}", batches // ROUNDS)
                resident_mib.append(_find_resident_mib(gateway))
            await trio.sleep(SETTLING_SECONDS)
    return Beside(
        kind=kind,
        alone_p50=statistics.median(alone),
        alone_p99=_find_p99(alone),
        beside_p50=statistics.median(beside),
        beside_p99=_find_p99(beside),
        unanswered=len(alone) - len(beside),
        most_resident_mib=max(resident_mib),
    )


async def _send(caller: SocketCaller, name: str, batches: int) -> list[float]:
    """Return the milliseconds that each batch took, one after the other."""
    taken: list[float] = []
    with trio.move_on_after(PATIENCE_SECONDS):
        for number in range(batches):
            began = time.perf_counter()
            await caller.send(
                {
                    "batch_id": f"{name}-{number}",
                    "app": APP,
                    "content": {"title": "Sale"},
                    "targets": [{"apns": {"token": f"{number:032x}{row:032x}"}} for row in range(BATCH_ROWS)],
                }
            )
            taken.append((time.perf_counter() - began) * 1000)
    return taken


def _find_p99(values: list[float]) -> float:
    return sorted(values)[max(0, len(values) * 99 // 100 - 1)]


def _find_resident_mib(child: Child) -> float:
    """Return what a process holds in memory (proc(5), VmRSS)."""
    for line in Path(f"/proc/{child.process_id}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0
