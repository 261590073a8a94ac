"""Bounded disk: what happens at journal.most_bytes, on a full disk, on a read-only one, and when the file shrinks."""

import shutil
from contextlib import suppress

import msgspec
import pytest
import structlog
import trio

from gateway.journal.books.dead_tokens import RELEASE_AFTER_MS
from gateway.journal.engine import Reservation
from gateway.journal.errors import JournalError, JournalFullError
from gateway.journal.sqlite import SqliteEngine, find_journal_fault
from gateway.journal.sqlite.disk.files import RESERVE_BYTES, Reserve
from gateway.journal.sqlite.disk.room import Room
from protocol.outcomes import Advice, Outcome
from protocol.reasons import Reason
from tests.support.disks import fill, make_read_only, mounted
from tests.support.journal import (
    START_MS,
    append_batch,
    get_answer,
    make_chunk,
    make_dead,
    make_record,
    make_settlement,
    settle_held,
    settle_ref,
)
from tests.support.patience import HANG_SECONDS

MIB = 1024 * 1024


def make_chunks():
    return [make_chunk(at, at + 100) for at in range(0, 10_000, 100)]


async def append_many(engine, count, first=0):
    for number in range(first, first + count):
        await append_batch(engine, f"b{number}", make_chunks())


async def test_new_work_is_refused_before_the_bound_and_old_work_is_finished(tmp_path, clock):
    engine = SqliteEngine(tmp_path / "journal", clock, most_bytes=64 * MIB)
    await engine.recover()
    with pytest.raises(JournalFullError, match=r"new work may take \d+ of journal\.most_bytes"):
        await append_many(engine, 1000)
    accepted = engine.statistics().owed_rows
    assert accepted >= 100_000
    taken = sum(file.stat().st_blocks * 512 for file in (tmp_path / "journal").iterdir())
    assert taken <= 64 * MIB
    while engine.statistics().owed_rows:
        await settle_held(engine, [settle_ref(ref, ref.chunk * 100) for ref in await engine.lease(10_000)])
    assert engine.statistics().unread_rows == accepted
    assert sum(file.stat().st_blocks * 512 for file in (tmp_path / "journal").iterdir()) <= 64 * MIB
    page = await engine.feed("default", 0, accepted)
    while page.entries:
        await engine.acknowledge("default", page.cursor)
        page = await engine.feed("default", page.cursor, accepted)
    await append_many(engine, 1, first=2000)
    await engine.aclose()


async def test_a_refused_batch_leaves_its_key_free(tmp_path, clock):
    engine = SqliteEngine(tmp_path / "journal", clock, most_bytes=64 * MIB)
    await engine.recover()
    with pytest.raises(JournalFullError):
        await append_many(engine, 1000)
    reservation = await engine.reserve("default", "one more", b"fingerprint")
    assert isinstance(reservation, Reservation)
    with pytest.raises(JournalFullError):
        await engine.append(reservation, make_record("one more", 10_000), make_chunks(), b"accepted", [make_dead(300)])
    await engine.release(reservation)
    assert await get_answer(engine, "one more") is None
    assert await get_answer(engine, "b0") == b"accepted"
    await engine.aclose()


async def test_the_dead_of_a_refused_batch_count_for_nothing(tmp_path, clock):
    engine = SqliteEngine(tmp_path / "journal", clock, most_bytes=64 * MIB)
    await engine.recover()
    with pytest.raises(JournalFullError):
        await append_many(engine, 1000)
    reservation = await engine.reserve("default", "one more", b"fingerprint")
    assert isinstance(reservation, Reservation)
    with pytest.raises(JournalFullError):
        await engine.append(reservation, make_record("one more", 0), [], b"accepted", [make_dead(20_000)])
    word = make_settlement(1, 0, [0, 1], outcome=Outcome.REJECTED, reason=Reason.DEAD_TOKEN)
    await settle_held(
        engine, [msgspec.structs.replace(word, advice=Advice.DELETE_PENDING, destinations=["the only one"])]
    )
    assert await engine.dead_tokens.release(START_MS + 2 * RELEASE_AFTER_MS) == []
    page = await engine.dead_tokens.read("default", 0, 1000)
    assert [token.destination for token in page.tokens] == ["the only one"]
    await engine.aclose()


