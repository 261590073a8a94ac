"""Notifications as an engine gets them from the socket door, for benches that need very many of one shared payload."""

from collections.abc import Iterator
from pathlib import Path
from random import Random

from gateway.clock import Clock
from gateway.journal import BatchRecord, Engine, NewChunk, Reservation
from protocol.answers import Answer, RejectedRows, encode_answer
from protocol.chunks import CHUNK_ROWS, Chunk, Variant, encode_chunk

PAYLOAD = b'{"aps":{"alert":{"title":"Sale","body":"20 % off today"}}}'
LANE = "shop/apns/production"
DAY_MS = 86_400_000


async def append_batch(engine: Engine, batch_id: str, rows: int, clock: Clock, random: Random) -> int:
    """Make a batch and append it; return its number."""
    now_ms = int(clock.wall() * 1000)
    return await append_chunks(engine, batch_id, list(make_chunks(rows, now_ms + DAY_MS, random)), now_ms, random)


async def append_chunks(engine: Engine, batch_id: str, chunks: list[NewChunk], now_ms: int, random: Random) -> int:
    """Append a batch of chunks that are ready; return its number."""
    reservation = await engine.reserve("default", batch_id, random.randbytes(32))
    if not isinstance(reservation, Reservation):
        raise TypeError(f"{batch_id} is taken already")
    rows = sum(chunk.rows for chunk in chunks)
    record = BatchRecord(
        principal="default",
        batch_id=batch_id,
        app="shop",
        labels=(),
        accepted_at_ms=now_ms,
        provider_id_prefix=random.randbytes(12),
        rows=rows,
    )
    answer = encode_answer(Answer(batch_id=batch_id, accepted=rows, rejected=RejectedRows()))
    return await engine.append(reservation, record, chunks, answer)


def make_chunks(rows: int, expires_at_ms: int, random: Random) -> Iterator[NewChunk]:
    """Yield chunks as the socket door makes them: 32-byte tokens, ids such as ``n123456``, one payload for all."""
    headers = ((b"apns-topic", b"com.example.shop"), (b"apns-push-type", b"alert"), (b"apns-priority", b"10"))
    variant = Variant(expires_at_ms=expires_at_ms, headers=headers)
    for start in range(0, rows, CHUNK_ROWS):
        stop = min(start + CHUNK_ROWS, rows)
        chunk = Chunk(
            lane=LANE,
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


def resident_bytes() -> int:
    """Return what this process holds in memory now (proc(5), ``VmRSS``)."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("/proc/self/status names no VmRSS: this bench needs Linux")
