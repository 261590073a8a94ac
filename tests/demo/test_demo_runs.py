"""The demo itself, small: green as it is, red with each planted defect. Real processes, real TLS, the real scenario."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

NOTIFICATIONS = 2_000
# A green run takes two or three seconds; a stalled one waits this long for progress that never comes.
PATIENCE_SECONDS = 5.0
LONGEST_RUN_SECONDS = 120.0


def run_demo(output: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "gateway.cli", "demo", "--notifications", str(NOTIFICATIONS)]
    command += ["--output", str(output), "--patience", str(PATIENCE_SECONDS), *options]
    return subprocess.run(  # noqa: S603 (our own words)
        command, capture_output=True, text=True, check=False, timeout=LONGEST_RUN_SECONDS
    )


def read_totals(run: subprocess.CompletedProcess[str]) -> dict[str, int]:
    word, _, totals = run.stdout.splitlines()[-1].partition(" ")
    assert word == "RESULT", run.stdout + run.stderr
    return json.loads(totals)


def test_the_gateway_comes_through_the_scenario(tmp_path: Path):
    run = run_demo(tmp_path)
    assert read_totals(run) == {
        "sent": NOTIFICATIONS,
        "results": NOTIFICATIONS,
        "lost": 0,
        "duplicates": 0,
        "mismatches": 0,
    }
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize(
    ("defect", "counter"), [("drop-result", "lost"), ("send-twice", "duplicates"), ("change-byte", "mismatches")]
)
def test_a_planted_defect_turns_the_demo_red(tmp_path: Path, defect: str, counter: str):
    run = run_demo(tmp_path, "--plant", defect)
    totals = read_totals(run)
    assert run.returncode == 1
    assert totals[counter] == 1, run.stdout + run.stderr
    assert totals["lost"] + totals["duplicates"] + totals["mismatches"] == 1
