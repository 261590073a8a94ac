"""Readers of a journal: they hold up no writer, and the log does not grow because of them."""

import trio

from gateway.journal.sqlite import SqliteEngine
from gateway.journal.sqlite.disk.journal_file import CHECKPOINT_BYTES
from tests.support.journal import (
    append_batch,
    make_chunk,
    make_settlement,
    settle_held,
)

BODY = b"x" * 60_000


async def read_for_ever(engine: SqliteEngine) -> None:
    cursor = 0
    while True:
        page = await engine.feed("default", cursor, 1)
        cursor = page.cursor if page.entries else 0


async def test_the_log_is_moved_into_the_file_while_somebody_reads_without_end(tmp_path, clock):
    engine = SqliteEngine(tmp_path / "journal", clock)
    await engine.recover()
    log = tmp_path / "journal" / "journal.db-wal"
    largest = written = 0
    async with trio.open_nursery() as nursery:
        nursery.start_soon(read_for_ever, engine)
        number = 0
        while written < 8 * CHECKPOINT_BYTES:
            chunks = [make_chunk(first, first + 1, bodies=[BODY]) for first in range(20)]
            batch = await append_batch(engine, f"b{number}", chunks)
            await settle_held(
                engine, [make_settlement(batch, chunk, [0, 1], first=chunk) for chunk in range(0, 20, 10)]
            )
            number += 1
            written += 20 * len(BODY)
            largest = max(largest, log.stat().st_size)
        nursery.cancel_scope.cancel()
    assert CHECKPOINT_BYTES <= largest < 4 * CHECKPOINT_BYTES
    await engine.aclose()
