"""The comparison of two trees: paired, with an interval that holds, and an exit code that is never a guess."""

import itertools
import json
import random
import stat
import subprocess
import sys

import pytest

from bench.cli.bench import bench
from bench.measurements.compare.figures import COMPARED, Figure
from bench.measurements.compare.ratios import Finding, LimitFinding, Ratio, find_ratio, hold_against, judge
from bench.measurements.compare.report import Limit, compare_figures


def make_ratio(low, median, high):
    return Ratio(low=low, median=median, high=high)


@pytest.mark.parametrize(
    ("pairs", "outside"),
    # The sign test's own table: how many of n ordered values lie below the 95 % interval of the median.
    [(6, 0), (8, 0), (9, 1), (11, 1), (12, 2), (15, 3), (20, 5), (100, 39)],
)
def test_the_interval_is_that_of_the_sign_test(pairs, outside):
    ratio = find_ratio([(1.0, 1.0 + number / 1000) for number in range(pairs)])
    assert ratio.low == round(1 + outside / 1000, 4)
    assert ratio.high == round(1 + (pairs - 1 - outside) / 1000, 4)


def test_the_interval_holds_the_true_ratio_as_often_as_it_says():
    dice = random.Random(1)
    rounds = 1_000
    held = 0
    for _ in range(rounds):
        # Noise that is far from normal: now and then a neighbour doubles what is measured.
        pairs = [
            (
                dice.lognormvariate(0, 0.1) * dice.choice((1, 1, 1, 2)),
                1.1 * dice.lognormvariate(0, 0.1) * dice.choice((1, 1, 1, 2)),
            )
            for _ in range(10)
        ]
        ratio = find_ratio(pairs)
        held += ratio.low <= 1.1 <= ratio.high
    assert held / rounds >= 0.95


def test_fewer_than_six_pairs_have_no_interval():
    with pytest.raises(ValueError, match="needs 6"):
        find_ratio([(1.0, 1.0)] * 5)


@pytest.mark.parametrize(
    ("ratio", "is_cost", "finding"),
    [
        (make_ratio(1.01, 1.02, 1.03), True, Finding.DEARER),
        (make_ratio(0.97, 0.98, 0.99), True, Finding.CHEAPER),
        (make_ratio(0.99, 1.02, 1.03), True, Finding.NO_DIFFERENCE),
        (make_ratio(1.01, 1.02, 1.03), False, Finding.CHEAPER),
        (make_ratio(0.97, 0.98, 0.99), False, Finding.DEARER),
    ],
)
def test_more_of_a_cost_and_less_of_a_rate_is_dearer(ratio, is_cost, finding):
    assert judge(ratio, is_cost=is_cost) is finding


@pytest.mark.parametrize(
    ("ratio", "is_cost", "against_limit"),
    [
        (make_ratio(0.98, 1.0, 1.05), True, LimitFinding.KEPT),
        (make_ratio(1.06, 1.07, 1.08), True, LimitFinding.BROKEN),
        (make_ratio(1.04, 1.05, 1.06), True, LimitFinding.UNDECIDED),
        (make_ratio(1 / 1.05, 0.98, 1.2), False, LimitFinding.KEPT),
        (make_ratio(0.5, 0.6, 0.7), False, LimitFinding.BROKEN),
        (make_ratio(0.9, 1.0, 1.1), False, LimitFinding.UNDECIDED),
    ],
)
def test_a_limit_is_kept_or_broken_only_by_the_whole_interval(ratio, is_cost, against_limit):
    assert hold_against(ratio, 1.05, is_cost=is_cost) is against_limit


def test_figures_of_one_tree_alone_are_named_and_left_out():
    a = [Figure("both", 2.0, is_cost=True), Figure("old", 1.0, is_cost=True), Figure("none", 0.0, is_cost=True)]
    b = [Figure("both", 3.0, is_cost=True), Figure("new", 1.0, is_cost=True), Figure("none", 1.0, is_cost=True)]
    figures, left_out = compare_figures([(a, b)] * 6, Limit(1.05, "both"))
    assert [(each.name, each.a, each.b, each.ratio.median, each.against_limit) for each in figures] == [
        ("both", 2.0, 3.0, 1.5, LimitFinding.BROKEN)
    ]
    assert left_out == ["old", "none", "new"]


def make_tree(folder, *costs, status=0):
    """Make a checkout whose bench notes its call, then prints the next of these costs."""
    program = folder / ".venv" / "bin" / "pushmill"
    program.parent.mkdir(parents=True)
    (folder / "costs").write_text("".join(f"{cost}\n" for cost in costs))
    program.write_text(
        f"""#!/bin/sh
case "$*" in *--help) exit 0 ;; esac
printf %s "${{PWD##*/}}" >>../calls
read -r cost <costs
sed -i 1d costs
echo 'a line of progress' >&2
printf '{{"gateway_rss_mib": %s, "ratio_to_imports": 1.2}}' "$cost"
exit {status}
"""
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return folder


def compare(*words, cwd):
    return subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "gateway.cli", "bench", "compare", *words],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("a", "b", "options", "status"),
    [
        ("10", "12", (), 0),
        ("10", "12", ("--at-most", "1.05"), 1),
        ("10", "10.4", ("--at-most", "1.05"), 0),
        ("10", "12", ("--at-most", "1.05", "--figure", "imports"), 0),
    ],
)
def test_two_trees_take_turns_and_the_exit_code_tells(tmp_path, a, b, options, status):
    make_tree(tmp_path / "a", *itertools.repeat(a, 6))
    make_tree(tmp_path / "b", *itertools.repeat(b, 6), status=1)
    seen = compare("a", "b", "idle", "--pairs", "6", "--json", *options, cwd=tmp_path)
    assert seen.returncode == status, seen.stderr
    assert (tmp_path / "calls").read_text() == "abbaabbaabba"
    report = json.loads(seen.stdout)
    assert report["figures"][0]["ratio"]["median"] == float(b) / float(a)
    assert seen.stderr.count("\n") == 12  # a line a run; what the benches say of their own progress is not repeated


def test_what_is_within_noise_is_undecided(tmp_path):
    make_tree(tmp_path / "a", *itertools.repeat("10", 6))
    make_tree(tmp_path / "b", "10", "11", "10", "11", "10", "11")
    assert compare("a", "b", "idle", "--pairs", "6", "--at-most", "1.05", cwd=tmp_path).returncode == 3


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("a", "nowhere", "idle"), "nowhere: no built checkout"),
        (("a", "broken", "idle", "--pairs", "6"), "ended with status 2: a line of progress"),
        (("a", "a", "swiftness"), "'swiftness' is not one of gateway,"),
        (
            ("a", "a", "idle", "--pairs", "6", "--at-most", "1", "--figure", "speed"),
            "no figure of both trees has 'speed'",
        ),
    ],
)
def test_what_can_not_be_measured_is_said_in_one_line(tmp_path, words, said):
    make_tree(tmp_path / "a", *itertools.repeat("10", 12))
    make_tree(tmp_path / "broken", *itertools.repeat("10", 12), status=2)
    seen = compare(*words, cwd=tmp_path)
    assert seen.returncode == 2
    assert said in " ".join(seen.stderr.replace("│", " ").split())


def test_each_bench_that_is_compared_exists():
    assert set(COMPARED) <= {command.name or command.callback.__name__ for command in bench.registered_commands}
