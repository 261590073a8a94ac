"""Files of the journal that are removed or replaced while it is at work: noticed before anything more is promised."""

import shutil
import stat

import pytest
import trio

from gateway.journal.errors import JournalError, JournalFailedError
from gateway.journal.sqlite import SqliteEngine, find_journal_fault
from tests.support.journal import (
    append_batch,
    lease_nowait,
    make_chunk,
    settle_held,
    settle_ref,
)
from tests.support.patience import HANG_SECONDS

FILES = ["journal.db", "journal.db-wal", "lock"]


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "journal"


@pytest.fixture
async def engine(folder, clock):
    engine = SqliteEngine(folder, clock)
    await engine.recover()
    await append_batch(engine, "before", [make_chunk(0, 100)])
    yield engine
    await engine.aclose()


def remove(path):
    path.unlink()


def replace(path):
    shutil.copy(path, path.with_name("other"))
    path.with_name("other").rename(path)


async def assert_failed(engine, name):
    with pytest.raises(JournalFailedError, match=rf"{name} is .*: it was removed, moved or replaced.*put them back"):
        await append_batch(engine, "after", [make_chunk(0, 100)])
    with pytest.raises(JournalFailedError), trio.fail_after(HANG_SECONDS):
        await engine.watch()


@pytest.mark.parametrize("harm", [remove, replace])
@pytest.mark.parametrize("name", FILES)
async def test_nothing_is_accepted_into_a_file_that_has_no_name_any_more(engine, folder, name, harm):
    harm(folder / name)
    await assert_failed(engine, name)


@pytest.mark.parametrize("name", FILES)
async def test_no_result_is_told_either(engine, folder, name):
    (ref,) = await lease_nowait(engine, 100)
    remove(folder / name)
    with pytest.raises(JournalFailedError):
        await settle_held(engine, [settle_ref(ref)])


async def test_a_folder_that_was_moved_away_is_noticed(engine, folder):
    folder.rename(folder.with_name("moved"))
    await assert_failed(engine, "journal")


async def test_a_folder_that_was_replaced_by_its_copy_is_noticed(engine, folder):
    folder.rename(folder.with_name("moved"))
    shutil.copytree(folder.with_name("moved"), folder)
    await assert_failed(engine, "journal")


@pytest.mark.parametrize("harm", [remove, replace])
async def test_without_its_lock_file_a_journal_is_still_locked(folder, clock, harm):
    engine = SqliteEngine(folder, clock)
    await engine.recover()
    await append_batch(engine, "before", [make_chunk(0, 100)])
    harm(folder / "lock")
    with pytest.raises(JournalError, match="in use by another gateway"):
        await SqliteEngine(folder, clock).recover()
    with pytest.raises(JournalFailedError, match=r"lock is .*: it was removed, moved or replaced"):
        await engine.aclose()


async def test_a_folder_that_everybody_may_write_in_is_refused_and_check_config_tells_the_same(tmp_path, clock):
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(JournalError, match=r"writable by every user .*\(mode 0777\).*`chmod 0700` it"):
        await SqliteEngine(folder, clock).recover()
    assert list(folder.iterdir()) == []
    assert "writable by every user" in find_journal_fault(folder)


async def test_a_folder_made_for_the_journal_is_its_owners_alone(engine, folder):
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
