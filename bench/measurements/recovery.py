"""How soon a gateway accepts again after a crash with a million queued (P5), and what that costs in memory.

One process queues them and is killed with nothing closed. A second one starts on what it left: imports, opens, takes
over, and appends a batch. Its time runs from its start to that batch's commit; its memory is read before the journal is
opened and after the batch. Then a whole gateway starts on the same journal and sends it: see `dispatch`.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random

import msgspec
import trio

from bench.measurements.dispatch import judge, watch_dispatch
from bench.measurements.queue_load import append_batch, resident_bytes
from gateway.journal import Engine

BATCH_ROWS = 10_000
LIMIT_SECONDS = 2.0
LIMIT_MIB = 300.0
LIMIT_DISPATCH_SECONDS = 10.0


class RecoveryError(Exception):
    """One of the two processes did not do its part."""


class TakeOver(msgspec.Struct, frozen=True, kw_only=True):
    """What the process that starts again measured of itself."""

    accepting_at: float
    """When its first batch was committed, by the system's monotonic clock."""
    cpu_seconds: float
    """Of the whole process, from before the journal was opened until then."""
    owed: int
    idle_mib: float
    """What it held before the journal was opened."""
    above_idle_mib: float


class Recovery(msgspec.Struct, frozen=True, kw_only=True):
    """A whole measurement, beside its limits."""

    rows: int
    log_mb: float
    accepting_after_seconds: float
    limit_seconds: float = LIMIT_SECONDS
    cpu_seconds: float
    owed: int
    idle_mib: float
    above_idle_mib: float
    limit_mib: float = LIMIT_MIB
    steady_per_second: int
    dispatching_after_seconds: float
    limit_dispatch_seconds: float = LIMIT_DISPATCH_SECONDS

    def failures(self) -> list[str]:
        """Return a line for each limit that was missed."""
        limits = {
            f"accepting after {self.accepting_after_seconds} s": self.accepting_after_seconds > self.limit_seconds,
            f"{self.above_idle_mib} MiB above idle": self.above_idle_mib > self.limit_mib,
            f"dispatching after {self.dispatching_after_seconds} s": self.dispatching_after_seconds
            > self.limit_dispatch_seconds,
            f"{self.owed} rows of {self.rows} are owed": self.owed != self.rows,
        }
        return [what for what, is_missed in limits.items() if is_missed]


def run(rows: int = 1_000_000) -> dict[str, object]:
    """Measure and return one JSON object; ``passed`` tells whether every limit held. Raises RecoveryError."""
    with tempfile.TemporaryDirectory(prefix="pushmill-recovery-") as folder:
        measured = measure(Path(folder), rows)
    return msgspec.structs.asdict(measured) | {"passed": not measured.failures()}


def measure(folder: Path, rows: int) -> Recovery:
    """Measure in an empty folder. Raises RecoveryError."""
    fill(folder, rows)
    log_bytes = (folder / "journal.db-wal").stat().st_size
    started = time.monotonic()
    taken = take_over(folder)
    looks = trio.run(watch_dispatch, folder, rows)
    try:
        steady, dispatching_after = judge(looks)
    except ValueError as error:
        raise RecoveryError(str(error)) from None
    return Recovery(
        rows=rows,
        log_mb=round(log_bytes / 1e6, 1),
        accepting_after_seconds=round(taken.accepting_at - started, 3),
        cpu_seconds=taken.cpu_seconds,
        owed=taken.owed,
        idle_mib=taken.idle_mib,
        above_idle_mib=taken.above_idle_mib,
        steady_per_second=round(steady),
        dispatching_after_seconds=round(dispatching_after, 2),
    )


def fill(folder: Path, rows: int) -> None:
    """Have a process queue so many rows in a journal and be killed with nothing closed. Raises RecoveryError."""
    filling = _start("fill", folder, str(rows))
    if filling.returncode != -signal.SIGKILL:
        raise RecoveryError(f"the process that queues ended with status {filling.returncode}")


def take_over(folder: Path, *, plant: str = "") -> TakeOver:
    """Have a process start on what is left there; return what it measured. Raises RecoveryError.

    ``plant`` names a defect of `bench.judging.defects`.
    """
    taking_over = _start("take-over", folder, plant)
    if taking_over.returncode != 0:
        raise RecoveryError(f"the process that starts again ended with status {taking_over.returncode}")
    return msgspec.json.decode(taking_over.stdout, type=TakeOver)


def _start(part: str, folder: Path, word: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "bench.measurements.recovery", part, str(folder), word]
    return subprocess.run(command, check=False, stdout=subprocess.PIPE)  # noqa: S603 -- our own module


async def _fill(folder: Path, rows: int) -> None:
    from gateway.clock import SystemClock  # noqa: PLC0415 -- what is imported is part of what is measured
    from gateway.journal.sqlite import SqliteEngine  # noqa: PLC0415

    clock, random = SystemClock(), Random(5)
    engine = SqliteEngine(folder, clock)
    await engine.recover()
    for number, start in enumerate(range(0, rows, BATCH_ROWS)):
        await append_batch(engine, f"batch-{number}", min(BATCH_ROWS, rows - start), clock, random)
    os.kill(os.getpid(), signal.SIGKILL)


async def _take_over(folder: Path, plant: str) -> TakeOver:
    import gateway.app  # noqa: F401, PLC0415 -- all that a gateway imports is part of its start
    from gateway.clock import SystemClock  # noqa: PLC0415
    from gateway.journal.sqlite import SqliteEngine  # noqa: PLC0415

    clock, random = SystemClock(), Random(6)
    plants = _find_plants(plant)
    idle, cpu_before = resident_bytes(), time.process_time()
    engine = plants(SqliteEngine(folder, clock))
    owed = await engine.recover()
    await append_batch(engine, "after the crash", 100, clock, random)
    accepting_at, cpu_seconds = time.monotonic(), time.process_time() - cpu_before
    above_idle = resident_bytes() - idle
    refs = await engine.lease(100_000)
    await engine.read(refs[:100])
    await engine.aclose()
    return TakeOver(
        accepting_at=accepting_at,
        cpu_seconds=round(cpu_seconds, 3),
        owed=owed,
        idle_mib=round(idle / 2**20, 1),
        above_idle_mib=round(above_idle / 2**20, 1),
    )


def _find_plants(name: str) -> Callable[[Engine], Engine]:
    if not name:
        return lambda engine: engine
    from bench.judging.defects import plant_in_engine  # noqa: PLC0415 -- a sound run imports no defects

    return partial(plant_in_engine, name)


def main() -> None:
    """Do one part, for the process that measures."""
    part, folder, word = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
    if part == "fill":
        trio.run(_fill, folder, int(word))
    else:
        sys.stdout.buffer.write(msgspec.json.encode(trio.run(_take_over, folder, word)))


if __name__ == "__main__":
    main()
