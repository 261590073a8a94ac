import os
import subprocess
import sys
import time

import pytest

from bench.measurements import measure
from bench.measurements.clients.workload import Workload
from bench.measurements.measure import Cores, MeasurementError, Plan, Round, Spread

H2_CLIENT = "bench.measurements.clients.h2_library"


def _round(**changes):
    figures = {
        "requests": 1000,
        "wall_seconds": 0.5,
        "client_cpu_seconds": 0.002,
        "sink_cpu_seconds": 0.001,
        "received_bytes": 300_000,
    }
    return Round(**(figures | changes))


def test_a_round_is_told_per_request():
    figures = _round()
    assert figures.client_microseconds == pytest.approx(2.0)
    assert figures.sink_microseconds == pytest.approx(1.0)
    assert figures.requests_per_second == pytest.approx(2000)
    assert figures.bytes_per_request == pytest.approx(300)


@pytest.mark.parametrize(("sink_cpu_seconds", "is_void"), [(0.47, False), (0.48, True)])
def test_a_round_in_which_the_sink_fills_its_core_is_void(sink_cpu_seconds, is_void):
    assert _round(sink_cpu_seconds=sink_cpu_seconds).is_void is is_void


def test_a_spread_has_the_median_between_its_ends():
    assert Spread.of([3.0, 1.0, 2.0, 10.0]) == Spread(1.0, 2.5, 10.0)


def test_ratios_pair_figures_of_the_same_round():
    # Both doubled in the second round, as on a machine that slowed down: the ratio did not change.
    assert measure.paired_ratios([3.0, 6.0], [1.0, 2.0]) == Spread(3.0, 3.0, 3.0)


def test_ratios_of_unequal_counts_are_refused():
    with pytest.raises(ValueError, match="zip"):
        measure.paired_ratios([1.0], [1.0, 2.0])


def test_everyone_runs_once_a_round_and_first_in_turn():
    orders = [measure.turn_order(["a", "b", "c"], number) for number in range(3)]
    assert [order[0] for order in orders] == ["a", "b", "c"]
    assert all(sorted(order) == ["a", "b", "c"] for order in orders)


def test_client_and_sink_get_different_cores():
    assert measure.choose_cores({4, 2, 9}) == Cores(client=4, sink=9)
    with pytest.raises(MeasurementError, match="a core each"):
        measure.choose_cores({3})


def test_the_cpu_clock_of_a_process_is_its_own():
    assert measure.process_cpu_seconds(os.getpid()) == pytest.approx(time.process_time(), abs=0.05)


def test_the_cpu_clock_counts_threads_that_ended():
    work = (
        "import threading, time\n"
        "def burn():\n"
        "    while time.thread_time() < 0.1: pass\n"
        "thread = threading.Thread(target=burn); thread.start(); thread.join()\n"
        "print('done', flush=True); input()"
    )
    command = [sys.executable, "-c", work]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:  # noqa: S603 (our own words)
        child.stdout.readline()
        burnt = measure.process_cpu_seconds(child.pid)
        child.communicate(b"\n")
    assert burnt >= 0.1


def _options(sink, certificates, requests):
    return Workload(sink.port, certificates.ca_file, requests, streams=20).command_options()


def _measure(command, sink, plan):
    core = min(os.sched_getaffinity(0))
    return measure.measure_client(command, sink=sink, cores=Cores(core, core), plan=plan, timeout_seconds=20)


def test_a_client_is_measured_between_warm_up_and_tail(sink, certificates):
    plan = Plan(warm_up=50, measured=400, tail=100)
    command = [sys.executable, "-m", H2_CLIENT, *_options(sink, certificates, plan.total)]
    figures = _measure(command, sink, plan)
    assert plan.measured <= figures.requests < plan.total
    assert figures.client_cpu_seconds > 0
    assert sink.requests == plan.total


def test_a_client_that_fails_is_reported_with_its_last_words(sink):
    command = [sys.executable, "-c", "import sys; sys.exit('no such token')"]
    with pytest.raises(MeasurementError, match="status 1, no such token"):
        _measure(command, sink, Plan(warm_up=1, measured=1, tail=1))


def test_a_client_that_sends_too_much_is_refused(sink, certificates):
    plan = Plan(warm_up=10, measured=400, tail=100)
    command = [sys.executable, "-m", H2_CLIENT, *_options(sink, certificates, plan.total + 200)]
    with pytest.raises(MeasurementError, match=f"of {plan.total} requests"):
        _measure(command, sink, plan)
