"""A process that does one transaction of every kind, one after the other: the subject of flushes that fail.

    python -m bench.faults.transactions --folder DIR --marks FILE

It makes a journal, accepts, marks as started, settles, puts off, cancels, expires, names and moves readers, has the log
moved and space given back, closes, and opens again. Once the journal can't be written it asks for one more batch, which
must be refused, and ends with exit code 3.
"""

import argparse
import sqlite3
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import closing
from pathlib import Path

import trio

from bench.faults.engine_rows import PRINCIPAL, make_answer, make_chunks, make_fingerprint, make_record, make_settlement
from bench.faults.marks import MarkWriter
from gateway.clock import SystemClock
from gateway.errors import GatewayError
from gateway.journal import ChunkRef, Postponement, Reservation, Settlement
from gateway.journal.sqlite import SqliteEngine
from gateway.journal.sqlite.disk import journal_file, writer
from gateway.journal.sqlite.disk.files import DATABASE
from protocol.chunks import decode_chunk

ROWS = 250
BATCHES = 4
# The log is moved and space given back at once, where in earnest it takes megabytes and seconds.
CHECKPOINT_BYTES = 512 * 1024
IDLE_SECONDS = 0.01
FAILED_CODE = 3


class Life:
    """One life of an engine that does everything."""

    def __init__(self, folder: Path, engine: SqliteEngine, marks: MarkWriter, name: str) -> None:
        self._folder = folder
        self._engine = engine
        self._marks = marks
        self._name = name
        self._clock = SystemClock()

    async def run_briefly(self) -> None:
        """Find what an earlier life left, and accept one more batch."""
        await self.accept(self._name)

    async def run(self) -> None:
        """Do it all, in turn."""
        for number in range(BATCHES):
            await self.accept(f"{self._name}.{number}")
        await self._deliver()
        await self._end_without_attempt()
        await self._read()
        await self._wait_until_shrunk()

    async def accept(self, batch_id: str) -> None:
        """Accept a batch, and mark it when it was."""
        engine, now_ms = self._engine, self._now_ms()
        reservation = await engine.reserve(PRINCIPAL, batch_id, make_fingerprint(batch_id))
        assert isinstance(reservation, Reservation)  # noqa: S101 - every name is used once
        record, chunks = make_record(batch_id, ROWS, now_ms), make_chunks(batch_id, ROWS, now_ms)
        await engine.append(reservation, record, chunks, make_answer(batch_id))
        self._marks.write("accepted", batch_id, [0, ROWS])

    async def _deliver(self) -> None:
        """Start, settle and put off: of every chunk of the first batches a part each."""
        refs = [ref for ref in await self._engine.lease(ROWS * BATCHES) if not self._is_kept(ref)]
        await self._engine.mark_started(refs[0].lease.id, refs[0].batch, refs[0].chunk, [0, 5])
        settlements = [await self._make_settlement(ref, range(ref.start, ref.stop - 10)) for ref in refs]
        await self._engine.settle(refs[0].lease.id, settlements)
        for ref, settlement in zip(refs, settlements, strict=True):
            self._marks.write("settled", ref.record.batch_id, settlement.indexes)
        due_at_ms = self._now_ms() + 1
        await self._engine.schedule(
            refs[0].lease.id,
            [
                Postponement(
                    batch=ref.batch, chunk=ref.chunk, rows=[ref.stop - 10, ref.stop], due_at_ms=due_at_ms, attempts=1
                )
                for ref in refs
            ],
        )

    def _is_kept(self, ref: ChunkRef) -> bool:
        """Whether a chunk is of the batch that stays owed, to be found by the next life."""
        return ref.record.batch_id.endswith(".0")

    async def _make_settlement(self, ref: ChunkRef, rows: range) -> Settlement:
        (stored,) = await self._engine.read([ref])
        assert stored is not None  # noqa: S101 - nobody damages this journal
        return make_settlement(ref, decode_chunk(stored).indexes, list(rows), self._now_ms())

    async def _end_without_attempt(self) -> None:
        await self._engine.cancel(PRINCIPAL, f"{self._name}.1", None, self._now_ms())
        # A time at which all that is not leased has expired.
        await self._engine.expire(self._now_ms() + 2 * 86_400_000)

    async def _read(self) -> None:
        await self._engine.open_subscription(PRINCIPAL, self._name)
        page = await self._engine.feed(PRINCIPAL, 0, 1_000_000)
        for entry in page.entries:
            self._marks.write("acknowledging", entry.batch.batch_id, entry.settlement.indexes)
        await self._engine.acknowledge_subscription(PRINCIPAL, self._name, page.cursor)
        await self._engine.close_subscription(PRINCIPAL, self._name)

    async def _wait_until_shrunk(self) -> None:
        while self._count_free_pages():  # noqa: ASYNC110 - the journal's thread tells nobody
            await trio.sleep(IDLE_SECONDS)

    def _count_free_pages(self) -> int:
        with closing(sqlite3.connect(f"file:{self._folder / DATABASE}?mode=ro", uri=True)) as connection:
            (count,) = connection.execute("PRAGMA freelist_count").fetchone()
        return int(count)

    def _now_ms(self) -> int:
        return int(self._clock.wall() * 1000)


LIVES = {"first": Life.run, "second": Life.run_briefly}
AGAIN = {"again": Life.run_briefly}


async def work(folder: Path, marks_file: Path, lives: Mapping[str, Callable[[Life], Awaitable[None]]]) -> None:
    """Run every life. Raises GatewayError, alone or in groups."""
    marks = MarkWriter(marks_file)
    for name, act in lives.items():
        engine = SqliteEngine(folder, SystemClock())
        await engine.recover()
        life = Life(folder, engine, marks, name)
        failure: BaseExceptionGroup[GatewayError] | None = None
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(engine.watch)
                await act(life)
                nursery.cancel_scope.cancel()
        except* GatewayError as failed:
            failure = failed
            with trio.CancelScope(shield=True):
                await life.accept(f"{name}.too-late")
        finally:
            with trio.CancelScope(shield=True):
                await engine.aclose()
        if failure is not None:
            raise failure
    marks.close()


def main() -> None:
    """Run as a process."""
    parser = argparse.ArgumentParser(prog="python -m bench.faults.transactions", description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="the journal's folder")
    parser.add_argument("--marks", type=Path, required=True, help="where to write what the engine said")
    parser.add_argument("--again", action="store_true", help="only open what was left, and accept one more batch")
    arguments = parser.parse_args()
    vars(journal_file).update(CHECKPOINT_BYTES=CHECKPOINT_BYTES, FREE_BYTES_KEPT=0)
    vars(writer).update(IDLE_SECONDS=IDLE_SECONDS)
    has_failed = False
    try:
        trio.run(work, arguments.folder, arguments.marks, AGAIN if arguments.again else LIVES)
    except* GatewayError:
        has_failed = True
    if has_failed:
        sys.exit(FAILED_CODE)


if __name__ == "__main__":
    main()
