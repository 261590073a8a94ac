"""A repaired journal has all that was not damaged, and every accepted row ends."""

import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime

import pytest

from gateway.journal.encoding import MARK
from gateway.journal.sqlite import SqliteEngine
from gateway.journal.sqlite.care.checking import check_journal
from gateway.journal.sqlite.care.repair import Repair
from gateway.journal.sqlite.disk.log_scan import iterate_frames, read_log_header
from gateway.journal.sqlite.disk.schema import PAGE_BYTES
from protocol.outcomes import Outcome
from tests.support.journal import (
    START_MS,
    append_batch,
    make_chunk,
    read_results,
    settle_held,
    settle_ref,
)

NOW = datetime(2026, 5, 29, 12, 0, tzinfo=UTC)
BATCHES = 12


@pytest.fixture
async def folder(tmp_path, clock):
    """A closed journal with twelve batches of five chunks, some of them settled."""
    engine = SqliteEngine(tmp_path / "journal", clock)
    await engine.recover()
    for number in range(BATCHES):
        await append_batch(engine, f"b{number}", [make_chunk(at, at + 100) for at in range(0, 500, 100)])
    await settle_held(engine, [settle_ref(ref, ref.chunk * 100) for ref in await engine.lease(700)])
    await engine.aclose()
    return tmp_path / "journal"


def overwrite(path, at, data):
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)


async def finish(folder, clock):
    """Start on a folder, send all that can be read, and return every row's outcomes by (batch id, position)."""
    engine = SqliteEngine(folder, clock)
    await engine.recover()
    while engine.statistics().owed_rows:
        refs = await engine.lease(10_000)
        for ref, stored in zip(refs, await engine.read(refs), strict=True):
            if stored is not None:
                await settle_held(engine, [settle_ref(ref, ref.chunk * 100)])
    outcomes = {}
    for batch_id, position, _, outcome in await read_results(engine):
        outcomes.setdefault((batch_id, position), []).append(outcome)
    await engine.aclose()
    return outcomes


def count(outcomes, outcome):
    return sum(words == [outcome] for words in outcomes.values())


async def test_a_sound_journal_has_no_findings_and_loses_nothing_to_a_repair(folder, clock):
    report = check_journal(folder / "journal.db")
    assert (report.batches, report.chunks, report.findings) == (BATCHES, 53, [])
    repaired = Repair(folder).run(NOW)
    assert (repaired.batches, repaired.chunks, repaired.damaged) == (BATCHES, 53, [])
    outcomes = await finish(folder, clock)
    assert len(outcomes) == count(outcomes, Outcome.PROVIDER_ACCEPTED) == BATCHES * 500


async def test_the_old_files_are_kept(folder):
    before = (folder / "journal.db").read_bytes()
    report = Repair(folder).run(NOW)
    assert report.kept_as == "journal.db.damaged-20260529T120000Z"
    assert (folder / report.kept_as).read_bytes() == before
    assert not [path for path in folder.iterdir() if path.name.endswith((".salvage", ".new"))]


