"""A log that lost its end while nobody looked is told from one that never had it (P6), by the count of commits."""

import os
import shutil
from datetime import UTC, datetime

import pytest
import trio

from gateway.journal.errors import JournalError
from gateway.journal.sqlite import SqliteEngine
from gateway.journal.sqlite.care.checking import check_journal
from gateway.journal.sqlite.care.repair import Repair
from gateway.journal.sqlite.disk.commit_counter import COUNTER, read_record
from gateway.journal.sqlite.disk.log_scan import FRAME_HEADER_BYTES, HEADER_BYTES
from gateway.journal.sqlite.disk.schema import PAGE_BYTES
from tests.support.journal import (
    append_batch,
    make_chunk,
    mark_held,
)

DATABASE, LOG = "journal.db", "journal.db-wal"
FRAME_BYTES = FRAME_HEADER_BYTES + PAGE_BYTES
NOW = datetime(2026, 5, 1, tzinfo=UTC)


@pytest.fixture
def copy(tmp_path, clock):
    """Return what copies a journal at work, as a kill would leave it."""
    count = 0

    def make_copy(folder):
        nonlocal count
        count += 1
        target = tmp_path / f"copy{count}"
        shutil.copytree(folder, target, ignore=shutil.ignore_patterns("lock", "reserve", "*-shm"))
        return target

    return make_copy


@pytest.fixture
async def engine(tmp_path, clock):
    engine = SqliteEngine(tmp_path / "journal", clock)
    await engine.recover()
    yield engine
    await engine.aclose()


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "journal"


async def accept(engine, *names):
    for name in names:
        await append_batch(engine, name, [make_chunk(0, 100)])


async def recover(folder, clock):
    """Return how many rows a start finds owed."""
    engine = SqliteEngine(folder, clock)
    owed = await engine.recover()
    await engine.aclose()
    return owed


def cut(file, size_bytes):
    os.truncate(file, size_bytes)


async def test_a_log_that_was_cut_short_is_refused_and_says_what_is_missing(engine, folder, copy, clock):
    await accept(engine, *"abcd")
    stopped = copy(folder)
    log = stopped / LOG
    cut(log, log.stat().st_size - FRAME_BYTES)
    before = log.read_bytes()
    with pytest.raises(JournalError, match=r"cut short.*commits 4 to 4, .*are not in it; .*`pushmill journal repair`"):
        await recover(stopped, clock)
    assert log.read_bytes() == before
    (finding,) = check_journal(stopped / DATABASE).findings
    assert finding.place == "log"
    assert "commits 4 to 4" in finding.detail


