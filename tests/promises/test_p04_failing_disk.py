"""P4: after the first failed flush nothing is accepted any more and the gateway ends; a full disk it outlives."""

import errno

import pytest
import trio

from bench.faults.every_flush import fail_flush_number
from bench.faults.failing_disk import FlushFailure, fail_flush, fail_once
from bench.faults.full_disk import fill_disk
from bench.faults.gateway_process import DATABASE, LOG, open_place, start_gateway
from bench.faults.kill_caller import make_batch
from bench.faults.shim import Rule
from bench.faults.trace import FOLDER
from bench.simulators.apns import open_apns_simulator
from gateway.caller import CallerError, open_caller

pytestmark = pytest.mark.long

# The promise is one second; the rest is for a machine that runs other tests beside.
LONGEST_SECONDS = 50.0
PARTS = 6  # into which the flushes that fail are divided: each is a process or two


def assert_ended_in_time(seen: FlushFailure) -> None:
    assert seen.exit_code == 1, seen
    assert seen.seconds_to_exit < LONGEST_SECONDS
    assert "can't be written" in seen.last_words


@pytest.mark.parametrize("at", [4, 9])
async def test_a_failed_flush_of_the_log_ends_the_gateway_and_is_never_tried_again(tmp_path, at):
    seen = await fail_flush(tmp_path, fail_once(LOG, at))
    assert seen.failed == LOG
    assert_ended_in_time(seen)
    assert seen.lost == []
    assert seen.flushed_again == 0


# The journal is made under another name first, whose log SQLite gives a name of its own, then it gets its name, then
# its log.
@pytest.mark.parametrize(("at", "complaint"), [(4, "nothing was changed"), (5, "can't be written")])
async def test_a_failed_flush_of_the_folder_ends_the_gateway(tmp_path, at, complaint):
    seen = await fail_flush(tmp_path, fail_once(FOLDER, at))
    assert seen.failed == FOLDER
    assert (seen.exit_code, seen.answered) == (1, 0)
    assert complaint in seen.last_words


async def test_a_failed_flush_of_the_database_is_told_by_the_exit_code_and_loses_nothing(tmp_path):
    seen = await fail_flush(tmp_path, fail_once(DATABASE, 1), drains=True)
    assert seen.failed == DATABASE
    assert seen.answered > 0
    assert_ended_in_time(seen)
    assert seen.lost == []


@pytest.mark.parametrize("at", [9, 60])
async def test_a_failed_write_ends_the_gateway_in_one_line(tmp_path, at):
    seen = await fail_flush(tmp_path, Rule("write", LOG, at, "error", errno.EIO))
    assert seen.exit_code == 1, seen
    assert seen.lost == []
    assert "Traceback" not in seen.last_words
    assert "exception group" not in seen.last_words.lower()
    assert seen.last_words.count("can't be written") == 1


@pytest.mark.parametrize("name", [LOG, DATABASE, "lock"])
async def test_a_gateway_whose_file_is_removed_accepts_nothing_more_and_ends(tmp_path, name):
    async with (
        open_apns_simulator() as simulator,
        open_place(tmp_path, simulator) as place,
        start_gateway(place) as child,
        open_caller(place.address) as caller,
    ):
        simulator.stall()
        assert (await caller.send(make_batch("before", 50))).accepted == 50
        (place.journal / name).unlink()
        with pytest.raises(CallerError):
            await caller.send(make_batch("after", 50))
        with trio.fail_after(LONGEST_SECONDS):
            assert await child.wait() == 1
        assert child.last_words().count("put them back") == 1


@pytest.fixture(scope="module")
def flushes(tmp_path_factory):
    """Return how many flushes a transaction of every kind takes."""
    sound = trio.run(fail_flush_number, tmp_path_factory.mktemp("sound") / "run", 0)
    assert list(sound.failures()) == []
    return sound.flushes


@pytest.mark.parametrize("part", range(PARTS))
async def test_every_flush_of_every_kind_of_transaction_ends_the_process_when_it_fails(tmp_path, flushes, part):
    numbers = range(1 + part, flushes + 1, PARTS)
    seen = {number: await fail_flush_number(tmp_path / str(number), number) for number in numbers}
    assert {number: failures for number, run in seen.items() if (failures := list(run.failures()))} == {}
    assert any(run.failed == LOG for run in seen.values())
    assert max(run.seconds_to_exit for run in seen.values()) < LONGEST_SECONDS


@pytest.mark.planted("P4", "hide-failure")
async def test_a_gateway_that_hides_a_failed_flush_is_found_out(tmp_path, defect):
    seen = await fail_flush(tmp_path, fail_once(LOG, 5), plant=defect, patience_seconds=4.0)
    assert seen.lost != []


async def test_a_full_disk_refuses_the_new_finishes_the_old_and_is_forgotten_without_a_restart(tmp_path):
    seen = await fill_disk(tmp_path)
    assert seen.refusals == {"journal_unavailable"}
    assert seen.owed_when_full > 0
    assert seen.finished_while_full == seen.owed_when_full
    assert seen.accepted_afterwards > 0
    assert seen.failures == []
