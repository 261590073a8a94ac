"""What a request costs through ``native.Session``, against h2load, the h2 library and httpx.

The figure is CPU µs of the whole client process per request (all threads, kernel included), measured as
``bench.measurements.measure`` says. Before the rounds a run against an auditing sink proves that each client really
sends what it is compared for.
"""

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from bench.measurements.clients.course import (
    CONTENDERS,
    H2LOAD,
    H2LOAD_WITHOUT_AUTHORIZATION,
    NATIVE,
    Contender,
    Course,
    open_course,
)
from bench.measurements.clients.h2load import h2load_version
from bench.measurements.clients.workload import BODY_BYTES
from bench.measurements.machine import describe_machine
from bench.measurements.measure import (
    Cores,
    LateObservationError,
    MeasurementError,
    Plan,
    Round,
    choose_cores,
    measure_client,
    turn_order,
)
from bench.measurements.session_report import Audit, SessionReport, build_report
from gateway.clock import SystemClock

AUDIT_REQUESTS = 400
CLIENT_TIMEOUT_SECONDS = 60.0
TAIL_REQUESTS = 20_000
"""At a million a second still ten of the observer's looks."""

Progress = Callable[[str], None]


@contextmanager
def _pinned(core: int) -> Iterator[None]:
    """Stay on one core for a while."""
    own = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, own)


def _expected_audit(contender: Contender) -> Audit:
    one_identifier = contender in (H2LOAD, H2LOAD_WITHOUT_AUTHORIZATION)
    return Audit(
        requests=AUDIT_REQUESTS,
        distinct_paths=AUDIT_REQUESTS,
        distinct_apns_ids=1 if one_identifier else AUDIT_REQUESTS,
        body_bytes=AUDIT_REQUESTS * BODY_BYTES,
    )


def audit_client(contender: Contender, *, streams: int) -> Audit:
    """Let one client send a little and count what differs. Raises MeasurementError if that is not the workload."""
    with open_course(streams=streams, most_requests=AUDIT_REQUESTS, audits=True) as course:
        done = subprocess.run(  # noqa: S603 - built from our own options
            course.command(contender, AUDIT_REQUESTS),
            capture_output=True,
            timeout=CLIENT_TIMEOUT_SECONDS,
            check=False,
            process_group=0,
        )
        report = course.sink.stop()
    audit = Audit(
        requests=report.requests,
        distinct_paths=report.distinct_paths or 0,
        distinct_apns_ids=report.distinct_apns_ids or 0,
        body_bytes=report.body_bytes,
    )
    if audit != _expected_audit(contender):
        said = done.stderr.decode(errors="replace").strip().splitlines() or ["nothing on stderr"]
        raise MeasurementError(
            f"{contender.name} does not send the workload: {audit}, not {_expected_audit(contender)}; "
            f"status {done.returncode}, {said[-1]}"
        )
    return audit


def _plan(contender: Contender, requests: int) -> Plan:
    measured = max(requests // contender.share, 20)
    return Plan(warm_up=measured // 5, measured=measured, tail=TAIL_REQUESTS // contender.share)


class _Rounds:
    """The rounds that counted, client by client, and how many did not."""

    def __init__(self, course: Course, cores: Cores, requests: int, progress: Progress) -> None:
        self._course = course
        self._cores = cores
        self._requests = requests
        self._progress = progress
        self.figures: dict[str, list[Round]] = {contender.name: [] for contender in CONTENDERS}
        self.void = 0

    def _measure(self, contender: Contender) -> Round:
        plan = _plan(contender, self._requests)
        try:
            return measure_client(
                self._course.command(contender, plan.total),
                sink=self._course.sink,
                cores=self._cores,
                plan=plan,
                timeout_seconds=CLIENT_TIMEOUT_SECONDS,
            )
        except LateObservationError:
            raise
        except MeasurementError as error:
            raise MeasurementError(f"{contender.name}: {error}") from error

    def run(self, number: int) -> None:
        """Let every client run once; keep the figures of all, or count the whole round as void."""
        taken: dict[str, Round] = {}
        for contender in turn_order(CONTENDERS, number):
            try:
                figures = self._measure(contender)
            except LateObservationError as error:
                self._discard(f"{contender.name}: {error}")
                return
            if figures.is_void:
                self._discard(f"{contender.name}: the sink filled its core")
                return
            cost, rate = figures.client_microseconds, figures.requests_per_second
            self._progress(f"  {contender.name}: {cost:,.2f} µs, {rate:,.0f}/s")
            taken[contender.name] = figures
        for name, figures in taken.items():
            self.figures[name].append(figures)

    def _discard(self, reason: str) -> None:
        self.void += 1
        self._progress(f"  void ({reason})")

    def run_until(self, rounds: int) -> None:
        """Collect ``rounds`` valid ones. Raises MeasurementError if twice as many, and three, don't bring them."""
        attempts = 2 * rounds + 3
        for number in range(attempts):
            self._progress(f"round {number - self.void + 1} of {rounds}")
            self.run(number)
            if number + 1 - self.void == rounds:
                return
        raise MeasurementError(f"{self.void} of {attempts} rounds were void: the machine is too busy to measure")


def run(*, rounds: int, requests: int, streams: int, progress: Progress) -> SessionReport:
    """Measure all clients over ``rounds`` valid rounds of ``requests`` (the fast ones) and report.

    Raises H2loadMissingError, SinkError, or MeasurementError when a client fails or too many rounds are void.
    """
    started_at, started = datetime.fromtimestamp(SystemClock().wall(), UTC), time.monotonic()
    cores = choose_cores(os.sched_getaffinity(0))
    machine = describe_machine(["pushmill", "trio", "h2", "httpx"], {"h2load": h2load_version()})
    progress("audit: does each client send the workload?")
    audits = {contender.name: audit_client(contender, streams=streams) for contender in CONTENDERS}
    with open_course(streams=streams, most_requests=_plan(NATIVE, requests).total) as course, _pinned(cores.sink):
        os.sched_setaffinity(course.sink.pid, {cores.sink})
        measured = _Rounds(course, cores, requests, progress)
        measured.run_until(rounds)
        sink = course.sink.stop()
    return build_report(
        measured.figures,
        streams={contender.name: course.streams(contender) for contender in CONTENDERS},
        void_rounds=measured.void,
        audits=audits,
        sink=sink,
        machine=machine,
        started_at=started_at,
        seconds=time.monotonic() - started,
    )
