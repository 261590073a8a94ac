"""`pushmill journal` on a real journal: what it shows, what it refuses, what it leaves."""

import json

import pytest
import structlog.testing
import trio
from typer.testing import CliRunner

from gateway.cli.journal import journal
from gateway.clock import SystemClock
from gateway.journal.encoding import MARK
from gateway.journal.sqlite import SqliteEngine
from gateway.journal.sqlite.disk.files import FolderLock
from gateway.telemetry.lane_notes import MOST_LANES, NotingListener
from protocol.outcomes import Outcome
from protocol.reasons import Reason
from tests.support.journal import (
    LANE,
    append_batch,
    make_chunk,
    read_results,
    settle_held,
    settle_ref,
)


async def prepare(folder):
    engine = SqliteEngine(folder, SystemClock())
    await engine.recover()
    for name in "ab":
        await append_batch(engine, name, [make_chunk(0, 3), make_chunk(3, 10)])
    await settle_held(engine, [settle_ref(ref) for ref in await engine.lease(3)])
    await engine.aclose()


async def read_all(folder):
    engine = SqliteEngine(folder, SystemClock())
    await engine.recover()
    results = await read_results(engine)
    await engine.aclose()
    return results


@pytest.fixture
def folder(tmp_path):
    """A journal with two batches of ten, three rows of the first settled."""
    trio.run(prepare, tmp_path / "journal")
    return tmp_path / "journal"


def run(folder, *words):
    return CliRunner().invoke(journal, [*words, "--directory", str(folder)], env={"COLUMNS": "200"})


def lines(result):
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_the_shape_counts_what_is_owed_by_lane_and_age(folder):
    (shape,) = lines(run(folder, "shape", "--json"))
    assert sum(shape["lanes"][LANE]) == 17
    assert LANE in run(folder, "shape").stdout


@pytest.mark.parametrize("columns", ["20", "40", "200"])
def test_the_shape_never_cuts_a_lane(folder, monkeypatch, columns):
    monkeypatch.setenv("FORCE_COLOR", "1")  # as a terminal, which has an edge
    result = CliRunner().invoke(journal, ["shape", "--directory", str(folder)], env={"COLUMNS": columns})
    assert LANE in result.stdout
    assert "…" not in result.stdout


def test_the_shape_says_what_a_lane_is_held_for_and_when_it_tries_again(folder):
    assert "whether a lane is held, and its last error, is not noted here" in run(folder, "shape").stdout
    listener = NotingListener(folder, SystemClock().wall)

    async def keep() -> None:
        with trio.move_on_after(0):
            await listener.keep()

    with structlog.testing.capture_logs():
        listener.session_failed(LANE, "connection refused", 5)
        listener.lane_held(LANE, Reason.BAD_CREDENTIALS, "InvalidProviderToken", 600)
    trio.run(keep)
    told = run(folder, "shape").stdout
    assert f"{LANE}: held for bad_credentials, InvalidProviderToken; last error at " in told
    assert "; next attempt at " in told
    assert "no gateway is at work on this journal" in told
    (shape,) = lines(run(folder, "shape", "--json"))
    state = shape["states"][LANE]
    assert (state["state"], state["held_for"]) == ("held", "bad_credentials, InvalidProviderToken")
    assert state["next_attempt_at"] > state["last_error_at"] > 0
    with structlog.testing.capture_logs():
        listener.lane_resumed(LANE)
    trio.run(keep)
    lock = FolderLock(folder)
    lock.take()
    try:
        (shape,) = lines(run(folder, "shape", "--json"))
    finally:
        lock.release()
    assert (shape["states"][LANE]["state"], shape["gateway_at_work"]) == ("sending", True)


def test_notes_of_lanes_are_bounded():
    listener = NotingListener(None, SystemClock().wall)
    with structlog.testing.capture_logs():
        for number in range(MOST_LANES + 5):
            listener.lane_answered(f"lane {number}")
    assert len(listener._lanes) == MOST_LANES
    assert "lane 4" not in listener._lanes


def test_a_batch_is_found_by_its_id_and_a_notification_by_its_own(folder):
    (batch,) = lines(run(folder, "find", "--batch-id", "a"))
    assert (batch["accepted"], batch["owed"], batch["unread"]) == (10, 7, 3)
    (owed,) = lines(run(folder, "find", "--batch-id", "a", "--id", "n5"))
    assert (owed["index"], owed["state"], owed["lane"]) == (5, "queued", LANE)
    assert len(lines(run(folder, "find", "--id", "n5"))) == 2


def test_what_has_its_result_is_not_found(folder):
    result = run(folder, "find", "--batch-id", "a", "--id", "n1")
    assert result.exit_code == 1
    assert "has its result already" in result.stderr


def test_an_export_has_every_owed_row_and_contents_only_when_asked_for(folder):
    rows = lines(run(folder, "export"))
    assert [(row["batch_id"], row["index"]) for row in rows] == [("a", at) for at in range(3, 10)] + [
        ("b", at) for at in range(10)
    ]
    assert {row["body"] for row in rows} == {None}
    assert lines(run(folder, "export", "--contents", "--batch-id", "b"))[0]["body"] is not None


def test_what_is_purged_has_its_result(folder):
    assert "7 notifications cancelled" in run(folder, "purge", "--batch-id", "a", "--yes").stdout
    outcomes = [outcome for *_, outcome in trio.run(read_all, folder)]
    assert outcomes == [Outcome.PROVIDER_ACCEPTED] * 3 + [Outcome.CANCELLED] * 7
    assert len(lines(run(folder, "export"))) == 10


def test_nothing_is_purged_without_a_yes(folder):
    result = CliRunner().invoke(journal, ["purge", "--everything", "--directory", str(folder)], input="n\n")
    assert result.exit_code == 1
    assert "Give up 17 notifications of 2 batches for good?" in result.stdout
    assert len(lines(run(folder, "export"))) == 17


def test_a_sound_journal_is_called_sound_and_a_damaged_one_is_not(folder):
    assert run(folder, "check").stdout == "2 batches, 3 chunks, 1 blocks of results: sound\n"
    with (folder / "journal.db").open("r+b") as file:
        at = file.read().rindex(MARK) + 60
        file.seek(at)
        file.write(b"\xff")
    result = run(folder, "check")
    assert result.exit_code == 1
    assert "does not match" in result.stdout or "do not match" in result.stdout
    assert "see `pushmill journal repair`" in result.stdout
    repaired = run(folder, "repair", "--yes")
    assert repaired.exit_code == 0
    assert "the next start ends them as failed, reason journal_damaged" in repaired.stdout
    assert "kept: 2 batches, 2 chunks" in repaired.stdout


@pytest.mark.parametrize("words", [["check"], ["repair", "--yes"], ["purge", "--everything", "--yes"]])
def test_what_needs_a_stopped_gateway_says_so_and_what_only_reads_does_not(folder, words):
    lock = FolderLock(folder)
    lock.take()
    result = run(folder, *words)
    assert result.exit_code == 1
    assert "in use by another gateway" in result.stderr
    assert "stop that first (systemctl stop pushmill, or SIGTERM)" in result.stderr
    assert "a journal.directory of its own" not in result.stderr
    assert sum(lines(run(folder, "shape", "--json"))[0]["lanes"][LANE]) == 17
    lock.release()


def test_a_folder_without_a_journal_is_named_and_left_empty(tmp_path):
    for words in (["shape"], ["check"], ["repair", "--yes"], ["purge", "--everything", "--yes"]):
        result = run(tmp_path, *words)
        assert result.exit_code == 1
        assert "there is no journal" in result.stderr
    assert list(tmp_path.iterdir()) == []
