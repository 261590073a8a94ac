"""What stands in the journal file when a process is gone, and which files a gateway refuses to touch."""

import os
import shutil
import sqlite3
import stat

import pytest
import trio

from gateway.journal import CancelCount, CursorTooOldError, Recalled
from gateway.journal.errors import JournalError
from gateway.journal.sqlite import SqliteEngine
from protocol.outcomes import Outcome
from protocol.reasons import Reason
from tests.support.journal import (
    START_MS,
    append_batch,
    get_answer,
    lease_nowait,
    make_chunk,
    make_settlement,
    mark_held,
    postpone,
    read_results,
    settle_held,
    settle_ref,
)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "journal"


@pytest.fixture
def reopen(folder, clock):
    """Return an opened engine on the same folder as the ones before it."""

    async def open_engine():
        engine = SqliteEngine(folder, clock, idempotency_window_seconds=600.0)
        await engine.recover()
        return engine

    return open_engine


async def test_accepted_rows_are_owed_after_a_restart_and_read_back_byte_for_byte(reopen):
    engine = await reopen()
    chunks = [make_chunk(0, 100), make_chunk(100, 150, queue=0)]
    await append_batch(engine, "a", chunks)
    await engine.aclose()
    engine = await reopen()
    refs = await engine.lease(1000)
    assert [(ref.start, ref.stop, ref.queue, ref.lane) for ref in refs] == [
        (0, 100, 1, chunks[0].lane),
        (0, 50, 0, chunks[1].lane),
    ]
    assert await engine.read(refs) == [chunk.stored for chunk in chunks]
    assert refs[0].record.labels == ("spring",)
    assert engine.statistics().owed_rows == 150
    await engine.aclose()


async def test_settled_rows_are_not_sent_again_and_leased_ones_are(reopen):
    engine = await reopen()
    batch = await append_batch(engine, "a", [make_chunk(0, 10)])
    await engine.lease(10)
    await settle_held(engine, [make_settlement(batch, 0, [0, 4, 7, 8])])
    await engine.aclose()
    engine = await reopen()
    refs = await engine.lease(10)
    assert [(ref.start, ref.stop) for ref in refs] == [(4, 7), (8, 10)]
    assert len(await read_results(engine)) == 5
    await engine.aclose()


async def test_unread_results_and_their_cursors_outlive_the_process(reopen):
    engine = await reopen()
    await append_batch(engine, "a", [make_chunk(0, 10), make_chunk(10, 20)])
    first, second = await engine.lease(20)
    await settle_held(engine, [settle_ref(first)])
    await settle_held(engine, [settle_ref(second, 10)])
    page = await engine.feed("default", 0, 1)
    await engine.acknowledge("default", page.cursor)
    await engine.aclose()
    engine = await reopen()
    rest = await engine.feed("default", page.cursor, 100)
    assert [entry.settlement.indexes for entry in rest.entries] == [[10, 20]]
    assert engine.statistics().unread_rows == 10
    with pytest.raises(CursorTooOldError):
        await engine.feed("default", page.cursor - 1, 100)
    await engine.acknowledge("default", rest.cursor)
    await engine.aclose()
    engine = await reopen()
    assert (await engine.feed("default", rest.cursor, 100)).entries == []
    await append_batch(engine, "b", [make_chunk(0, 1)])
    await settle_held(engine, [settle_ref((await engine.lease(1))[0])])
    assert (await engine.feed("default", rest.cursor, 100)).cursor == rest.cursor + 1
    await engine.aclose()


async def test_what_all_readers_have_acknowledged_is_freed_by_the_start_after_a_kill_in_between(reopen, folder):
    engine = await reopen()
    batch = await append_batch(engine, "a", [make_chunk(0, 10)])
    await engine.lease(10)
    await settle_held(engine, [make_settlement(batch, 0, [0, 10])])
    await engine.open_subscription("default", "app")
    await engine.aclose()
    with sqlite3.connect(folder / "journal.db") as connection:
        connection.execute("UPDATE subscription SET acknowledged = 10")
    connection.close()
    engine = await reopen()
    assert engine.statistics().unread_rows == 0
    assert await engine.open_subscription("default", "app") == 10
    await engine.aclose()


async def test_a_key_keeps_its_first_answer_across_a_restart_and_is_free_after_its_window(
    reopen, clock, autojump_clock
):
    engine = await reopen()
    await append_batch(engine, "a", [make_chunk(0, 1)], answer=b"the first one")
    await append_batch(engine, "all rejected", [], answer=b"nothing to send")
    await settle_held(engine, [settle_ref((await engine.lease(1))[0])])
    await engine.acknowledge("default", 1)
    await engine.aclose()
    engine = await reopen()
    assert await get_answer(engine, "a") == b"the first one"
    assert await get_answer(engine, "all rejected") == b"nothing to send"
    await engine.aclose()
    await trio.sleep(1000)
    engine = await reopen()
    assert await get_answer(engine, "a") is None
    assert await append_batch(engine, "a", [make_chunk(0, 1)]) > 0
    await engine.aclose()