@pytest.mark.parametrize("left_bytes", [None, 0, 20, HEADER_BYTES, HEADER_BYTES + FRAME_BYTES // 2])
async def test_a_log_that_is_gone_is_missed_and_repaired_to_what_is_left(engine, folder, copy, clock, left_bytes):
    await accept(engine, *"ab")
    stopped = copy(folder)
    if left_bytes is None:
        (stopped / LOG).unlink()
    else:
        cut(stopped / LOG, left_bytes)
    with pytest.raises(JournalError, match="commits 1 to 2"):
        await recover(stopped, clock)
    report = Repair(stopped).run(NOW)
    assert (report.missing_commits.first, report.missing_commits.last) == (1, 2)
    assert await recover(stopped, clock) == 0
    assert check_journal(stopped / DATABASE).findings == []


async def test_a_repair_of_a_cut_log_keeps_what_stands_before_the_cut(engine, folder, copy, clock):
    await accept(engine, *"abcd")
    stopped = copy(folder)
    log = stopped / LOG
    cut(log, log.stat().st_size - FRAME_BYTES)
    assert Repair(stopped).run(NOW).missing_commits.first == 4
    assert await recover(stopped, clock) == 300


async def test_the_log_of_an_older_copy_is_refused(engine, folder, copy, clock):
    await accept(engine, "a")
    old = copy(folder)
    await engine.aclose()
    engine = SqliteEngine(folder, clock)
    await engine.recover()
    await accept(engine, "b")
    new = copy(folder)
    shutil.copy(old / LOG, new / LOG)
    with pytest.raises(JournalError, match="commits 3 to 4"):
        await recover(new, clock)
    await engine.aclose()


async def test_a_counter_that_a_power_loss_left_behind_says_nothing(engine, folder, copy, clock):
    await accept(engine, "a")
    behind = (folder / COUNTER).read_bytes()
    await accept(engine, "b")
    stopped = copy(folder)
    for left in (behind, b"", bytes(100), None):
        if left is None:
            (stopped / COUNTER).unlink()
        else:
            (stopped / COUNTER).write_bytes(left)
        assert await recover(copy(stopped), clock) == 200


async def test_a_commit_that_was_torn_while_it_was_written_is_not_missed(engine, folder, copy, clock):
    await accept(engine, "a")
    counted = (folder / COUNTER).read_bytes()
    await accept(engine, "b")
    stopped = copy(folder)
    log = stopped / LOG
    cut(log, log.stat().st_size - FRAME_BYTES // 2)
    (stopped / COUNTER).write_bytes(counted)
    assert await recover(stopped, clock) == 100


async def test_after_a_clean_end_the_log_is_not_needed(engine, folder, copy, clock):
    await accept(engine, *"ab")
    await engine.aclose()
    stopped = copy(folder)
    (stopped / LOG).unlink()
    assert await recover(stopped, clock) == 200


@pytest.fixture
async def often_moved(folder, clock, monkeypatch):
    """Return an engine that moves its log after every few commits."""
    monkeypatch.setattr("gateway.journal.sqlite.disk.journal_file.CHECKPOINT_BYTES", 8 * FRAME_BYTES)
    engine = SqliteEngine(folder, clock)
    await engine.recover()
    yield engine
    await engine.aclose()


async def accept_until_moved(engine, folder, name):
    """Accept batches until the last one is in the database too; return how many it took."""
    for count in range(1, 50):
        await accept(engine, f"{name}{count}")
        await trio.sleep(0.1)
        if read_record(folder).in_database == read_record(folder).last:
            return count
    raise AssertionError("the log was never moved")


async def test_a_counter_of_the_log_before_says_nothing(often_moved, folder, copy, clock):
    await accept(often_moved, *"abc")
    older = (folder / COUNTER).read_bytes()
    moved = await accept_until_moved(often_moved, folder, "moved")
    await accept(often_moved, "last")
    stopped = copy(folder)
    assert read_record(stopped).log_commits == 1
    assert await recover(copy(stopped), clock) == (3 + moved + 1) * 100
    # All of the log before was moved before this one began.
    (stopped / COUNTER).write_bytes(older)
    assert await recover(stopped, clock) == (3 + moved + 1) * 100


async def test_a_cut_log_whose_pages_were_all_moved_sets_nothing_back(often_moved, folder, copy, clock):
    moved = await accept_until_moved(often_moved, folder, "moved")
    stopped = copy(folder)
    cut(stopped / LOG, HEADER_BYTES + 5 * FRAME_BYTES)
    with pytest.raises(JournalError, match="journal repair"):
        await recover(stopped, clock)
    assert Repair(stopped).run(NOW).missing_commits is None
    assert await recover(stopped, clock) == moved * 100


async def test_a_journal_without_its_database_is_not_begun_anew(engine, folder, copy, clock):
    await accept(engine, "a")
    await engine.aclose()
    stopped = copy(folder)
    (stopped / DATABASE).unlink()
    (stopped / LOG).unlink()
    with pytest.raises(JournalError, match=r"missing, though \d+ commits were made in it"):
        await recover(stopped, clock)


async def test_a_commit_that_changes_nothing_is_not_missed(engine, folder, copy, clock):
    await accept(engine, "a")
    for _ in range(3):
        await mark_held(engine, 1, 0, [0, 5])  # twice the same progress: SQLite writes no frame
    assert await recover(copy(folder), clock) == 95
