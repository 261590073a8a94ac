"""Each promise has its rounds, its file of tests, its row in docs/promises.md, and a defect that turns it red."""

import importlib.util
import re
from pathlib import Path

from bench.faults.rounds import PROMISES
from bench.judging.defects import PROMISE_DEFECTS
from tests.support.tree import ROOT

FILES = [(f"P{int(path.name[6:8])}", path) for path in Path(__file__).parent.glob("test_p[0-9][0-9]_*.py")]
WITH_ROUNDS = {number for promise in PROMISES for number in promise.number.split()}


def find_planted() -> set[tuple[str, str]]:
    """Return (promise, defect) of every test that is marked as planting one."""
    found = set()
    for _, path in FILES:
        spec = importlib.util.spec_from_file_location(f"planted_in_{path.stem}", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        for value in vars(module).values():
            marks = getattr(value, "pytestmark", []) if callable(value) else []
            found |= {mark.args for mark in marks if mark.name == "planted"}
    return found


def test_each_promise_has_rounds_a_file_and_a_row_in_the_document():
    rows = re.findall(r"^\| (P\d+) ", (ROOT / "docs" / "promises.md").read_text(), re.MULTILINE)
    assert {promise for promise, _ in FILES} == WITH_ROUNDS
    assert set(rows) == WITH_ROUNDS


def test_a_defect_turns_each_promise_red():
    assert {promise for promise, _ in find_planted()} == WITH_ROUNDS


def test_each_defect_turns_a_promise_red():
    assert set(PROMISE_DEFECTS) - {defect for _, defect in find_planted()} == set()