async def test_every_row_ends_once_when_a_whole_page_is_gone(folder, clock):
    database = folder / "journal.db"
    pages = database.stat().st_size // PAGE_BYTES
    data = database.read_bytes()
    page = next(page for page in range(pages // 2, pages) if MARK in data[page * PAGE_BYTES : (page + 1) * PAGE_BYTES])
    overwrite(database, page * PAGE_BYTES, bytes(PAGE_BYTES))
    assert check_journal(database).findings
    report = Repair(folder).run(NOW)
    assert 0 < len(report.damaged) <= 10
    assert {rows.batch_id for rows in report.damaged} <= {f"b{number}" for number in range(BATCHES)}
    outcomes = await finish(folder, clock)
    assert set(map(len, outcomes.values())) == {1}
    assert len(outcomes) == BATCHES * 500
    lost = count(outcomes, Outcome.UNKNOWN) + count(outcomes, Outcome.FAILED)
    assert lost == sum(len(range(*rows.indexes)) for rows in report.damaged)
    assert check_journal(database).findings == []


async def test_chunks_of_a_page_whose_head_is_gone_are_found_by_their_mark(folder, clock):
    database = folder / "journal.db"
    data = database.read_bytes()
    page = data.rindex(MARK) // PAGE_BYTES
    overwrite(database, page * PAGE_BYTES, b"\xff" * 8)
    report = Repair(folder).run(NOW)
    assert report.found_by_mark > 0
    outcomes = await finish(folder, clock)
    assert len(outcomes) == count(outcomes, Outcome.PROVIDER_ACCEPTED) == BATCHES * 500


async def test_a_damaged_chunk_is_reported_with_its_ids_and_ends_failed(folder, clock):
    database = folder / "journal.db"
    data = database.read_bytes()
    overwrite(database, data.rindex(b"aps", 0, data.rindex(b'{"aps":{}}') + 5), b"xps")
    (finding,) = check_journal(database).findings
    assert finding.place == "chunk"
    (rows,) = Repair(folder).run(NOW).damaged
    assert rows.ids == [f"n{position}" for position in range(*rows.indexes)]
    outcomes = await finish(folder, clock)
    assert count(outcomes, Outcome.FAILED) == 100
    assert count(outcomes, Outcome.PROVIDER_ACCEPTED) == BATCHES * 500 - 100


async def test_a_damaged_first_page_is_mended(folder, clock):
    overwrite(folder / "journal.db", 0, bytes(200))
    report = Repair(folder).run(NOW)
    assert (report.batches, report.chunks) == (BATCHES, 53)
    assert len(await finish(folder, clock)) == BATCHES * 500


async def test_what_stands_behind_damage_in_the_log_is_salvaged(tmp_path, clock):
    engine = SqliteEngine(tmp_path / "journal", clock)
    await engine.recover()
    for number in range(BATCHES):
        await append_batch(engine, f"b{number}", [make_chunk(0, 100)])
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in ("journal.db", "journal.db-wal"):
        (copy / name).write_bytes((tmp_path / "journal" / name).read_bytes())
    await engine.aclose()
    log = copy / "journal.db-wal"
    overwrite(log, log.read_bytes().index(MARK) + 200, b"\xff\xff")
    (finding,) = check_journal(copy / "journal.db").findings[:1]
    assert finding.place == "log"
    report = Repair(copy).run(NOW)
    assert report.batches == BATCHES
    outcomes = await finish(copy, clock)
    assert len(outcomes) == BATCHES * 100
    assert count(outcomes, Outcome.PROVIDER_ACCEPTED) >= (BATCHES - 1) * 100


def change(folder, statement):
    with sqlite3.connect(folder / "journal.db") as connection:
        connection.execute(statement)
    connection.close()


@pytest.mark.parametrize(
    ("damage", "provider"),
    [
        ("UPDATE chunk SET stored = CAST(stored || x'00' AS BLOB)", "apns"),
        ("UPDATE chunk SET stored = zeroblob(50)", "apns"),
        ("UPDATE chunk SET stored = zeroblob(50), head = zeroblob(20)", "unknown"),
    ],
)
async def test_a_chunk_that_is_given_up_ends_at_the_first_start_and_is_in_nobodys_lane(
    tmp_path, clock, damage, provider
):
    engine = SqliteEngine(tmp_path / "journal", clock)
    await engine.recover()
    await append_batch(engine, "b", [make_chunk(0, 3)])
    await engine.aclose()
    change(tmp_path / "journal", damage)
    Repair(tmp_path / "journal").run(NOW)
    engine = SqliteEngine(tmp_path / "journal", clock)
    await engine.recover()
    assert engine.statistics().owed_rows == 0
    (entry,) = (await engine.feed("default", 0, 10)).entries
    assert (entry.settlement.outcome, entry.settlement.provider) == (Outcome.FAILED, provider)
    await engine.aclose()


async def test_a_chunk_with_a_new_head_has_its_cancel_keys_its_account_and_its_reported_rows(tmp_path, clock):
    engine = SqliteEngine(tmp_path / "journal", clock)
    await engine.recover()
    keyed = make_chunk(0, 2, cancel_keys=[["k"], None], report_unknown=True, account="TEAM/topic")
    await append_batch(engine, "b", [keyed])
    await engine.aclose()
    change(tmp_path / "journal", "UPDATE chunk SET head = zeroblob(length(head))")
    change(tmp_path / "journal", "DELETE FROM closing")
    Repair(tmp_path / "journal").run(NOW)
    engine = SqliteEngine(tmp_path / "journal", clock)
    await engine.recover()
    assert (await engine.cancel_key("default", "shop", "k", START_MS)).cancelled == 1
    (ref,) = await engine.lease(10)
    assert (ref.account, ref.is_doubted) == ("TEAM/topic", False)
    await engine.aclose()


@pytest.fixture
async def killed(tmp_path, clock):
    """A journal of twelve batches of a hundred rows as a kill leaves it: all of them in the log."""
    engine = SqliteEngine(tmp_path / "working", clock)
    await engine.recover()
    for number in range(BATCHES):
        await append_batch(engine, f"b{number}", [make_chunk(0, 100)])
    shutil.copytree(
        tmp_path / "working", tmp_path / "killed", ignore=shutil.ignore_patterns("lock", "reserve", "*-shm")
    )
    await engine.aclose()
    return tmp_path / "killed"


def find_page_in_log(folder, table):
    """Return where the last version of a table's first page begins in the log; None: of the first page of all."""
    with closing(sqlite3.connect(shutil.copytree(folder, folder.with_name("look")) / "journal.db")) as connection:
        roots = dict(connection.execute("SELECT name, rootpage FROM sqlite_schema").fetchall())
    with (folder / "journal.db-wal").open("rb") as log:
        frames = list(iterate_frames(log, read_log_header(log)))
    return max(frame.at for frame in frames if frame.page == roots.get(table, 1))


@pytest.mark.parametrize(("table", "at"), [(None, PAGE_BYTES - 200), (None, 100), ("batch", 0), ("batch", 3)])
async def test_a_damaged_page_of_the_log_costs_no_batch_that_an_older_version_of_it_has(killed, clock, table, at):
    log = killed / "journal.db-wal"
    place = find_page_in_log(killed, table) + at
    overwrite(log, place, bytes([log.read_bytes()[place] ^ 0x10]))
    Repair(killed).run(NOW)
    outcomes = await finish(killed, clock)
    before_the_last = [words for (batch_id, _), words in outcomes.items() if batch_id != f"b{BATCHES - 1}"]
    assert before_the_last == [[Outcome.PROVIDER_ACCEPTED]] * 100 * (BATCHES - 1)
    assert not [path for path in killed.iterdir() if path.name.endswith((".salvage", ".older", ".new"))]
