"""Damaged journals: found out, told with what is still known, and no more lost than the damaged chunk (P6)."""

import os
import sqlite3
import struct
from contextlib import closing
from datetime import UTC, datetime

import pytest

from gateway.journal.encoding import MARK
from gateway.journal.errors import AnswerDamagedError, JournalError
from gateway.journal.sqlite import SqliteEngine
from gateway.journal.sqlite.care.checking import check_journal
from gateway.journal.sqlite.care.repair import Repair
from gateway.journal.sqlite.disk.log_scan import FRAME_HEADER_BYTES, HEADER_BYTES
from gateway.journal.sqlite.disk.schema import PAGE_BYTES
from protocol.outcomes import Advice, Outcome
from protocol.reasons import Reason
from tests.support.journal import (
    append_batch,
    get_answer,
    make_chunk,
    make_settlement,
    mark_held,
    postpone,
    read_results,
    settle_held,
    settle_ref,
)

FRAME_BYTES = FRAME_HEADER_BYTES + PAGE_BYTES


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "journal"


@pytest.fixture
def reopen(folder, clock):
    """Return an opened engine on the same folder as the ones before it."""

    async def open_engine():
        engine = SqliteEngine(folder, clock)
        await engine.recover()
        return engine

    return open_engine


def flip(path, at):
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 0x10]))


def change(folder, statement, *values):
    with closing(sqlite3.connect(folder / "journal.db")) as connection, connection:
        connection.execute(statement, values)


async def leave(engine, batches):
    """Close a journal with batches of two chunks each."""
    for name in batches:
        await append_batch(engine, name, [make_chunk(0, 5), make_chunk(5, 9)])
    await engine.aclose()


async def test_a_flipped_bit_costs_its_chunk_alone_and_is_told_with_positions_and_ids(reopen, folder):
    await leave(await reopen(), ["a", "b"])
    data = (folder / "journal.db").read_bytes()
    flip(folder / "journal.db", data.index(b"aps", data.index(MARK)))
    engine = await reopen()
    refs = await engine.lease(100)
    stored = await engine.read(refs)
    (damaged,) = [ref for ref, chunk in zip(refs, stored, strict=True) if chunk is None]
    (entry,) = (await engine.feed("default", 0, 100)).entries
    block = entry.settlement
    assert (block.outcome, block.reason, block.advice) == (
        Outcome.FAILED,
        Reason.JOURNAL_DAMAGED,
        Advice.RETRY_LATER,
    )
    first = block.indexes[0]
    assert first in {0, 5}
    assert block.ids == [f"n{position}" for position in range(*block.indexes)]
    assert engine.statistics().owed_rows == 18 - block.count
    assert await engine.read([damaged]) == [None]
    await engine.aclose()
    engine = await reopen()
    assert engine.statistics().owed_rows == 18 - block.count
    await engine.aclose()


async def test_a_chunk_that_no_longer_decodes_is_told_by_its_positions(reopen, folder):
    await leave(await reopen(), ["a"])
    change(folder, "UPDATE chunk SET stored = ? WHERE key = ?", b"nonsense", 1 << 16)
    engine = await reopen()
    assert (await engine.read(await engine.lease(5))).count(None) == 1
    assert await read_results(engine) == [("a", position, None, Outcome.FAILED) for position in range(5)]
    await engine.aclose()


async def test_a_damaged_chunk_neither_expires_nor_is_cancelled_twice(reopen, folder):
    await leave(await reopen(), ["a"])
    change(folder, "UPDATE chunk SET stored = ? WHERE key = ?", b"nonsense", 1 << 16)
    engine = await reopen()
    count = await engine.cancel("default", "a", None, 0)
    assert (count.cancelled, count.too_late) == (4, 5)
    assert sorted(position for _, position, _, _ in await read_results(engine)) == list(range(9))
    assert engine.statistics().owed_rows == 0
    await engine.aclose()


async def test_rows_whose_progress_is_damaged_end_unknown_and_are_not_sent(reopen, folder):
    engine = await reopen()
    batch = await append_batch(engine, "a", [make_chunk(0, 5), make_chunk(5, 9)])
    await engine.lease(5)
    await mark_held(engine, batch, 0, [0, 1])
    await engine.aclose()
    change(folder, "UPDATE progress SET state = zeroblob(length(state))")
    engine = await reopen()
    assert [(ref.chunk, ref.start, ref.stop) for ref in await engine.lease(100)] == [(1, 0, 4)]
    assert {outcome for *_, outcome in await read_results(engine)} == {Outcome.UNKNOWN}
    await engine.aclose()