async def test_a_full_disk_refuses_new_work_finishes_old_and_recovers_without_a_restart(tmp_path, clock):
    disk = tmp_path / "disk"
    with mounted(disk, 48 * MIB):
        engine = SqliteEngine(disk / "journal", clock)
        await engine.recover()
        await append_many(engine, 3)
        fill(disk / "filler")
        with pytest.raises(JournalFullError, match="the disk is full"):
            await append_many(engine, 100, first=3)
        accepted = engine.statistics().owed_rows
        while engine.statistics().owed_rows:
            await settle_held(engine, [settle_ref(ref, ref.chunk * 100) for ref in await engine.lease(2_000)])
        assert engine.statistics().unread_rows == accepted
        (disk / "filler").unlink()
        await trio.sleep(1.1)
        await append_many(engine, 1, first=1000)
        assert (disk / "journal" / "reserve").stat().st_size == RESERVE_BYTES
        await engine.aclose()
        engine = SqliteEngine(disk / "journal", clock)
        assert await engine.recover() == 10_000
        await engine.aclose()


async def test_old_work_waits_for_room_when_even_the_reserve_is_used_up(tmp_path, clock):
    disk = tmp_path / "disk"
    with mounted(disk, 40 * MIB):
        engine = SqliteEngine(disk / "journal", clock)
        await engine.recover()
        await append_many(engine, 2)
        refs = await engine.lease(20_000)
        fill(disk / "filler")
        (disk / "journal" / "reserve").unlink()
        fill(disk / "more filler")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(settle_held, engine, [settle_ref(ref, ref.chunk * 100) for ref in refs])
            await trio.sleep(0.3)
            with pytest.raises(JournalFullError):
                await append_batch(engine, "new", [make_chunk(0, 100)])
            (disk / "more filler").unlink()
            (disk / "filler").unlink()
        assert engine.statistics().unread_rows == 20_000
        await engine.aclose()


async def test_a_disk_without_room_is_named_at_the_start(tmp_path, clock):
    disk = tmp_path / "disk"
    with mounted(disk, 4 * MIB):
        with pytest.raises(JournalError, match=f"the disk is full; free {RESERVE_BYTES} bytes on it at least"):
            await SqliteEngine(disk / "journal", clock).recover()
        fill(disk / "filler")
        with pytest.raises(JournalError, match="the disk is full"):
            await SqliteEngine(disk / "other", clock).recover()


async def test_a_read_only_disk_is_named_and_check_config_tells_the_same(tmp_path, clock):
    disk = tmp_path / "disk"
    with mounted(disk, 40 * MIB):
        engine = SqliteEngine(disk / "journal", clock)
        await engine.recover()
        await engine.aclose()
        make_read_only(disk)
        with pytest.raises(JournalError, match="mounted read-only; remount it"):
            await SqliteEngine(disk / "journal", clock).recover()
        assert "mounted read-only" in find_journal_fault(disk / "journal")
        assert "mounted read-only" in find_journal_fault(disk / "new" / "journal")


def test_looking_at_a_folder_makes_nothing(tmp_path):
    assert find_journal_fault(tmp_path / "a" / "b") is None
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("")
    assert "not a folder" in find_journal_fault(tmp_path / "file")
    assert "not a folder" in find_journal_fault(tmp_path / "file" / "below")


async def test_space_is_given_back_in_idle_time(tmp_path, clock, monkeypatch):
    monkeypatch.setattr("gateway.journal.sqlite.disk.journal_file.FREE_BYTES_KEPT", MIB)
    monkeypatch.setattr("gateway.journal.sqlite.disk.writer.IDLE_SECONDS", 0.01)
    monkeypatch.setattr("gateway.journal.sqlite.disk.room.CHECKPOINT_BYTES", MIB)
    monkeypatch.setattr("gateway.journal.sqlite.disk.journal_file.CHECKPOINT_BYTES", MIB)
    engine = SqliteEngine(tmp_path / "journal", clock)
    await engine.recover()
    engine.set_results_kept("default", False)
    await append_many(engine, 20)
    while engine.statistics().owed_rows:
        await settle_held(engine, [settle_ref(ref, ref.chunk * 100) for ref in await engine.lease(10_000)])
    database = tmp_path / "journal" / "journal.db"
    with trio.fail_after(HANG_SECONDS):
        while database.stat().st_size > 3 * MIB:  # noqa: ASYNC110 -- the journal's thread tells nobody
            await trio.sleep(0.05)
    await append_many(engine, 1, first=100)
    await engine.aclose()


