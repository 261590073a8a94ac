"""The demo itself, small: green as it is, red with each planted defect. Real processes, TLS and scenarios."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bench.judging.defects import DEMO_DEFECTS
from tests.support.patience import HANG_SECONDS

pytestmark = pytest.mark.long

NOTIFICATIONS = 900
LAST_ACT = 300
KILLS = 3
# What each planted defect raises by one; the last needs a kill to show, and has tests of its own.
COUNTER_OF = {
    "drop-result": "lost",
    "send-twice": "duplicates",
    "change-byte": "mismatches",
    "flip-ciphertext": "decrypt_failures",
}
ONLY_BY_A_KILL = ("answer-early",)
COUNTERS = ("lost", "duplicates", "mismatches", "decrypt_failures")
# For a run that waits in vain for a result: far above any pause in a sound run, a gateway's restart among them.
SHORT_PATIENCE_SECONDS = 15.0


@contextmanager
def start_demo(output: Path, *options: str, notifications: int = NOTIFICATIONS) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "gateway.cli", "demo"]
    command += ["--notifications", str(notifications), "--output", str(output), *options]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as process:  # noqa: S603 (our own words)
        try:
            yield process
        finally:
            process.terminate()


def run_demo(output: Path, *options: str) -> tuple[int, dict[str, int], str]:
    """Return the exit code, the totals and everything that was printed."""
    with start_demo(output, *options) as process:
        return read_end(process)


def read_end(process: subprocess.Popen[str]) -> tuple[int, dict[str, int], str]:
    printed, told = process.communicate(timeout=HANG_SECONDS)
    word, _, totals = printed.splitlines()[-1].partition(" ")
    assert word == "RESULT", printed + told
    return process.returncode, json.loads(totals), printed + told


def read_children(process: subprocess.Popen[str]) -> dict[str, int]:
    """Wait until the run is under way; return the process ids of the simulators, the gateway and the caller."""
    assert process.stderr is not None
    assert any("results" in line and "results 0," not in line for line in process.stderr)
    threads = Path(f"/proc/{process.pid}/task").iterdir()  # each lists the children that it started
    numbers = [number for thread in threads for number in (thread / "children").read_text().split()]
    words = {int(number): Path(f"/proc/{number}/cmdline").read_bytes() for number in numbers}
    roles = {
        "apns": b"apns",
        "fcm": b"fcm",
        "webpush": b"webpush",
        "gateway": b"gateway.serve",
        "caller": b"bench.demo.caller",
    }
    return {name: number for name, word in roles.items() for number in words if word in words[number].split(b"\0")}


def is_running(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("notifications", [NOTIFICATIONS, 60])
def test_the_gateway_comes_through_the_scenario_and_three_kills(tmp_path: Path, notifications: int):
    with start_demo(tmp_path, notifications=notifications) as process:
        code, totals, printed = read_end(process)
    sent = notifications + notifications // 3
    right = {"sent": sent, "results": sent, "lost": 0, "mismatches": 0, "decrypt_failures": 0, "kills": KILLS}
    assert {name: totals[name] for name in right} == right, printed
    assert totals["duplicates"] <= totals["duplicates_bound"], printed
    assert totals["unknown"] <= totals["sent"] // 10
    assert code == 0, printed


def test_without_kills_there_is_no_last_act_and_nothing_twice(tmp_path: Path):
    code, totals, printed = run_demo(tmp_path, "--kills", "0")
    right = {"sent": NOTIFICATIONS, "results": NOTIFICATIONS} | dict.fromkeys(COUNTERS, 0)
    assert totals == right | {"kills": 0, "duplicates_bound": 0, "unknown": 0}, printed
    assert code == 0, printed


def test_every_defect_is_planted_here():
    assert sorted([*COUNTER_OF, *ONLY_BY_A_KILL]) == sorted(DEMO_DEFECTS)


@pytest.mark.parametrize(("defect", "counter"), COUNTER_OF.items())
def test_a_planted_defect_turns_the_demo_red(tmp_path: Path, defect: str, counter: str):
    patience = ["--patience", str(SHORT_PATIENCE_SECONDS)] if defect == "drop-result" else []
    code, totals, printed = run_demo(tmp_path, "--kills", "0", "--plant", defect, *patience)
    assert code == 1
    assert {name: totals[name] for name in COUNTERS} == dict.fromkeys(COUNTERS, 0) | {counter: 1}, printed


def test_what_is_sent_twice_without_a_kill_turns_the_demo_red_below_the_bound_too(tmp_path: Path):
    code, totals, printed = run_demo(tmp_path, "--plant", "send-twice")
    assert (code, totals["lost"], totals["mismatches"], totals["kills"]) == (1, 0, 0, KILLS), printed
    assert 1 <= totals["duplicates"] <= totals["duplicates_bound"] + 1


def test_a_gateway_that_answers_before_it_has_committed_loses_by_a_kill(tmp_path: Path):
    code, totals, printed = run_demo(tmp_path, "--plant", "answer-early", "--patience", str(SHORT_PATIENCE_SECONDS))
    assert code == 1
    assert totals["lost"] >= 1, printed
    assert (totals["mismatches"], totals["decrypt_failures"]) == (0, 0), printed


def test_what_only_a_kill_shows_is_green_without_one(tmp_path: Path):
    code, _, printed = run_demo(tmp_path, "--plant", "answer-early", "--kills", "0")
    assert code == 0, printed


def test_a_gateway_that_dies_turns_the_demo_red(tmp_path: Path):
    with start_demo(tmp_path, notifications=20_000) as process:
        os.kill(read_children(process)["gateway"], signal.SIGKILL)
        code, totals, printed = read_end(process)
    assert code == 1
    assert totals["lost"] > 0
    assert "the gateway was ended by SIGKILL" in printed


def test_a_run_that_never_began_tells_nothing_of_an_earlier_one(tmp_path: Path):
    for name in ("submissions", "answers", "results", "apns-ledger"):
        (tmp_path / f"{name}.ndjson").write_text("what is left of an earlier run\n")
    (tmp_path / "fcm").write_text("in the place of the simulator's folder")
    code, totals, printed = run_demo(tmp_path)
    assert (code, totals["sent"]) == (1, 0), printed
    assert "the fcm simulator never got ready" in printed


def test_ctrl_c_ends_every_process(tmp_path: Path):
    with start_demo(tmp_path, notifications=20_000) as process:
        children = read_children(process)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=HANG_SECONDS)
    assert process.returncode == 130
    assert "interrupted" in told
    assert "Traceback" not in told
    assert sorted(children) == ["apns", "caller", "fcm", "gateway", "webpush"]
    assert [name for name, number in children.items() if is_running(number)] == []