async def test_a_result_that_is_damaged_is_passed_over(reopen, folder):
    engine = await reopen()
    await append_batch(engine, "a", [make_chunk(0, 5), make_chunk(5, 9)])
    for ref, first in zip(await engine.lease(100), (0, 5), strict=True):
        await settle_held(engine, [settle_ref(ref, first)])
    await engine.aclose()
    change(folder, "UPDATE result SET packed = zeroblob(length(packed)) WHERE rows = 5")
    engine = await reopen()
    page = await engine.feed("default", 0, 1)
    assert [entry.settlement.indexes for entry in page.entries] == [[5, 9]]
    await engine.acknowledge("default", page.cursor)
    assert engine.statistics().unread_rows == 0
    await engine.aclose()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE batch SET record = zeroblob(length(record))",
        "UPDATE batch SET batch_id = 'another'",
        "UPDATE chunk SET head = zeroblob(length(head))",
        "DELETE FROM batch",
    ],
)
async def test_what_cannot_be_told_apart_is_refused_with_the_way_out_and_nothing_is_changed(reopen, folder, statement):
    await leave(await reopen(), ["a"])
    change(folder, statement)
    before = (folder / "journal.db").read_bytes()
    with pytest.raises(JournalError, match=r"damaged \(.*\); nothing was changed.*`pushmill journal repair`"):
        await reopen()
    assert (folder / "journal.db").read_bytes() == before


async def test_a_damaged_first_answer_costs_a_repeat_of_its_batch_and_nothing_else(reopen, folder):
    await leave(await reopen(), ["a", "b"])
    change(folder, "UPDATE batch SET answer = zeroblob(length(answer)) WHERE batch_id = 'a'")
    engine = await reopen()
    with pytest.raises(AnswerDamagedError):
        await get_answer(engine, "a")
    assert await get_answer(engine, "b") == b"accepted"
    refs = await engine.lease(1000)
    assert {ref.batch for ref in refs} == {1, 2}
    assert None not in await engine.read(refs)
    await engine.aclose()
    report = Repair(folder).run(datetime(2026, 5, 29, tzinfo=UTC))
    assert (report.batches, report.batches_lost) == (2, 0)
    assert check_journal(folder / "journal.db").findings == []
    engine = await reopen()
    with pytest.raises(AnswerDamagedError):
        await get_answer(engine, "a")
    await engine.aclose()


async def crash(engine, folder, copy):
    """Copy the files as they would be found after a kill; the engine itself is then closed."""
    copy.mkdir()
    for name in ("journal.db", "journal.db-wal"):
        (copy / name).write_bytes((folder / name).read_bytes())
    await engine.aclose()


async def test_a_log_damaged_before_its_end_is_refused_and_kept(reopen, folder, tmp_path, clock):
    engine = await reopen()
    for name in "abcd":
        await append_batch(engine, name, [make_chunk(0, 100)])
    copy = tmp_path / "copy"
    await crash(engine, folder, copy)
    log = copy / "journal.db-wal"
    flip(log, log.read_bytes().index(MARK) + 100)
    before = log.read_bytes()
    with pytest.raises(JournalError, match=r"pages behind the damage would be lost.*`pushmill journal repair`"):
        await SqliteEngine(copy, clock).recover()
    assert log.read_bytes() == before


@pytest.mark.parametrize("cut_bytes", [1, 5_000, 40_000])
async def test_a_torn_end_of_the_log_is_no_damage(reopen, folder, tmp_path, clock, cut_bytes):
    engine = await reopen()
    for name in "abcd":
        await append_batch(engine, name, [make_chunk(0, 100)])
    copy = tmp_path / "copy"
    await crash(engine, folder, copy)
    log = copy / "journal.db-wal"
    os.truncate(log, log.stat().st_size - cut_bytes)
    engine = SqliteEngine(copy, clock)
    assert await engine.recover() == 300
    await engine.aclose()


