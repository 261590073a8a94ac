"""Damaged journals (P6): a bit that flipped, or a file that ends too early; what a gateway still makes of it.

A journal full of owed batches is damaged at a place drawn by chance and opened. One that is refused is repaired, as its
operator would (`pushmill journal repair`), and opened again. The last batch stands for nothing: damage to the very last
commit of a log can't be told from a machine that stopped in the middle of it.
"""

import random
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from bench.faults.engine_rows import PRINCIPAL, make_answer, make_chunks, make_fingerprint, make_record
from bench.faults.gateway_process import DATABASE, LOG
from bench.faults.survival import Holdings, LaterClock, take_stock
from gateway.clock import SystemClock
from gateway.errors import GatewayError
from gateway.journal import Reservation
from gateway.journal.sqlite import SqliteEngine
from gateway.journal.sqlite.care.repair import Repair, RepairReport
from protocol.chunks import CHUNK_ROWS, expand_ranges

BATCHES = 40
ROWS = 3 * CHUNK_ROWS
LAST = "last"


class Damage(msgspec.Struct, frozen=True, kw_only=True):
    """What a damaged journal came to."""

    place: str
    was_refused: bool
    """Found before anything was read, and repaired."""
    undelivered: int
    """Rows that can't be sent any more."""
    untold: int
    """Those of them that have no result and are in no report either."""
    spoiled: int
    """Batches of which other bytes than were accepted would be sent."""
    missing_commits: int
    """Commits that the repair found to be missing from the log."""
    error: str | None
    """It could not be opened even after the repair."""


async def make_journal(folder: Path) -> None:
    """Leave a journal of owed batches, part of it in its log, as a killed gateway would."""
    working = folder.with_name(f"{folder.name}-working")
    engine = SqliteEngine(working, SystemClock())
    await engine.recover()
    now_ms = int(SystemClock().wall() * 1000)
    for batch_id in [*_names(), LAST]:
        if batch_id == f"damage.{BATCHES // 2}":
            # What came before is in the database, what comes after in the log.
            await engine.aclose()
            engine = SqliteEngine(working, SystemClock())
            await engine.recover()
        reservation = await engine.reserve(PRINCIPAL, batch_id, make_fingerprint(batch_id))
        assert isinstance(reservation, Reservation)  # noqa: S101 - every name is used once
        record, chunks = make_record(batch_id, ROWS, now_ms), make_chunks(batch_id, ROWS, now_ms)
        await engine.append(reservation, record, chunks, make_answer(batch_id))
    shutil.copytree(working, folder, ignore=shutil.ignore_patterns("lock", "reserve", "*-shm"))
    await engine.aclose()
    shutil.rmtree(working)


async def try_flip(journal: Path, folder: Path, seed: int) -> Damage:
    """Copy a journal to ``folder``, flip one bit of it, and see."""
    dice = random.Random(seed)
    shutil.copytree(journal, folder)
    file = folder / dice.choice((DATABASE, LOG))
    content = bytearray(file.read_bytes())
    at, bit = dice.randrange(len(content)), dice.randrange(8)
    content[at] ^= 1 << bit
    file.write_bytes(content)
    return await _examine(folder, f"bit {bit} of byte {at} of {file.name}")


async def try_truncation(journal: Path, folder: Path, seed: int) -> Damage:
    """Copy a journal to ``folder``, cut its database somewhere, and see."""
    shutil.copytree(journal, folder)
    file = folder / DATABASE
    length = random.Random(seed).randrange(file.stat().st_size)
    with file.open("r+b") as opened:
        opened.truncate(length)
    return await _examine(folder, f"{file.name} cut to {length} bytes")


async def try_log_cut(journal: Path, folder: Path, seed: int) -> Damage:
    """Copy a journal to ``folder``, cut its log somewhere, and see."""
    shutil.copytree(journal, folder)
    file = folder / LOG
    length = random.Random(seed).randrange(file.stat().st_size)
    with file.open("r+b") as opened:
        opened.truncate(length)
    return await _examine(folder, f"{file.name} cut to {length} bytes")


def judge_log_cut(damage: Damage) -> Iterator[str]:
    """Yield what a log that ends too early may not come to: what is missing can't be had, but must be told."""
    if damage.error is not None:
        yield f"{damage.place}: {damage.error}"
    if damage.spoiled:
        yield f"{damage.place}: other bytes than were accepted would be sent"
    if damage.undelivered and not damage.missing_commits:
        yield f"{damage.place}: {damage.undelivered} rows are lost and nobody is told"


def judge_flip(damage: Damage) -> Iterator[str]:
    """Yield what one flipped bit may not come to."""
    if damage.error is not None:
        yield f"{damage.place}: {damage.error}"
    if damage.spoiled:
        yield f"{damage.place}: other bytes than were accepted would be sent"
    if damage.undelivered > CHUNK_ROWS:
        yield f"{damage.place}: {damage.undelivered} rows are lost"
    if damage.untold:
        yield f"{damage.place}: {damage.untold} rows are lost and nobody is told"


async def _examine(folder: Path, place: str) -> Damage:
    report: RepairReport | None = None
    try:
        holdings = await _open(folder)
    except GatewayError:
        try:
            report = Repair(folder).run(datetime.fromtimestamp(SystemClock().wall(), UTC))
            holdings = await _open(folder)
        except Exception as error:  # noqa: BLE001 - whatever it is, the operator is left with nothing
            return Damage(
                place=place,
                was_refused=True,
                undelivered=0,
                untold=0,
                spoiled=0,
                missing_commits=0,
                error=f"{type(error).__name__}: {error}",
            )
    told = _count_told(report)
    everything = (1 << ROWS) - 1
    undelivered = {name: everything & ~holdings.owed[name] for name in _names()}
    untold = sum(max(0, (rows & ~holdings.ended[name]).bit_count()) for name, rows in undelivered.items())
    return Damage(
        place=place,
        was_refused=report is not None,
        undelivered=sum(rows.bit_count() for rows in undelivered.values()),
        untold=max(0, untold - told),
        spoiled=len(set(holdings.spoiled) - {LAST}),
        missing_commits=_count_missing(report),
        error=None,
    )


async def _open(folder: Path) -> Holdings:
    engine = SqliteEngine(folder, LaterClock())
    await engine.recover()
    try:
        return await take_stock(engine)
    finally:
        await engine.aclose()


def _names() -> list[str]:
    return [f"damage.{number}" for number in range(BATCHES)]


def _count_missing(report: RepairReport | None) -> int:
    missing = None if report is None else report.missing_commits
    return 0 if missing is None else missing.last - missing.first + 1


def _count_told(report: RepairReport | None) -> int:
    """Return the rows that a repair reported as lost."""
    return 0 if report is None else sum(len(list(expand_ranges(rows.indexes))) for rows in report.damaged)
