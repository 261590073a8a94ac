"""The soak: drift is told by medians, the account misses nothing, a run ends early with what it saw."""

import json
import signal
import subprocess
import sys

import pytest

from bench.measurements.soak.account import Account
from bench.measurements.soak.report import SoakFigures
from bench.measurements.soak.samples import Drift, Sample, find_drift, take_sample
from protocol.outcomes import Advice, Outcome
from protocol.results import make_block

MIB = 2**20


def make_samples(rss):
    return [
        Sample(at_seconds=float(at), rss_bytes=held, descriptors=14, cpu_seconds=0.0, results=0, without_result=0)
        for at, held in enumerate(rss)
    ]


def drift_of(samples):
    return find_drift(samples, lambda each: each.rss_bytes, from_seconds=30.0, window_seconds=10.0)


@pytest.mark.parametrize(
    ("rss", "share"),
    [
        ([100 * MIB] * 101, 0.0),
        ([(10 + at) * MIB for at in range(30)] + [100 * MIB] * 71, 0.0),  # it may grow while it warms up
        ([100 * MIB] * 40 + [500 * MIB] + [100 * MIB] * 54 + [500 * MIB] * 2 + [100 * MIB] * 4, 0.0),
        ([100 * MIB] * 60 + [110 * MIB] * 41, 0.1),
        ([100 * MIB] * 60 + [95 * MIB] * 41, -0.05),
    ],
)
def test_drift_is_between_the_medians_of_two_windows(rss, share):
    assert drift_of(make_samples(rss)).share == share


def test_two_windows_that_overlap_are_not_compared():
    assert drift_of(make_samples([100 * MIB] * 45)) is None
    assert drift_of([]) is None


def test_a_process_that_is_gone_has_no_sample():
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
    with pytest.raises(OSError):  # noqa: PT011 - whichever of its files is looked at first
        take_sample(ended.pid, 0.0, Account(window_seconds=60.0))


def make_words(batch_id, indexes, *, attempts=1, outcome=Outcome.PROVIDER_ACCEPTED):
    return make_block(
        batch_id=batch_id,
        app="shop",
        labels=(),
        accepted_at_ms=0,
        provider_id_prefix=bytes(12),
        provider="apns",
        outcome=outcome,
        reason=None,
        advice=Advice.NONE,
        provider_status=200,
        provider_reason=None,
        attempts=attempts,
        uncertain_attempts=0,
        indexes=indexes,
        finished_at_ms=0,
    )


def test_the_account_tells_what_is_missing_and_what_came_twice():
    account = Account(window_seconds=60.0)
    account.open("a", 100)
    account.open("b", 100)
    account.note_block(make_words("a", [0, 99]))
    account.note_block(make_words("b", [0, 100]))
    assert (account.results, account.missing, account.repeated) == (199, 1, 0)
    account.note_block(make_words("a", [98, 100], attempts=2))
    assert (account.results, account.missing, account.repeated, account.retried) == (200, 0, 1, 1)
    account.note_block(make_words("b", [5, 7]))  # of a batch that was whole long ago
    assert account.repeated == 3
    assert account.outcomes == {"provider_accepted": 200}


def test_only_keys_within_the_window_are_counted():
    account = Account(window_seconds=60.0)
    for now in (0.0, 30.0, 61.0, 90.0):
        account.note_accepted(100, now)
    assert (account.count_keys(), account.accepted) == (3, 400)


def make_figures(**changed):
    figures = {
        "engine": "memory",
        "seconds": 600.0,
        "warm_up_seconds": 180.0,
        "was_interrupted": False,
        "demanded_per_second": 20_000,
        "rate_per_second": 20_400.0,
        "cpu_microseconds_per_notification": 10.0,
        "submitted": 100,
        "results": 100,
        "retried": 1,
        "refusals": 0,
        "outcomes": {"provider_accepted": 100},
        "lost": 0,
        "repeated_results": 0,
        "repeated_sends": 0,
        "rss": Drift(before=100.0, after=105.0),
        "descriptors": Drift(before=15.0, after=16.0),
        "without_result": Drift(before=0.0, after=100.0),
        "keys": 1,
        "bytes_a_key": 1.0,
    }
    return SoakFigures(**(figures | changed))


def test_a_run_within_its_bounds_misses_nothing():
    assert make_figures().find_misses() == []


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"rss": Drift(before=100.0, after=105.2)}, "memory"),
        ({"rss": None}, "memory"),
        ({"descriptors": Drift(before=15.0, after=18.0)}, "descriptors"),
        ({"rate_per_second": 19_999.0}, "demanded"),
        ({"lost": 1}, "lost"),
        ({"repeated_results": 1}, "twice"),
        ({"repeated_sends": 1}, "twice"),
        ({"outcomes": {"provider_accepted": 99, "unknown": 1}}, "otherwise"),
        ({"was_interrupted": True}, "interrupted"),
    ],
)
def test_what_is_out_of_bounds_is_told(changed, word):
    (miss,) = make_figures(**changed).find_misses()
    assert word in miss


@pytest.mark.long
def test_ctrl_c_reports_what_was_seen_and_leaves_no_process_behind():
    command = [sys.executable, "-m", "gateway.cli", "bench", "soak", "--minutes", "5", "--rate", "1000", "--json"]
    with subprocess.Popen(  # noqa: S603 - our own words
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, process_group=0
    ) as soak:
        assert b"1,000/s" in soak.stderr.readline()
        soak.send_signal(signal.SIGINT)
        output, said = soak.communicate(timeout=60)
    report = json.loads(output)
    assert soak.returncode == 130, said
    (run,) = report["runs"]
    assert run["was_interrupted"]
    assert (run["lost"], report["duplicates"], report["rss_drift_share"]) == (0, 0, None)
    assert run["results"] == run["submitted"]