async def deliver_and_acknowledge(engine):
    while engine.statistics().owed_rows:
        await settle_held(engine, [settle_ref(ref, ref.chunk * 100) for ref in await engine.lease(2_000)])
    page = await engine.feed("default", 0, 20_000)
    while page.entries:
        await engine.acknowledge("default", page.cursor)
        page = await engine.feed("default", page.cursor, 20_000)


async def append_when_there_is_room(engine, batch_id):
    """Repeat a batch as a caller would."""
    with trio.fail_after(60):
        while True:
            try:
                return await append_batch(engine, batch_id, make_chunks())
            except JournalFullError:
                await trio.sleep(0.3)


@pytest.mark.long
async def test_a_journal_that_filled_its_own_disk_takes_new_work_once_all_was_read(tmp_path, clock):
    disk = tmp_path / "disk"
    with mounted(disk, 96 * MIB):
        engine = SqliteEngine(disk / "journal", clock)
        await engine.recover()
        for round_number in range(2):
            with pytest.raises(JournalFullError, match="the disk is full"):
                await append_many(engine, 1000, first=1000 * round_number)
            await deliver_and_acknowledge(engine)
            await append_when_there_is_room(engine, f"after {round_number}")
            await append_many(engine, 5, first=100_000 * (round_number + 1))
        await engine.aclose()


async def test_a_disk_that_stays_full_is_told_once(autojump_clock, tmp_path, clock):
    disk = tmp_path / "disk"
    with mounted(disk, 48 * MIB), structlog.testing.capture_logs() as logs:
        engine = SqliteEngine(disk / "journal", clock)
        await engine.recover()
        await append_many(engine, 3)
        fill(disk / "filler")
        with pytest.raises(JournalFullError):
            await append_many(engine, 100, first=3)
        for number in range(8):
            with suppress(JournalFullError):
                await append_batch(engine, f"again {number}", make_chunks())
            await trio.sleep(0.6)
        await engine.aclose()
    events = [entry["event"] for entry in logs if entry["event"].startswith("journal_")]
    assert events.count("journal_full") == 1
    assert events.count("journal_has_room") <= 1


@pytest.mark.parametrize("is_killed", [False, True])
async def test_a_start_on_a_full_disk_works_while_the_reserve_is_whole(tmp_path, clock, is_killed):
    disk = tmp_path / "disk"
    with mounted(disk, 48 * MIB):
        engine = SqliteEngine(disk / "journal", clock)
        await engine.recover()
        await append_many(engine, 3)
        if is_killed:
            copy = disk / "killed"
            shutil.copytree(disk / "journal", copy, ignore=shutil.ignore_patterns("reserve", "lock"))
            shutil.copy(disk / "journal" / "reserve", copy / "reserve")
            await engine.aclose()
            (copy).rename(disk / "left")
            shutil.rmtree(disk / "journal")
            (disk / "left").rename(disk / "journal")
        else:
            await engine.aclose()
        fill(disk / "filler")
        engine = SqliteEngine(disk / "journal", clock)
        assert await engine.recover() == 30_000
        await settle_held(engine, [settle_ref(ref, ref.chunk * 100) for ref in await engine.lease(30_000)])
        assert engine.statistics().unread_rows == 30_000
        await engine.aclose()


def note(room, used_mib):
    """Tell a room how much is used, two seconds later than before; return what it logged."""
    room.passed += 2.0
    with structlog.testing.capture_logs() as logs:
        room.note_used(used_mib * MIB, 0)
    return [entry["event"] for entry in logs]


@pytest.fixture
def small_room(tmp_path):
    """Return a room of 14 MiB whose clock goes when it is told something."""
    room = Room(Reserve(tmp_path), 64 * MIB, monotonic=lambda: room.passed)
    room.passed = 0.0
    return room


def test_a_journal_is_told_to_be_nearly_full_at_four_fifths_and_again_only_after_it_was_emptier(small_room):
    told = [note(small_room, used) for used in (11, 12, 11, 12, 10, 12, 9, 12)]
    assert told == [[], ["journal_nearly_full"], [], [], [], [], [], ["journal_nearly_full"]]


def test_there_is_room_again_when_nothing_was_refused_for_a_while(small_room):
    note(small_room, 14)
    with structlog.testing.capture_logs() as logs:
        for _ in range(3):
            assert small_room.find_lack(MIB) is not None
            assert small_room.find_lack(0) is None
    assert [entry["event"] for entry in logs] == ["journal_full"]
    assert [note(small_room, 1) for _ in range(7)] == [[], [], [], [], ["journal_has_room"], [], []]
