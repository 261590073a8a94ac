"""What a queued notification costs in memory: a million of one shared payload must stay under 100 MB.

Batches of 10,000 go through the real chunk encoding and the engine's own ``append`` in a fresh process, whose resident
memory is read before the first and after the last: once while all wait in the engine, once when lanes hold a ref of
every chunk, as they may while a provider stalls, and once when all of them wait for their next attempt, each at a
second of its own, as after an outage.
"""

import json
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from random import Random
from typing import Literal

import msgspec
import trio

from bench.measurements.queue_load import append_batch, resident_bytes
from gateway.clock import SystemClock
from gateway.journal import ChunkRef, Engine, MemoryEngine, Postponement
from gateway.journal.sqlite import SqliteEngine
from protocol.chunks import pack_ranges

BATCH_ROWS = 10_000
LIMIT_MB = 100.0
RETRY_LIMIT_BYTES = 40.0
# APNs' longest delay: the moments of the retries are spread over so many seconds.
RETRY_SPREAD_SECONDS = 900
MOST_MEASURING_SECONDS = 3600  # none of them may come due meanwhile

EngineName = Literal["sqlite", "memory"]


def run(rows: int = 1_000_000, engine: EngineName = "sqlite") -> dict[str, object]:
    """Measure in a fresh process and return one JSON object; ``passed`` tells whether it stayed under the limit.

    Raises subprocess.CalledProcessError when that process fails.
    """
    command = [sys.executable, "-m", "bench.measurements.queued", str(rows), engine]
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
    refs = await _lease_all(engine)
    leased_above_idle = resident_bytes() - idle
    statistics = engine.statistics()
    chunks = len(refs)
    await _postpone_all(engine, refs, int(clock.wall() * 1000), random)
    del refs
    retries_above_idle = resident_bytes() - idle
    bytes_per_retry = (retries_above_idle - above_idle) / rows
    await engine.aclose()
    return {
        "engine": name,
        "rows": statistics.owed_rows - 1,
        "batch_rows": BATCH_ROWS,
        "idle_mb": round(idle / 1e6, 1),
        "above_idle_mb": round(above_idle / 1e6, 1),
        "leased_above_idle_mb": round(leased_above_idle / 1e6, 1),
        "refs": chunks,
        "retries_above_idle_mb": round(retries_above_idle / 1e6, 1),
        "bytes_per_retry": round(bytes_per_retry, 1),
        "bytes_per_row": round(above_idle / rows, 1),
        "stored_bytes_per_row": round(statistics.owed_bytes / statistics.owed_rows, 1),
        "limit_mb": LIMIT_MB,
        "retry_limit_bytes": RETRY_LIMIT_BYTES,
        # The first limit is that of a million.
        "passed": leased_above_idle / 1e6 <= LIMIT_MB and bytes_per_retry <= RETRY_LIMIT_BYTES,
    }


async def _lease_all(engine: Engine) -> list[ChunkRef]:
    refs: list[ChunkRef] = []
    statistics = engine.statistics()
    while statistics.leased_rows < statistics.owed_rows:
        refs += await engine.lease(BATCH_ROWS)
        statistics = engine.statistics()
    return refs


async def _postpone_all(engine: Engine, refs: list[ChunkRef], now_ms: int, random: Random) -> None:
    for ref in refs:
        rows_of_delay: defaultdict[int, list[int]] = defaultdict(list)
        for row in range(ref.start, ref.stop):
            rows_of_delay[random.randint(1, RETRY_SPREAD_SECONDS)].append(row)
        await engine.schedule(
            ref.lease.id,
            [
                Postponement(
                    batch=ref.batch,
                    chunk=ref.chunk,
                    rows=pack_ranges(rows),
                    due_at_ms=(now_ms // 1000 + MOST_MEASURING_SECONDS + seconds) * 1000,
                    attempts=1,
                )
                for seconds, rows in rows_of_delay.items()
            ],
        )


if __name__ == "__main__":
    chosen: EngineName = "memory" if sys.argv[2] == "memory" else "sqlite"
    sys.stdout.write(json.dumps(queued_memory(int(sys.argv[1]), chosen)) + "\n")
