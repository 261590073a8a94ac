"""A process that works an engine as a gateway would, and writes down what it was told: the subject of power losses.

    python -m bench.faults.workload --folder DIR --marks FILE --seed 1 --batches 200

Batches are accepted by several tasks at once; their rows are leased, settled, given back for later and marked as
started; results are read and acknowledged; and in the middle the journal is closed and opened again.
"""

import argparse
import random
from pathlib import Path

import trio

from bench.faults.engine_rows import (
    PRINCIPAL,
    make_answer,
    make_chunks,
    make_fingerprint,
    make_record,
    make_settlement,
)
from bench.faults.marks import MarkWriter
from gateway.clock import SystemClock
from gateway.journal import ChunkRef, Engine, FeedEntry, Postponement, Reservation
from gateway.journal.sqlite import SqliteEngine
from gateway.journal.sqlite.disk import journal_file
from protocol.chunks import Chunk, decode_chunk, pack_ranges

LIVES = 2
SENDERS = 3
BATCH_ROWS = (1, 7, 100, 230)
LATER_MS = 30
# The log is moved into the file far more often than in earnest, so that many images are taken while it is.
CHECKPOINT_BYTES = 2 * 1024 * 1024


class Workload:
    """One life of an engine."""

    def __init__(self, engine: Engine, marks: MarkWriter, dice: random.Random, name: str) -> None:
        self._engine = engine
        self._marks = marks
        self._dice = dice
        self._name = name
        self._clock = SystemClock()

    async def run(self, batches: int) -> None:
        """Accept so many batches while the rest goes on beside, then stop in the middle of whatever it is."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._deliver)
            nursery.start_soon(self._read_results)
            async with trio.open_nursery() as senders:
                for sender in range(SENDERS):
                    senders.start_soon(self._send, sender, range(sender, batches, SENDERS))
            nursery.cancel_scope.cancel()

    async def _send(self, sender: int, numbers: range) -> None:
        for number in numbers:
            batch_id = f"{self._name}.{sender}.{number}"
            rows = self._dice.choice(BATCH_ROWS)
            reservation = await self._engine.reserve(PRINCIPAL, batch_id, make_fingerprint(batch_id))
            assert isinstance(reservation, Reservation)  # noqa: S101 - every name is used once
            now_ms = self._now_ms()
            record, chunks = make_record(batch_id, rows, now_ms), make_chunks(batch_id, rows, now_ms)
            await self._engine.append(reservation, record, chunks, make_answer(batch_id))
            self._marks.write("accepted", batch_id, [0, rows])

    async def _deliver(self) -> None:
        while True:
            refs = await self._engine.lease(400)
            for ref, stored in zip(refs, await self._engine.read(refs), strict=True):
                assert stored is not None  # noqa: S101 - nobody damages this journal
                await self._end(ref, decode_chunk(stored))

    async def _end(self, ref: ChunkRef, chunk: Chunk) -> None:
        """Bring leased rows to an end, or half of them only, or none yet."""
        rows = list(range(ref.start, ref.stop))
        fate = self._dice.random()
        if fate < 0.15:
            await self._engine.mark_started(ref.lease.id, ref.batch, ref.chunk, [ref.start, ref.stop])
        later = rows[len(rows) // 2 :] if fate > 0.7 else []
        settlement = make_settlement(ref, chunk.indexes, rows[: len(rows) - len(later)], self._now_ms())
        await self._engine.settle(ref.lease.id, [settlement])
        self._marks.write("settled", ref.record.batch_id, settlement.indexes)
        if later:
            due_at_ms = self._now_ms() + LATER_MS
            given_back = Postponement(
                batch=ref.batch, chunk=ref.chunk, rows=pack_ranges(later), due_at_ms=due_at_ms, attempts=1
            )
            await self._engine.schedule(ref.lease.id, [given_back])

    async def _read_results(self) -> None:
        cursor = 0
        unacknowledged: list[FeedEntry] = []
        while True:
            await self._engine.wait_feed(PRINCIPAL, cursor)
            page = await self._engine.feed(PRINCIPAL, cursor, 2000)
            cursor = page.cursor
            unacknowledged += page.entries
            if self._dice.random() < 0.5:
                continue
            for entry in unacknowledged:
                self._marks.write("acknowledging", entry.batch.batch_id, entry.settlement.indexes)
            unacknowledged.clear()
            await self._engine.acknowledge(PRINCIPAL, cursor)

    def _now_ms(self) -> int:
        return int(self._clock.wall() * 1000)


async def work(folder: Path, marks_file: Path, seed: int, batches: int) -> None:
    """Run every life."""
    vars(journal_file)["CHECKPOINT_BYTES"] = CHECKPOINT_BYTES
    marks = MarkWriter(marks_file)
    for life in range(LIVES):
        engine = SqliteEngine(folder, SystemClock())
        await engine.recover()
        await Workload(engine, marks, random.Random(f"{seed}.{life}"), f"{seed}.{life}").run(batches // LIVES)
        await engine.aclose()
    marks.close()


def main() -> None:
    """Run as a process."""
    parser = argparse.ArgumentParser(prog="python -m bench.faults.workload", description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="the journal's folder")
    parser.add_argument("--marks", type=Path, required=True, help="where to write what the engine said")
    parser.add_argument("--seed", type=int, default=1, help="what the batches are made from")
    parser.add_argument("--batches", type=int, default=200, help="how many batches are accepted")
    arguments = parser.parse_args()
    trio.run(work, arguments.folder, arguments.marks, arguments.seed, arguments.batches)


if __name__ == "__main__":
    main()