async def test_scheduled_rows_wait_for_their_moment_after_a_restart_and_keep_their_attempts(reopen, autojump_clock):
    engine = await reopen()
    now_ms = START_MS + int(trio.current_time() * 1000)
    batch = await append_batch(engine, "a", [make_chunk(0, 4), make_chunk(4, 6, not_before_ms=now_ms + 90_000)])
    await engine.lease(10)
    await postpone(engine, batch, 0, [1, 3], now_ms + 60_000, attempts=2, uncertain_attempts=1)
    await engine.aclose()
    engine = await reopen()
    assert [(ref.start, ref.stop) for ref in await lease_nowait(engine, 10)] == [(0, 1), (3, 4)]
    assert engine.statistics().scheduled_rows == 4
    await trio.sleep(61)
    (ref,) = await engine.lease(10)
    assert (ref.start, ref.stop, ref.attempts, ref.uncertain_attempts) == (1, 3, 2, 1)
    await trio.sleep(30)
    (ref,) = await engine.lease(10)
    assert (ref.chunk, ref.start, ref.stop) == (1, 0, 2)
    await engine.aclose()


async def test_rows_marked_as_started_end_unknown_in_the_next_process_and_are_not_sent(reopen):
    engine = await reopen()
    batch = await append_batch(engine, "a", [make_chunk(0, 5, report_unknown=True)])
    await engine.lease(5)
    await mark_held(engine, batch, 0, [0, 3])
    await settle_held(engine, [make_settlement(batch, 0, [1, 2], first=0)])
    await engine.aclose()
    engine = await reopen()
    assert [(ref.start, ref.stop) for ref in await lease_nowait(engine, 10)] == [(3, 5)]
    entries = (await engine.feed("default", 0, 100)).entries
    (lost,) = [entry.settlement for entry in entries if entry.settlement.outcome is Outcome.UNKNOWN]
    assert (lost.indexes, lost.reason, lost.attempts, lost.uncertain_attempts) == (
        [0, 1, 2, 3],
        Reason.LINK_LOST,
        1,
        1,
    )
    await engine.aclose()


async def test_a_batch_can_be_cancelled_after_a_restart_and_settled_rows_count_as_too_late(reopen):
    engine = await reopen()
    batch = await append_batch(engine, "a", [make_chunk(0, 5), make_chunk(5, 10)])
    await engine.lease(5)
    await settle_held(engine, [make_settlement(batch, 0, [0, 5])])
    await engine.aclose()
    engine = await reopen()
    count = await engine.cancel("default", "a", None, START_MS)
    assert (count.cancelled, count.too_late, count.not_found) == (5, 5, 0)
    assert engine.statistics().owed_rows == 0
    await engine.aclose()


def copy_as_left_by_a_kill(folder):
    """Return a copy of a journal that an engine has open: what there is after a SIGKILL at this moment."""
    copy = folder.with_name("killed")
    shutil.copytree(folder, copy)
    return copy


async def open_copy(folder, clock):
    engine = SqliteEngine(copy_as_left_by_a_kill(folder), clock)
    await engine.recover()
    return engine


async def test_after_a_kill_what_was_due_may_have_been_sent_so_a_cancel_and_an_expiry_say_unknown(
    reopen, folder, clock
):
    engine = await reopen()
    moments = {"expires_at_ms": (START_MS + 5000,)}
    await append_batch(engine, "due", [make_chunk(0, 1), make_chunk(1, 2, **moments), make_chunk(2, 3)])
    await append_batch(engine, "later", [make_chunk(0, 2, not_before_ms=START_MS + 60_000)])
    await append_batch(engine, "marked", [make_chunk(0, 2, report_unknown=True)])
    await engine.lease(1)
    killed = await open_copy(folder, clock)
    assert await killed.cancel("default", "due", [0], START_MS) == CancelCount(cancelled=0, too_late=1, not_found=0)
    assert await killed.cancel("default", "later", None, START_MS) == CancelCount(cancelled=2, too_late=0, not_found=0)
    assert await killed.cancel("default", "marked", None, START_MS) == CancelCount(cancelled=2, too_late=0, not_found=0)
    assert await killed.expire(START_MS + 6000) == 1
    blocks = [entry.settlement for entry in (await killed.feed("default", 0, 100)).entries]
    assert [(block.outcome, block.reason, block.attempts, block.uncertain_attempts) for block in blocks] == [
        (Outcome.UNKNOWN, Reason.CANCELLED, 1, 1),
        (Outcome.CANCELLED, Reason.CANCELLED, 0, 0),
        (Outcome.CANCELLED, Reason.CANCELLED, 0, 0),
        (Outcome.UNKNOWN, Reason.EXPIRED, 1, 1),
    ]
    (ref,) = await killed.lease(10)
    assert (ref.attempts, ref.uncertain_attempts, ref.is_doubted, ref.is_retry) == (1, 1, True, False)
    await killed.aclose()
    await engine.aclose()


