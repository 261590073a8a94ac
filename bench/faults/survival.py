"""Is everything that an engine promised in what a journal holds now? Opens the journal as the next gateway would."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import msgspec
import trio

from bench.faults.engine_rows import DAY_MS, PRINCIPAL, is_intact, make_answer, make_fingerprint
from bench.faults.marks import Promised
from gateway.clock import SystemClock
from gateway.journal import Answered, Engine
from gateway.journal.books import rowsets
from gateway.journal.sqlite import SqliteEngine
from protocol.chunks import decode_chunk, expand_ranges

LEASE_ROWS = 1_000_000
PAGE_ROWS = 1_000_000
OPENING_SECONDS = 60.0


class LaterClock(SystemClock):
    """Half a day ahead: what was scheduled is due, and nothing has expired."""

    def wall(self) -> float:
        """Return UNIX time in seconds."""
        return super().wall() + DAY_MS / 2000


class Holdings:
    """What a journal holds, as sets of positions by batch."""

    def __init__(self) -> None:
        self.owed: defaultdict[str, int] = defaultdict(int)
        self.ended: defaultdict[str, int] = defaultdict(int)
        self.surplus_results: Counter[str] = Counter()
        self.damaged: list[str] = []
        """Batches with a chunk that the engine found damaged, and so will not send."""
        self.spoiled: list[str] = []
        """Batches with a chunk that isn't what was accepted, and that the engine would send."""


async def find_losses(folder: Path, promised: Promised) -> list[str]:
    """Open the journal in ``folder``; return what it breaks of what was promised."""
    engine = SqliteEngine(folder, LaterClock())
    with trio.fail_after(OPENING_SECONDS):
        try:
            await engine.recover()
        except Exception as error:  # noqa: BLE001 - whatever it is: a gateway would not start
            return [f"does not open: {type(error).__name__}: {error}"]
        try:
            return [*_compare(await take_stock(engine), promised), *await _find_forgotten(engine, promised)]
        except Exception as error:  # noqa: BLE001 - as above, later
            return [f"can't be read: {type(error).__name__}: {error}"]
        finally:
            await engine.aclose()


async def take_stock(engine: Engine) -> Holdings:
    """Lease everything that is owed and read every result."""
    holdings = Holdings()
    left = engine.statistics().owed_rows
    while left:
        refs = await engine.lease(LEASE_ROWS)
        for ref, stored in zip(refs, await engine.read(refs), strict=True):
            left -= ref.stop - ref.start
            batch_id = ref.record.batch_id
            if stored is None:
                holdings.damaged.append(batch_id)
                continue
            try:
                chunk = decode_chunk(stored)
            except msgspec.DecodeError:
                holdings.spoiled.append(batch_id)
                continue
            positions = list(expand_ranges(chunk.indexes))[ref.start : ref.stop]
            holdings.owed[batch_id] |= rowsets.from_ranges([positions[0], positions[-1] + 1])
            if not is_intact(batch_id, chunk):
                holdings.spoiled.append(batch_id)
    cursor = 0
    while (page := await engine.feed(PRINCIPAL, cursor, PAGE_ROWS)).entries:
        cursor = page.cursor
        for entry in page.entries:
            rows = rowsets.from_ranges(entry.settlement.indexes)
            holdings.surplus_results[entry.batch.batch_id] += (rows & holdings.ended[entry.batch.batch_id]).bit_count()
            holdings.ended[entry.batch.batch_id] |= rows
    return holdings


def _compare(holdings: Holdings, promised: Promised) -> Iterator[str]:
    for batch_id, accepted in promised.accepted.items():
        owed, ended = holdings.owed[batch_id], holdings.ended[batch_id]
        if lost := accepted & ~(owed | ended | promised.acknowledged[batch_id]):
            yield f"{batch_id}: {lost.bit_count()} accepted rows are lost"
        if again := owed & (promised.settled[batch_id] | ended):
            yield f"{batch_id}: {again.bit_count()} settled rows would be sent again"
    for batch_id, surplus in holdings.surplus_results.items():
        if surplus:
            yield f"{batch_id}: {surplus} rows have a second result"
    for batch_id in (*holdings.damaged, *holdings.spoiled):
        yield f"{batch_id}: its bytes are not those that were accepted"


async def _find_forgotten(engine: Engine, promised: Promised) -> list[str]:
    forgotten = []
    for batch_id in promised.accepted:
        state = await engine.reserve(PRINCIPAL, batch_id, make_fingerprint(batch_id))
        if state != Answered(make_answer(batch_id)):
            forgotten.append(f"{batch_id}: its key does not have its first answer any more")
    return forgotten
