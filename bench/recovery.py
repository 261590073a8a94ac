"""How soon a gateway accepts again after a crash with a million queued (P5), and what that costs in memory.

One process queues them and is killed with nothing closed. A second one starts on what it left: imports, opens, takes
over, and appends a batch. Its time runs from its start to that batch's commit; its memory is read before the journal is
opened and after the batch. Then a whole gateway starts on the same journal and sends it: see `dispatch`.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from random import Random

import msgspec
import trio

from bench.dispatch import judge, watch_dispatch
from bench.queue_load import append_batch, resident_bytes

BATCH_ROWS = 10_000
LIMIT_SECONDS = 2.0
LIMIT_MIB = 300.0
LIMIT_DISPATCH_SECONDS = 10.0


class RecoveryError(Exception):
    """One of the two processes did not do its part."""


def run(rows: int = 1_000_000) -> dict[str, object]:
    """Measure and return one JSON object; ``passed`` tells whether both limits held. Raises RecoveryError."""
    with tempfile.TemporaryDirectory(prefix="pushmill-recovery-") as folder:
        filling = _start("fill", folder, rows)
        if filling.returncode != -signal.SIGKILL:
            raise RecoveryError(f"the process that queues ended with status {filling.returncode}")
        log_bytes = (Path(folder) / "journal.db-wal").stat().st_size
        started = time.monotonic()
        taking_over = _start("take-over", folder, rows)
        if taking_over.returncode != 0:
            raise RecoveryError(f"the process that starts again ended with status {taking_over.returncode}")
        measured = msgspec.json.decode(taking_over.stdout, type=dict[str, float])
        looks = trio.run(watch_dispatch, Path(folder), rows)
    try:
        steady, dispatching_after = judge(looks)
    except ValueError as error:
        raise RecoveryError(str(error)) from None
    seconds = measured.pop("accepting_at") - started
    above_idle_mib = measured["above_idle_mib"]
    return {
        "rows": rows,
        "log_mb": round(log_bytes / 1e6, 1),
        "accepting_after_seconds": round(seconds, 3),
        "limit_seconds": LIMIT_SECONDS,
        **measured,
        "limit_mib": LIMIT_MIB,
        "steady_per_second": round(steady),
        "dispatching_after_seconds": round(dispatching_after, 2),
        "limit_dispatch_seconds": LIMIT_DISPATCH_SECONDS,
        "passed": dispatching_after <= LIMIT_DISPATCH_SECONDS
        and seconds <= LIMIT_SECONDS
        and above_idle_mib <= LIMIT_MIB
        and measured["owed"] == rows,
    }


def _start(part: str, folder: str, rows: int) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "bench.recovery", part, folder, str(rows)]
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


async def _take_over(folder: Path) -> dict[str, float]:
    import gateway.app  # noqa: F401, PLC0415 -- all that a gateway imports is part of its start
    from gateway.clock import SystemClock  # noqa: PLC0415
    from gateway.journal.sqlite import SqliteEngine  # noqa: PLC0415

    clock, random = SystemClock(), Random(6)
    idle = resident_bytes()
    engine = SqliteEngine(folder, clock)
    owed = await engine.recover()
    await append_batch(engine, "after the crash", 100, clock, random)
    accepting_at = time.monotonic()
    above_idle = resident_bytes() - idle
    refs = await engine.lease(100_000)
    await engine.read(refs[:100])
    await engine.aclose()
    return {
        "accepting_at": accepting_at,
        "owed": owed,
        "idle_mib": round(idle / 2**20, 1),
        "above_idle_mib": round(above_idle / 2**20, 1),
    }


def main() -> None:
    """Do one part, for the process that measures."""
    part, folder, rows = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    if part == "fill":
        trio.run(_fill, folder, rows)
    else:
        sys.stdout.write(json.dumps(trio.run(_take_over, folder)) + "\n")


if __name__ == "__main__":
    main()