async def test_what_a_kill_left_in_doubt_stays_so_over_clean_restarts_and_counts_once(reopen, folder, clock):
    engine = await reopen()
    await append_batch(engine, "a", [make_chunk(0, 4)])
    killed = await open_copy(folder, clock)
    await engine.aclose()
    for _ in range(2):
        await killed.aclose()
        killed = SqliteEngine(folder.with_name("killed"), clock)
        await killed.recover()
    assert await killed.cancel("default", "a", [0], START_MS) == CancelCount(cancelled=0, too_late=1, not_found=0)
    (ref,) = await killed.lease(10)
    assert (ref.attempts, ref.uncertain_attempts) == (1, 1)
    await killed.aclose()


async def test_after_a_clean_end_only_what_was_not_let_go_of_may_have_been_sent(reopen):
    engine = await reopen()
    await append_batch(engine, "a", [make_chunk(0, 4), make_chunk(4, 6)])
    await engine.lease(4)
    engine.set_recall(lambda _lane, _batch, _chunk, rows: Recalled(rows & 0b0011, {0: 1}))
    await engine.aclose()
    engine = await reopen()
    refs = await engine.lease(10)
    assert [(ref.chunk, ref.start, ref.stop, ref.attempts, ref.uncertain_attempts, ref.is_retry) for ref in refs] == [
        (0, 1, 2, 0, 0, False),
        (0, 2, 4, 1, 1, False),
        (0, 0, 1, 1, 0, True),
        (1, 0, 2, 0, 0, False),
    ]
    await engine.aclose()


async def test_files_are_their_owners_alone(reopen, folder):
    engine = await reopen()
    await append_batch(engine, "a", [make_chunk(0, 1)])
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert set(modes.values()) == {0o600}, modes
    assert {"journal.db", "journal.db-wal", "lock", "reserve"} <= set(modes)
    await engine.aclose()


async def test_a_second_gateway_is_told_who_has_the_journal(reopen, folder, clock):
    engine = await reopen()
    with pytest.raises(JournalError, match=rf"in use by another gateway \(process {os.getpid()}\)"):
        await SqliteEngine(folder, clock).recover()
    await engine.aclose()
    await (await reopen()).aclose()


async def test_a_journal_of_another_version_is_refused_and_left_as_it_is(reopen, folder):
    await (await reopen()).aclose()
    with sqlite3.connect(folder / "journal.db") as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    before = (folder / "journal.db").read_bytes()
    with pytest.raises(JournalError, match="has version 99, this gateway reads up to 2: a newer Pushmill wrote it"):
        await reopen()
    assert (folder / "journal.db").read_bytes() == before


async def test_a_database_of_another_program_is_refused(reopen, folder):
    folder.mkdir()
    with sqlite3.connect(folder / "journal.db") as connection:
        connection.execute("CREATE TABLE other (x)")
    connection.close()
    with pytest.raises(JournalError, match="of another program"):
        await reopen()


async def test_a_file_that_is_no_database_is_refused_and_kept(reopen, folder):
    folder.mkdir()
    (folder / "journal.db").write_bytes(b"not a database" * 1000)
    with pytest.raises(JournalError, match="not a journal, or its beginning is damaged; nothing was changed"):
        await reopen()
    assert (folder / "journal.db").read_bytes() == b"not a database" * 1000


async def test_rows_that_were_started_and_then_deferred_are_tried_again_in_the_next_process(reopen):
    engine = await reopen()
    batch = await append_batch(engine, "b", [make_chunk(0, 5, report_unknown=True)])
    await engine.lease(10)
    await mark_held(engine, batch, 0, [0, 3])
    # The provider said for certain that it did not take row 1.
    await postpone(engine, batch, 0, [1, 2], START_MS + 1000, attempts=1)
    await engine.aclose()
    engine = await reopen()
    assert {(position, outcome) for _, position, _, outcome in await read_results(engine)} == {
        (0, Outcome.UNKNOWN),
        (2, Outcome.UNKNOWN),
    }
    assert engine.statistics().owed_rows == 3
    await engine.aclose()
