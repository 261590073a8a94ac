"""What one idempotency key costs in memory: batches that are finished, read and acknowledged leave nothing but it.

Measured in a fresh process, so that a soak's drift and its keys are two figures and not one.

python -m bench.measurements.key_memory sqlite 20000
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from random import Random

import trio

from bench.faults.engine_rows import make_settlement
from bench.measurements.queue_load import DAY_MS, append_chunks, make_chunks, resident_bytes
from gateway.clock import SystemClock
from gateway.journal import Engine, MemoryEngine
from gateway.journal.sqlite import SqliteEngine

KEYS = 20_000
# What is made once, caches included, is not the keys' cost.
WARM_UP_KEYS = 4_000
STEP_KEYS = 500


def measure_bytes_a_key(engine: str) -> float:
    """Measure in a fresh process. Raises subprocess.CalledProcessError when that process fails."""
    command = [sys.executable, "-m", "bench.measurements.key_memory", engine, str(KEYS)]
    finished = subprocess.run(command, check=True, stdout=subprocess.PIPE, process_group=0)  # noqa: S603 - our module
    return float(finished.stdout)


async def _measure(engine: Engine, keys: int) -> float:
    await engine.recover()
    random = Random(8)
    await _take(engine, "warm-up", WARM_UP_KEYS, random)
    before = resident_bytes()
    await _take(engine, "key", keys, random)
    added = resident_bytes() - before
    await engine.aclose()
    return added / keys


async def _take(engine: Engine, name: str, keys: int, random: Random) -> None:
    """Append so many batches of one row, and finish them."""
    cursor = 0
    for start in range(0, keys, STEP_KEYS):
        now_ms = int(time.time() * 1000)
        async with trio.open_nursery() as nursery:
            for number in range(start, min(start + STEP_KEYS, keys)):
                chunks = list(make_chunks(1, now_ms + DAY_MS, random))
                nursery.start_soon(append_chunks, engine, f"{name}-{number}", chunks, now_ms, random)
        while engine.statistics().owed_rows:
            refs = await engine.lease(STEP_KEYS)
            await engine.settle(refs[0].lease.id, [make_settlement(ref, [0, 1], [0], now_ms) for ref in refs])
        while (page := await engine.feed("default", cursor, STEP_KEYS)).entries:
            cursor = page.cursor
            await engine.acknowledge("default", cursor)


def main() -> None:
    """Measure one engine, for the process that asks."""
    name, keys = sys.argv[1], int(sys.argv[2])
    if name == "memory":
        figure = trio.run(_measure, MemoryEngine(SystemClock()), keys)
    else:
        with tempfile.TemporaryDirectory(prefix="pushmill-keys-") as folder:
            figure = trio.run(_measure, SqliteEngine(Path(folder), SystemClock()), keys)
    sys.stdout.write(f"{figure:.1f}\n")


if __name__ == "__main__":
    main()
