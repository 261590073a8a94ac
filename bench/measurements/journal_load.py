"""What the journal's bench does in a process of its own: notifications in at full speed, or through their whole life.

Chunks are made before the clock starts: what is measured is the engine, its thread and the disk. `baseline` does what
one would write down first: a row for each notification, the payload stored once. It commits as many at a time as the
journal does in one group when many callers send.
"""

import json
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from random import Random

import trio

from bench.measurements.queue_load import DAY_MS, PAYLOAD, append_chunks, make_chunks
from gateway.clock import SystemClock
from gateway.journal import ChunkRef, Engine, NewChunk, Postponement, Settlement
from gateway.journal.sqlite import SqliteEngine
from gateway.journal.sqlite.disk.schema import PAGE_BYTES
from protocol.chunks import decode_chunk, pack_ranges
from protocol.outcomes import Advice, Outcome

CALLERS = {1: 256, 100: 32, 1_000: 8}
"""How many append at a time, by the size of their batches: about what keeps groups of a commit full."""

PREPARED_BATCHES = 64
LIFE_BATCH_ROWS = 1_000
BASELINE_COMMIT_ROWS = 6_000  # at 44 bytes each as much as a group of the journal's
RETRY_AFTER_MS = 5_000  # longer than the first attempts of all take

_TABLE = """
CREATE TABLE notification (
    id INTEGER PRIMARY KEY,
    batch INTEGER NOT NULL,
    position INTEGER NOT NULL,
    lane TEXT NOT NULL,
    queue INTEGER NOT NULL,
    destination BLOB NOT NULL,
    body INTEGER NOT NULL,
    caller_id TEXT,
    expires_at INTEGER NOT NULL,
    state INTEGER NOT NULL
) STRICT
"""


async def append_for(folder: Path, batch_rows: int, seconds: float) -> float:
    """Append batches for a while, many callers at a time; return notifications a second."""
    engine = SqliteEngine(folder, SystemClock(), most_bytes=1 << 40)
    await engine.recover()
    random = Random(7)
    now_ms = int(time.time() * 1000)
    batches = [list(make_chunks(batch_rows, now_ms + DAY_MS, random)) for _ in range(PREPARED_BATCHES)]
    appended = 0

    async def call(caller: int) -> None:
        nonlocal appended
        number = 0
        while time.monotonic() < end:
            chunks = batches[(caller + number) % PREPARED_BATCHES]
            await append_chunks(engine, f"{caller}-{number}", chunks, now_ms, random)
            number += 1
            appended += batch_rows

    started = time.monotonic()
    end = started + seconds
    async with trio.open_nursery() as nursery:
        for caller in range(CALLERS[batch_rows]):
            nursery.start_soon(call, caller)
    rate = appended / (time.monotonic() - started)
    await engine.aclose()
    return rate


