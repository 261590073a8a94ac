"""The preloaded shim under a small program: what it sees, and what it spoils."""

import errno
import os
import signal
import subprocess
import sys

import pytest

from bench.faults.shim import FaultShim, Rule
from bench.faults.trace import CREATE, FOLDER, MARK, RENAME, SYNC, TRUNCATE, UNLINK, WRITE, read_trace

PROGRAM = """
import os, sys
folder = sys.argv[1]
file = os.open(folder + "/a", os.O_CREAT | os.O_RDWR)
marks = os.open(sys.argv[2], os.O_CREAT | os.O_WRONLY)
def tell(call, *arguments):
    try:
        call(*arguments)
        print("ok", end=" ", flush=True)
    except OSError as error:
        print(error.errno, end=" ", flush=True)
tell(os.write, file, b"one")
tell(os.fsync, file)
tell(os.write, marks, b"mark")
tell(os.pwrite, file, b"two", 3)
tell(os.fdatasync, file)
tell(os.ftruncate, file, 4)
tell(os.rename, folder + "/a", folder + "/b")
opened = os.open(folder, os.O_RDONLY)
tell(os.fsync, opened)
tell(os.unlink, folder + "/b")
"""


@pytest.fixture
def run(tmp_path):
    """Return what runs the program under the shim and returns how it ended, what it said, and the trace."""

    def run_program(*rules, limit_bytes=None):
        folder, trace, marks, limit = (tmp_path / name for name in ("folder", "trace", "marks", "limit"))
        folder.mkdir()
        if limit_bytes is not None:
            limit.write_text(str(limit_bytes))
        shim = FaultShim(folder=folder, rules=rules, trace_file=trace, marks_file=marks, limit_file=limit)
        command = [sys.executable, "-S", "-c", PROGRAM, str(folder), str(marks)]
        done = subprocess.run(command, check=False, capture_output=True, text=True, env=os.environ | shim.environment())  # noqa: S603
        assert done.stderr == ""
        return done.returncode, done.stdout.split(), read_trace(trace)

    return run_program


def test_every_call_is_seen_in_order(run):
    code, said, trace = run()
    assert (code, set(said)) == (0, {"ok"})
    assert [(event.kind, event.name, event.offset, event.data) for event in trace] == [
        (CREATE, "a", 0, b""),
        (WRITE, "a", 0, b"one"),
        (SYNC, "a", 0, b""),
        (MARK, "", 0, b"mark"),
        (WRITE, "a", 3, b"two"),
        (SYNC, "a", 0, b""),
        (TRUNCATE, "a", 4, b""),
        (RENAME, "a", 0, b"b"),
        (SYNC, FOLDER, 0, b""),
        (UNLINK, "b", 0, b""),
    ]
    assert [event.at for event in trace] == sorted(event.at for event in trace)


def test_the_nth_call_fails_and_never_again(run):
    _, said, trace = run(Rule("sync", "a", 1, "error", errno.EIO))
    assert said == ["ok", "5", *["ok"] * 7]
    assert [event.error for event in trace if event.kind == SYNC] == [errno.EIO, 0, 0]


def test_the_nth_call_and_all_after_fail(run):
    _, said, _ = run(Rule("sync", "*", 2, "error", errno.EIO, and_after=True))
    assert said == ["ok", "ok", "ok", "ok", "5", "ok", "ok", "5", "ok"]


def test_writes_fail_from_the_nth_on_as_on_a_full_disk(run):
    _, said, _ = run(Rule("write", "a", 2, "error", errno.ENOSPC, and_after=True))
    assert said[3] == str(errno.ENOSPC)


def test_what_makes_the_folder_too_large_finds_no_room(run):
    _, said, _ = run(limit_bytes=4)
    assert said == ["ok", "ok", "ok", str(errno.ENOSPC), "ok", "ok", "ok", "ok", "ok"]


def test_a_swallowed_flush_says_yes_and_is_in_no_trace(run):
    _, said, trace = run(Rule("sync", "*", 1, "swallow", and_after=True))
    assert set(said) == {"ok"}
    assert [event for event in trace if event.kind == SYNC] == []


@pytest.mark.parametrize(("action", "written"), [("kill", [b"one"]), ("killafter", [b"one", b"two"])])
def test_a_program_dies_in_place_of_a_call_or_right_after_it(run, action, written):
    code, said, trace = run(Rule("write", "a", 2, action))
    assert code == -signal.SIGKILL
    assert said == ["ok"] * 3
    assert [event.data for event in trace if event.kind == WRITE] == written


def test_a_slow_flush_takes_its_time(run):
    _, _, trace = run(Rule("sync", "a", 1, "sleep", 50))
    assert trace[2].at - trace[1].at >= 0.05
