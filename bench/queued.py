"""What a queued notification costs in memory: a million of one shared payload must stay under 100 MB.

Batches of 10,000 go through the real chunk encoding and the engine's own ``append`` in a fresh process, whose resident
memory is read before the first and after the last: once while all wait in the engine, once more when lanes hold a ref
of every chunk, as they may while a provider stalls.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from random import Random
from typing import Literal

import msgspec
import trio

from bench.queue_load import append_batch, resident_bytes
from gateway.clock import SystemClock
from gateway.journal import Engine, MemoryEngine
from gateway.journal.sqlite import SqliteEngine

BATCH_ROWS = 10_000
LIMIT_MB = 100.0

EngineName = Literal["sqlite", "memory"]


def run(rows: int = 1_000_000, engine: EngineName = "sqlite") -> dict[str, object]:
    """Measure in a fresh process and return one JSON object; ``passed`` tells whether it stayed under the limit.

    Raises subprocess.CalledProcessError when that process fails.
    """
    command = [sys.executable, "-m", "bench.queued", str(rows), engine]
    finished = subprocess.run(command, check=True, stdout=subprocess.PIPE)  # noqa: S603 -- our own module
    measured: dict[str, object] = msgspec.json.decode(finished.stdout)
    return measured


def queued_memory(rows: int = 1_000_000, engine: EngineName = "sqlite") -> dict[str, object]:
    """Queue ``rows`` in this process, which should be fresh, and return what it cost."""
    clock = SystemClock()
    if engine == "memory":
        return trio.run(_measure, rows, MemoryEngine(clock), engine)
    with tempfile.TemporaryDirectory(prefix="pushmill-queued-") as folder:
        return trio.run(_measure, rows, SqliteEngine(Path(folder), clock), engine)


async def _measure(rows: int, engine: Engine, name: EngineName) -> dict[str, object]:
    clock = SystemClock()
    random = Random(20_261_122)
    await engine.recover()
    await append_batch(engine, "warm-up", 1, clock, random)  # what is made once, on first use, is not the rows' cost
    idle = resident_bytes()
    for number, start in enumerate(range(0, rows, BATCH_ROWS)):
        await append_batch(engine, f"batch-{number}", min(BATCH_ROWS, rows - start), clock, random)
    above_idle = resident_bytes() - idle
    refs = await engine.lease(rows + 1)
    leased_above_idle = resident_bytes() - idle
    statistics = engine.statistics()
    await engine.aclose()
    return {
        "engine": name,
        "rows": statistics.owed_rows - 1,
        "batch_rows": BATCH_ROWS,
        "idle_mb": round(idle / 1e6, 1),
        "above_idle_mb": round(above_idle / 1e6, 1),
        "leased_above_idle_mb": round(leased_above_idle / 1e6, 1),
        "refs": len(refs),
        "bytes_per_row": round(above_idle / rows, 1),
        "stored_bytes_per_row": round(statistics.owed_bytes / statistics.owed_rows, 1),
        "limit_mb": LIMIT_MB,
        "passed": leased_above_idle / 1e6 <= LIMIT_MB,
    }


if __name__ == "__main__":
    chosen: EngineName = "memory" if sys.argv[2] == "memory" else "sqlite"
    sys.stdout.write(json.dumps(queued_memory(int(sys.argv[1]), chosen)) + "\n")
