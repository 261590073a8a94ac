"""What a notification costs the whole gateway: the bench runs, its counts add up, long turns are seen."""

import time

import pytest
import trio

from bench.measurements.whole import count_calls, run
from bench.measurements.whole.report import count_late
from bench.measurements.whole.turns import BOUNDS_MICROSECONDS, TurnCounter


async def hold_the_loop():
    """Compute for five milliseconds of CPU time without a checkpoint."""
    await trio.lowlevel.checkpoint()
    until = time.thread_time() + 0.005
    while time.thread_time() < until:
        pass


def test_a_task_that_holds_the_loop_is_named():
    counter = TurnCounter()
    trio.run(hold_the_loop, instruments=[counter])
    counts = counter.count()
    assert counts.longest[0].task.endswith("hold_the_loop")
    assert counts.longest[0].milliseconds >= 5.0
    assert counts.turns == sum(counts.at_most.values()) + counts.longer
    assert count_late(counts) >= 1
    counter.forget()
    assert (counter.count().turns, counter.count().longest) == (0, [])


@pytest.mark.long
def test_each_journal_is_measured_with_small_and_large_batches():
    told = []
    report = run(notifications=10_000, progress=told.append)
    assert [(each.engine, each.batch_rows) for each in report.figures] == [
        ("memory", 100),
        ("memory", 10_000),
        ("sqlite", 100),
        ("sqlite", 10_000),
    ]
    assert len(told) == 4
    for each in report.figures:
        assert each.cpu_microseconds_per_notification > 0
        assert set(each.turns.at_most) == set(BOUNDS_MICROSECONDS)


def test_intake_takes_few_calls_for_a_notification():
    counted = count_calls()
    assert 1 < counted.calls_per_notification <= 8
    assert counted.calls_per_notification_with_ids <= 8
    assert counted.with_c_calls > counted.calls_per_notification
