"""A journal of an earlier version becomes one of this version, whole or not at all, and the old file stays."""

import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bench.faults.kept_journals import list_kept, unpack_journal
from bench.faults.shim import FaultShim, Rule
from gateway.cli.main import app
from gateway.journal.errors import JournalError
from gateway.journal.sqlite.care.checking import check_journal
from gateway.journal.sqlite.care.inspection import find_journal_fault
from gateway.journal.sqlite.care.repair import Repair
from gateway.journal.sqlite.care.survey import Survey
from gateway.journal.sqlite.disk import schema, upgrading
from gateway.journal.sqlite.disk.opening import open_journal

OLD = [version for version in list_kept() if version < schema.VERSION]
KILLED_AT_MOST = 400  # operations of one upgrade: a bound on hanging


@pytest.fixture(params=OLD)
def folder(request, tmp_path) -> Path:
    (tmp_path / "journal").mkdir(mode=0o700)
    unpack_journal(request.param, tmp_path / "journal")
    return tmp_path / "journal"


def read_all(database: Path) -> dict[str, list[tuple[object, ...]]]:
    """Return everything in a journal, by table."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        return {table: sorted(connection.execute(f"SELECT * FROM {table}").fetchall()) for table in tables}  # noqa: S608


def read_version(database: Path) -> int:
    return int.from_bytes(database.read_bytes()[60:64], "big")


def run(folder: Path, command: str, *arguments: str):
    return CliRunner().invoke(app, ["journal", command, "-d", str(folder), *arguments])


def test_all_but_the_batches_is_copied_as_it_is_and_the_old_file_stays(folder):
    before = read_all(folder / "journal.db")
    database = open_journal(folder)
    names = {path.name for path in folder.iterdir()}
    assert names - {"journal.db-shm", "journal.db-wal"} == {"journal.db", "journal.db.version-1"}
    upgraded = read_all(database)
    assert {name for name in before if before[name] != upgraded[name]} == {"batch"}
    assert len(before["batch"]) == len(upgraded["batch"])
    kept = folder / "journal.db.version-1"
    assert read_all(kept) == before
    assert kept.stat().st_mode & 0o777 == 0o600
    assert check_journal(folder / "journal.db").findings == []


def test_the_tables_stand_where_those_of_a_new_journal_do(folder, tmp_path):
    def find_roots(database: Path) -> list[tuple[object, ...]]:
        with closing(sqlite3.connect(database)) as connection:
            return connection.execute("SELECT name, rootpage FROM sqlite_schema ORDER BY name").fetchall()

    assert find_roots(open_journal(folder)) == find_roots(open_journal(tmp_path / "new"))


def upgrade_killed(folder: Path, rule: Rule) -> bool:
    """Upgrade in a process that dies by a rule; return whether it came to its end before that."""
    command = [sys.executable, "-m", "gateway.cli", "journal", "upgrade", "--directory", str(folder)]
    ended = subprocess.run(  # noqa: S603 - our own commands
        FaultShim(folder=folder, rules=[rule]).wrap(command), check=False, capture_output=True
    )
    assert ended.returncode in {0, -signal.SIGKILL}, ended.stderr
    assert read_version(folder / "journal.db") in ({schema.VERSION} if not ended.returncode else {1, schema.VERSION})
    return not ended.returncode


@pytest.mark.parametrize(
    "rule", [Rule("write", "*", 60, "kill"), Rule("sync", "*", 3, "kill"), Rule("name", "*", 6, "kill")]
)
def test_a_killed_upgrade_leaves_a_sound_journal_and_the_next_start_finishes(folder, tmp_path, rule):
    whole = read_all(open_journal(Path(shutil.copytree(folder, tmp_path / "whole"))))
    assert not upgrade_killed(folder, rule)
    assert read_all(open_journal(folder)) == whole


@pytest.mark.long
@pytest.mark.parametrize("operation", ["write", "sync", "name"])
def test_so_does_one_killed_at_any_operation(folder, tmp_path, operation):
    whole = read_all(open_journal(Path(shutil.copytree(folder, tmp_path / "whole"))))
    at = 1
    while not upgrade_killed(
        copy := Path(shutil.copytree(folder, tmp_path / str(at))), Rule(operation, "*", at, "kill")
    ):
        assert read_all(open_journal(copy)) == whole
        shutil.rmtree(copy)
        at += 1 if operation != "write" or at < 8 else 10
        assert at < KILLED_AT_MOST
    assert at > 2


def test_a_large_one_is_refused_at_a_start_and_upgraded_by_command(folder, monkeypatch):
    monkeypatch.setattr("gateway.journal.sqlite.disk.opening.AT_START_BYTES", 1024)
    before = (folder / "journal.db").read_bytes()
    with pytest.raises(JournalError, match="too many to be upgraded to 2 at a start; run `pushmill journal upgrade`"):
        open_journal(folder)
    assert (folder / "journal.db").read_bytes() == before
    done = run(folder, "upgrade")
    assert (done.exit_code, "batch: 10" in done.stderr) == (0, True)
    assert "journal.db.version-1" in done.stdout
    assert read_version(open_journal(folder)) == schema.VERSION
    assert "has this version already" in run(folder, "upgrade").stdout


def test_without_room_for_a_second_file_nothing_is_begun(folder, monkeypatch):
    monkeypatch.setattr(upgrading, "SPARE_BYTES", 1 << 60)
    names = {path.name for path in folder.iterdir()}
    with pytest.raises(JournalError, match=r"upgrading it takes .* bytes of room on its disk"):
        open_journal(folder)
    assert {path.name for path in folder.iterdir()} - names <= {"journal.db-shm"}


def test_a_damaged_one_is_left_to_repair_which_reads_it_too(folder):
    with closing(sqlite3.connect(folder / "journal.db")) as connection, connection:
        connection.execute("UPDATE batch SET answer = zeroblob(length(answer)) WHERE number = 2")
    (finding,) = check_journal(folder / "journal.db").findings
    assert finding.place == "batch"
    with pytest.raises(JournalError, match=r"damaged .* can't be upgraded; nothing was changed"):
        open_journal(folder)
    assert read_version(folder / "journal.db") == 1
    report = Repair(folder).run(datetime(2026, 11, 30, tzinfo=UTC))
    assert (report.batches, report.batches_lost, report.chunks) == (9, 1, 6)
    assert check_journal(open_journal(folder)).findings == []


def test_what_only_looks_says_what_is_to_be_done_and_changes_nothing(folder):
    with pytest.raises(JournalError, match="has version 1, which this gateway upgrades to 2: start it, or run"):
        Survey(folder)
    assert find_journal_fault(folder) is None
    assert run(folder, "check").exit_code == 0
    assert read_version(folder / "journal.db") == 1


def test_how_much_the_keys_take_is_told(folder):
    open_journal(folder)
    keys = Survey(folder).count_keys()
    assert keys.kept == 10
    assert f"10 batch ids are kept; they count for {keys.counted_bytes:,} bytes" in run(folder, "shape").stdout
