"""What the journal takes in, what a slow disk does to that, and what it writes for a notification.

The gate is paired: in every round the engine and a table with one row a notification take in the same notifications in
batches of 1,000, each in a fresh process on the same disk, another one first each time. The slow disk is a preloaded
shim that has every flush of the journal's files take 5 ms (:mod:`bench.faults`).
"""

import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import msgspec

from bench.faults.shim import FaultShim, Rule
from bench.measurements.machine import Machine, describe_machine
from bench.measurements.measure import MeasurementError, Spread, paired_ratios, turn_order

GATE_BATCH_ROWS = 1_000
BATCH_SIZES = (1, 100, 1_000)
LEAST_RATIO = 2.0
SLOW_FLUSH_MS = 5
RETRIED_SHARES = (0.0, 0.01, 0.3, 1.0)
LIFE_ROWS = 100_000

Progress = Callable[[str], None]


class JournalReport(msgspec.Struct, frozen=True, kw_only=True):
    """All figures of a run. Rates are notifications a second, by the size of their batches."""

    machine: Machine
    rounds: int
    ratio_to_row_per_notification: Spread
    least_ratio: float
    row_per_notification_rate: Spread
    rate_by_batch_size: dict[int, float]
    slow_flush_ms: int
    rate_by_batch_size_with_slow_flush: dict[int, float]
    written_bytes_by_retried_share: dict[float, float]
    passed: bool


def run(*, rounds: int, seconds: float, progress: Progress) -> JournalReport:
    """Measure everything. Raises MeasurementError, ShimError."""
    machine = describe_machine(["trio", "msgspec"], {})
    rates = _compare(rounds, seconds, progress)
    ratio = paired_ratios(rates["append"], rates["baseline"])
    real = {size: round(_measure("append", size, seconds)) for size in BATCH_SIZES}
    progress(f"real disk: {real}")
    slow = {size: round(_measure("append", size, seconds, is_slow=True)) for size in BATCH_SIZES}
    progress(f"{SLOW_FLUSH_MS} ms a flush: {slow}")
    written = {share: round(_measure("live", LIFE_ROWS, share), 1) for share in RETRIED_SHARES}
    progress(f"bytes written a notification, by the share tried twice: {written}")
    return JournalReport(
        machine=machine,
        rounds=rounds,
        ratio_to_row_per_notification=ratio,
        least_ratio=LEAST_RATIO,
        row_per_notification_rate=Spread.of(rates["baseline"]),
        rate_by_batch_size=dict(real),
        slow_flush_ms=SLOW_FLUSH_MS,
        rate_by_batch_size_with_slow_flush=dict(slow),
        written_bytes_by_retried_share=written,
        passed=ratio.median >= LEAST_RATIO,
    )


def _compare(rounds: int, seconds: float, progress: Progress) -> dict[str, list[float]]:
    rates: dict[str, list[float]] = {"append": [], "baseline": []}
    for number in range(rounds):
        for job in turn_order(list(rates), number):
            rates[job].append(_measure(job, GATE_BATCH_ROWS, seconds))
        ours, theirs = rates["append"][-1], rates["baseline"][-1]
        progress(f"round {number + 1}: {ours:,.0f} a second, one row each {theirs:,.0f}: {ours / theirs:.2f} times")
    return rates


def _measure(job: str, number: int, argument: float, *, is_slow: bool = False) -> float:
    """Return the figure of one job, done in a fresh process on a fresh journal."""
    with tempfile.TemporaryDirectory(prefix="pushmill-journal-") as name:
        folder = Path(name) / "journal"
        folder.mkdir(mode=0o700)
        command = [
            sys.executable,
            "-m",
            "bench.measurements.journal_load",
            job,
            str(folder),
            str(number),
            str(argument),
        ]
        if is_slow:
            rule = Rule("sync", "*", 1, "sleep", SLOW_FLUSH_MS, and_after=True)
            command = FaultShim(folder=folder, rules=[rule]).wrap(command)
        finished = subprocess.run(command, check=False, stdout=subprocess.PIPE)  # noqa: S603 -- our own module
    if finished.returncode != 0:
        raise MeasurementError(f"the process for {job!r} ended with status {finished.returncode}")
    return float(msgspec.json.decode(finished.stdout, type=float))