async def test_a_torn_frame_head_with_the_mark_of_an_older_commit_is_no_damage(reopen, folder, tmp_path, clock):
    """A sector of 512 bytes ends inside the head of every 64th frame, between the mark of a commit and the salts."""
    engine = await reopen()
    log = folder / "journal.db-wal"
    ends = []
    while not ends or ends[-1] < 240:
        await append_batch(engine, f"{len(ends)}", [make_chunk(0, 100)])
        ends.append((log.stat().st_size - HEADER_BYTES) // FRAME_BYTES)
    copy = tmp_path / "copy"
    await crash(engine, folder, copy)
    torn = next(frame for frame in (41, 105, 169, 233) if frame + 1 not in ends)
    head_at = HEADER_BYTES + torn * FRAME_BYTES
    assert head_at % 512 == 504
    with (copy / "journal.db-wal").open("r+b") as file:
        file.seek(head_at)
        file.write(struct.pack(">2I", 2, 7))
        file.truncate(head_at + 2 * FRAME_BYTES)
    engine = SqliteEngine(copy, clock)
    assert await engine.recover() == 100 * sum(end <= torn for end in ends)
    await engine.aclose()


async def test_what_transactions_left_that_never_were_is_no_damage(reopen, folder, tmp_path, clock):
    """Killed in the middle of longer transactions: their frames have the salts of the log, and build on nothing."""
    engine = await reopen()
    log = folder / "journal.db-wal"
    ends = []
    for name in "abcd":
        await append_batch(engine, name, [make_chunk(0, 100)])
        ends.append((log.stat().st_size - HEADER_BYTES) // FRAME_BYTES)
    copy = tmp_path / "copy"
    await crash(engine, folder, copy)
    for frame in range(ends[1], ends[3]):
        flip(copy / "journal.db-wal", HEADER_BYTES + frame * FRAME_BYTES + FRAME_HEADER_BYTES + 1_000)
    engine = SqliteEngine(copy, clock)
    assert await engine.recover() == 200
    await engine.aclose()


# In its page size, its salts, its checksum.
@pytest.mark.parametrize("at", [10, 17, 22, 24])
async def test_a_damaged_head_of_the_log_is_no_empty_log(reopen, folder, tmp_path, clock, at):
    engine = await reopen()
    await append_batch(engine, "a", [make_chunk(0, 100)])
    await append_batch(engine, "b", [make_chunk(0, 100)])
    copy = tmp_path / "copy"
    await crash(engine, folder, copy)
    flip(copy / "journal.db-wal", at)
    with pytest.raises(JournalError, match="journal repair"):
        await SqliteEngine(copy, clock).recover()
    Repair(copy).run(datetime.fromtimestamp(clock.wall(), UTC))
    engine = SqliteEngine(copy, clock)
    assert await engine.recover() == 200
    await engine.aclose()


async def test_a_log_without_its_database_is_refused(reopen, folder, tmp_path, clock):
    engine = await reopen()
    await append_batch(engine, "a", [make_chunk(0, 100)])
    copy = tmp_path / "copy"
    await crash(engine, folder, copy)
    (copy / "journal.db").unlink()
    with pytest.raises(JournalError, match=r"missing, but its log journal\.db-wal is there"):
        await SqliteEngine(copy, clock).recover()
    assert not (copy / "journal.db").exists()


async def test_rows_that_are_on_their_way_when_the_damage_is_found_end_by_their_own_answers(reopen, folder):
    await leave(await reopen(), ["a"])
    change(folder, "UPDATE chunk SET stored = ? WHERE key = ?", b"nonsense", 1 << 16)
    engine = await reopen()
    (ref, *_) = await engine.lease(5)
    await postpone(engine, ref.batch, ref.chunk, [3, 5], 0, attempts=2)
    again = [each for each in await engine.lease(10) if each.chunk == ref.chunk]
    assert await engine.read(again) == [None]
    (entry,) = (await engine.feed("default", 0, 100)).entries
    block = entry.settlement
    assert (block.indexes, block.outcome, block.attempts) == ([3, 5], Outcome.FAILED, 2)
    await settle_held(engine, [make_settlement(ref.batch, ref.chunk, [0, 3])])
    assert [outcome for *_, outcome in await read_results(engine)][2:] == [Outcome.PROVIDER_ACCEPTED] * 3
    await engine.aclose()