def insert_for(folder: Path, batch_rows: int, seconds: float) -> float:
    """Insert a row a notification for a while, some batches a commit; return notifications a second."""
    random = Random(7)
    now_ms = int(time.time() * 1000)
    prepared = list(_make_rows(batch_rows, now_ms, random))
    batches_a_commit = max(1, BASELINE_COMMIT_ROWS // batch_rows)
    folder.mkdir(parents=True, exist_ok=True)
    inserted = 0
    with closing(sqlite3.connect(folder / "baseline.db", isolation_level=None)) as connection:
        connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(_TABLE)
        connection.execute("CREATE TABLE body (id INTEGER PRIMARY KEY, content BLOB NOT NULL) STRICT")
        connection.execute("INSERT INTO body (content) VALUES (?)", (PAYLOAD,))
        statement = (
            "INSERT INTO notification (batch, position, lane, queue, destination, body, caller_id, expires_at, state)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
        )
        started = time.monotonic()
        while time.monotonic() < started + seconds:
            connection.execute("BEGIN IMMEDIATE")
            for _ in range(batches_a_commit):
                connection.executemany(statement, prepared)
            connection.execute("COMMIT")
            inserted += batch_rows * batches_a_commit
        return inserted / (time.monotonic() - started)


def _make_rows(rows: int, now_ms: int, random: Random) -> Iterator[tuple[object, ...]]:
    for new in make_chunks(rows, now_ms + DAY_MS, random):
        chunk = decode_chunk(new.stored)
        ids = chunk.ids or []
        for row, destination in enumerate(chunk.destinations):
            yield (1, row, chunk.lane, chunk.queue, destination, 1, ids[row], new.expires_at_ms, 0)


async def live(folder: Path, rows: int, retried_share: float) -> float:
    """Take notifications in, send them, some of them twice, settle and read them; return bytes written for each."""
    engine = SqliteEngine(folder, SystemClock(), most_bytes=1 << 40)
    await engine.recover()
    random = Random(7)
    before = _written_bytes()
    now_ms = int(time.time() * 1000)
    for number in range(rows // LIFE_BATCH_ROWS):
        chunks: list[NewChunk] = list(make_chunks(LIFE_BATCH_ROWS, now_ms + DAY_MS, random))
        await append_chunks(engine, f"batch-{number}", chunks, now_ms, random)
    await _send(engine, lambda: random.random() < retried_share)
    while engine.statistics().owed_rows:
        await trio.sleep(RETRY_AFTER_MS / 1000)
        refs = await engine.lease(2_000)
        await engine.settle(
            refs[0].lease.id, [_settle(ref, list(range(ref.start, ref.stop)), int(time.time() * 1000)) for ref in refs]
        )
        await _send(engine, lambda: False)
    cursor = 0
    while (page := await engine.feed("default", cursor, 10_000)).entries:
        cursor = page.cursor
        await engine.acknowledge("default", cursor)
    await engine.aclose()
    return (_written_bytes() - before) / rows


async def _send(engine: Engine, is_retried: Callable[[], bool]) -> None:
    """Settle what can be leased until nothing but what is postponed is left; postpone what is to be tried again."""
    while engine.statistics().owed_rows > engine.statistics().scheduled_rows:
        refs = await engine.lease(2_000)
        now_ms = int(time.time() * 1000)
        retried = {ref: [row for row in range(ref.start, ref.stop) if is_retried()] for ref in refs}
        await engine.schedule(refs[0].lease.id, [_postpone(ref, rows, now_ms) for ref, rows in retried.items() if rows])
        done = [(ref, sorted({*range(ref.start, ref.stop)} - {*retried[ref]})) for ref in refs]
        await engine.settle(refs[0].lease.id, [_settle(ref, rows, now_ms) for ref, rows in done if rows])


def _postpone(ref: ChunkRef, rows: list[int], now_ms: int) -> Postponement:
    return Postponement(
        batch=ref.batch, chunk=ref.chunk, rows=pack_ranges(rows), due_at_ms=now_ms + RETRY_AFTER_MS, attempts=1
    )


def _settle(ref: ChunkRef, rows: list[int], now_ms: int) -> Settlement:
    first = ref.chunk * 100
    return Settlement(
        batch=ref.batch,
        chunk=ref.chunk,
        rows=pack_ranges(rows),
        indexes=pack_ranges([first + row for row in rows]),
        provider="apns",
        outcome=Outcome.PROVIDER_ACCEPTED,
        reason=None,
        advice=Advice.NONE,
        provider_status=200,
        provider_reason=None,
        attempts=ref.attempts + 1,
        uncertain_attempts=0,
        finished_at_ms=now_ms,
        ids=[f"n{100_000 + first + row}" for row in rows],
    )


def _written_bytes() -> int:
    """Return what this process has handed to write calls so far (proc(5), ``wchar``)."""
    for line in Path("/proc/self/io").read_text(encoding="ascii").splitlines():
        if line.startswith("wchar:"):
            return int(line.split()[1])
    raise RuntimeError("/proc/self/io names no wchar: this bench needs Linux")


def main() -> None:
    """Do one job, for the process that measures."""
    job, folder, number, argument = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
    match job:
        case "append":
            figure = trio.run(append_for, folder, number, argument)
        case "baseline":
            figure = insert_for(folder, number, argument)
        case _:
            figure = trio.run(live, folder, number, argument)
    sys.stdout.write(json.dumps(figure) + "\n")


if __name__ == "__main__":
    main()
