"""What a queued notification costs in memory: a million of one shared payload must stay under 100 MB.

Batches of 10,000 go through the real chunk encoding and the engine's own ``append`` in a fresh process, whose resident
memory is read before the first and after the last: once while all wait in the engine, once more when lanes hold a ref
of every chunk, as they may while a provider stalls.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

import msgspec
import trio

from gateway.clock import SystemClock
from gateway.journal import BatchRecord, MemoryEngine, NewChunk, Reservation
from protocol.chunks import CHUNK_ROWS, Chunk, Variant, encode_chunk

BATCH_ROWS = 10_000
LIMIT_MB = 100.0
PAYLOAD = b'{"aps":{"alert":{"title":"Sale","body":"20 % off today"}}}'
DAY_MS = 86_400_000


def run(rows: int = 1_000_000) -> dict[str, object]:
    """Measure in a fresh process and return one JSON object; ``passed`` tells whether it stayed under the limit.

    Raises subprocess.CalledProcessError when that process fails.
    """
    command = [sys.executable, "-m", "bench.queued", str(rows)]
    finished = subprocess.run(command, check=True, stdout=subprocess.PIPE)  # noqa: S603 -- our own module
    measured: dict[str, object] = msgspec.json.decode(finished.stdout)
    return measured


def queued_memory(rows: int = 1_000_000) -> dict[str, object]:
    """Queue ``rows`` in this process, which should be fresh, and return what it cost."""
    return trio.run(_measure, rows)


async def _measure(rows: int) -> dict[str, object]:
    clock = SystemClock()
    engine = MemoryEngine(clock)
    random = Random(20_261_122)
    await _append(engine, "warm-up", 1, clock, random)  # what is made once, on first use, is not the rows' cost
    idle = _resident_bytes()
    for number, start in enumerate(range(0, rows, BATCH_ROWS)):
        await _append(engine, f"batch-{number}", min(BATCH_ROWS, rows - start), clock, random)
    above_idle = _resident_bytes() - idle
    refs = await engine.lease(rows + 1)
    leased_above_idle = _resident_bytes() - idle
    statistics = engine.statistics()
    return {
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


async def _append(engine: MemoryEngine, batch_id: str, rows: int, clock: SystemClock, random: Random) -> None:
    reservation = await engine.reserve("default", batch_id, random.randbytes(32))
    if not isinstance(reservation, Reservation):
        raise TypeError(f"{batch_id} is taken already")
    now_ms = int(clock.wall() * 1000)
    record = BatchRecord(
        principal="default",
        batch_id=batch_id,
        app="shop",
        labels=(),
        accepted_at_ms=now_ms,
        provider_id_prefix=random.randbytes(12),
        rows=rows,
    )
    answer = msgspec.msgpack.encode({"batch_id": batch_id, "accepted": rows, "rejected": []})
    await engine.append(reservation, record, list(_make_chunks(rows, now_ms + DAY_MS, random)), answer)


def _make_chunks(rows: int, expires_at_ms: int, random: Random) -> Iterator[NewChunk]:
    """Yield chunks as the socket door makes them: 32-byte tokens, ids such as ``n123456``, one payload for all."""
    headers = ((b"apns-topic", b"com.example.shop"), (b"apns-push-type", b"alert"), (b"apns-priority", b"10"))
    variant = Variant(expires_at_ms=expires_at_ms, headers=headers)
    for start in range(0, rows, CHUNK_ROWS):
        stop = min(start + CHUNK_ROWS, rows)
        chunk = Chunk(
            lane="shop/apns/production",
            queue=1,
            indexes=[start, stop],
            destinations=[random.randbytes(32) for _ in range(start, stop)],
            bodies=[PAYLOAD],
            variants=[variant],
            ids=[f"n{100_000 + row}" for row in range(start, stop)],
        )
        yield NewChunk(
            lane=chunk.lane,
            queue=chunk.queue,
            rows=len(chunk),
            stored=encode_chunk(chunk),
            expires_at_ms=expires_at_ms,
        )


def _resident_bytes() -> int:
    """Return what this process holds in memory now (proc(5), ``VmRSS``)."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("/proc/self/status names no VmRSS: this bench needs Linux")


if __name__ == "__main__":
    sys.stdout.write(json.dumps(queued_memory(int(sys.argv[1]))) + "\n")
