"""Rounds of a promise count for as long as the code that they ran stays as it was."""

from pathlib import Path

import pytest

from bench.faults.promises import make_table
from bench.faults.results import Results
from bench.faults.rounds import PROMISES, Promise, Seen
from bench.faults.sources import hash_sources

MODULE = "bench.faults.rounds.x"
TREE = {
    "protocol/frames.py": "protocol",
    "native/session.pyx": "native",
    "gateway/app.py": "gateway",
    "bench/faults/rounds/x.py": "from bench.faults.shim import Shim",
    "bench/faults/rounds/y.py": "another promise",
    "bench/faults/shim.py": 'start("bench.faults.worker")',
    "bench/faults/shim.c": "int main;",
    "bench/faults/worker.py": 'plants = "bench.judging.planted_gateway"',
    "bench/judging/planted_gateway.py": "defects",
    "bench/simulators/apns.py": "nobody's",
    "docs/promises.md": "words",
    "gateway/README.md": "words",
    "tests/test_x.py": "a test",
}
COUNT = {"count": 600, "figures": {"lost": 0.0}}


@pytest.fixture
def tree(tmp_path) -> Path:
    for name, text in TREE.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    "name",
    [name for name in TREE if name.startswith(("protocol", "native", "gateway/app"))]
    + ["bench/faults/rounds/x.py", "bench/faults/shim.py", "bench/faults/shim.c", "bench/faults/worker.py"],
)
def test_what_a_round_runs_is_part_of_its_hash(tree, name):
    before = hash_sources(MODULE, tree)
    (tree / name).write_text(TREE[name] + " changed")
    assert hash_sources(MODULE, tree) != before


def test_documents_tests_other_rounds_and_planted_defects_are_not(tree):
    before = hash_sources(MODULE, tree)
    for name in TREE:
        if name.startswith(("docs", "tests", "bench/simulators", "bench/faults/planted")) or "README" in name:
            (tree / name).write_text("other words")
    (tree / "bench/faults/rounds/y.py").write_text("other words")
    assert hash_sources(MODULE, tree) == before


def test_a_file_that_comes_or_goes_is_seen(tree):
    before = hash_sources(MODULE, tree)
    (tree / "gateway" / "more.py").write_text("")
    with_more = hash_sources(MODULE, tree)
    (tree / "gateway" / "more.py").rename(tree / "gateway" / "other.py")
    assert len({before, with_more, hash_sources(MODULE, tree)}) == 3


async def run_nothing(folder: Path, seed: int) -> Seen:
    return Seen(**COUNT, failures=[])


PROMISE = Promise(number="P0", demanded="nothing", demanded_count=1000, unit="tries", run=run_nothing)


def show(results: Results) -> tuple[list[str], bool]:
    table, is_kept = make_table([PROMISE], results)
    return [str(next(iter(column.cells))) for column in table.columns][2:], is_kept


def test_rounds_on_the_same_code_are_added_up_whatever_the_commit(tmp_path):
    Results(tmp_path / "results", "aaa").add(PROMISE, Seen(**COUNT, failures=[]), 1.0)
    results = Results(tmp_path / "results", "bbb")
    assert results.count(PROMISE) == 600
    assert show(results) == (["600 tries, lost 0", "so far, 60%", ""], True)
    results.add(PROMISE, Seen(**COUNT, failures=[]), 1.0)
    assert show(results) == (["1200 tries, lost 0", "yes", ""], True)


def test_rounds_on_other_code_are_named_and_do_not_count(tmp_path):
    path = tmp_path / "results"
    Results(path, "aaa").add(PROMISE, Seen(**COUNT, failures=["one"]), 1.0)
    results = Results(path, "bbb")
    assert show(results) == (["600 tries, lost 0", "no: 1 failures", ""], False)
    path.write_text(path.read_text().replace('"sources":"', '"sources":"0'))
    results = Results(path, "bbb")
    (seen, verdict, other), is_kept = show(results)
    assert (results.count(PROMISE), seen, verdict, is_kept) == (0, "0 tries", "not run", True)
    assert other.startswith("600 tries, last on aaa, 20")
    assert other.endswith(", 1 failures")


def test_every_promise_has_a_hash_of_its_own():
    assert len({hash_sources(promise.run.__module__) for promise in PROMISES}) == len(PROMISES)
