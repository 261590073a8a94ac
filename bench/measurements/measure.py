"""What a client process costs per request, seen from outside and only while it works.

The same observer measures every client, whatever it is written in: it reads the CPU clock of the client's process (all
threads, kernel included, ns exact) and the sink's count of answered requests at two moments between the warm-up and the
last requests. Interpreter start, handshake and exit fall outside, nothing has to report on itself, and what was in
flight at both moments cancels out.

Client and sink have a core each; the observer sleeps on the sink's. Clients take turns in every round, so that a ratio
pairs figures of the same minute on a machine that is never quite the same twice.
"""

import os
import statistics
import subprocess
import time
from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeVar

import msgspec

from bench.sink import SinkProcess

VOID_SINK_UTILISATION = 0.95
"""A sink that fills its core sets the pace: such a round measures the sink (its share of wall time)."""

_POLL_SECONDS = 0.002
_STARTUP_TIMEOUT_SECONDS = 30.0
_SAMPLE_DRIFT_REQUESTS = 50
_CPUCLOCK_SCHED = 2

_Name = TypeVar("_Name")


class MeasurementError(Exception):
    """A measurement could not be made; the message says what to do about it."""


class LateObservationError(MeasurementError):
    """The client was done before the observer looked again: the machine is busy, the round says nothing."""


class Cores(NamedTuple):
    """The core of the client under test, and the one of sink and observer."""

    client: int
    sink: int


class Plan(NamedTuple):
    """How many requests a client sends in all, and between which of them it is measured."""

    warm_up: int
    measured: int
    tail: int
    """So that no client is ending while it is still watched: worth a few looks of the observer."""

    @property
    def total(self) -> int:
        """All the client sends."""
        return self.warm_up + self.measured + self.tail


class Round(msgspec.Struct, frozen=True, kw_only=True):
    """One client's figures in one round."""

    requests: int
    wall_seconds: float
    client_cpu_seconds: float
    sink_cpu_seconds: float
    received_bytes: int

    @property
    def client_microseconds(self) -> float:
        """CPU of the whole client process per request."""
        return self.client_cpu_seconds * 1e6 / self.requests

    @property
    def sink_microseconds(self) -> float:
        """CPU of the sink per request."""
        return self.sink_cpu_seconds * 1e6 / self.requests

    @property
    def requests_per_second(self) -> float:
        """Requests answered per second of wall time."""
        return self.requests / self.wall_seconds

    @property
    def bytes_per_request(self) -> float:
        """Decrypted bytes the sink received per request."""
        return self.received_bytes / self.requests

    @property
    def sink_utilisation(self) -> float:
        """Share of its core that the sink used."""
        return self.sink_cpu_seconds / self.wall_seconds

    @property
    def is_void(self) -> bool:
        """Whether the sink, not the client, set the pace."""
        return self.sink_utilisation > VOID_SINK_UTILISATION


class Spread(msgspec.Struct, frozen=True):
    """Minimum, median and maximum of a figure over the rounds."""

    minimum: float
    median: float
    maximum: float

    @classmethod
    def of(cls, values: Iterable[float]) -> "Spread":
        """Summarise at least one value, to a ten-thousandth."""
        ordered = sorted(round(value, 4) for value in values)
        return cls(ordered[0], statistics.median(ordered), ordered[-1])

    def show(self, digits: int) -> str:
        """Return the median with its range, for a table."""
        return f"{self.median:,.{digits}f} ({self.minimum:,.{digits}f} to {self.maximum:,.{digits}f})"


def paired_ratios(numerators: Sequence[float], denominators: Sequence[float]) -> Spread:
    """Divide figures of the same round by each other; medians of ratios resist drift that ratios of medians don't."""
    return Spread.of(top / bottom for top, bottom in zip(numerators, denominators, strict=True))


def choose_cores(allowed: Iterable[int]) -> Cores:
    """Pick the last two cores this process may use. Raises MeasurementError if there is only one."""
    cores = sorted(allowed)
    if len(cores) < 2:
        raise MeasurementError("client and sink need a core each: this process may use only one")
    return Cores(client=cores[-2], sink=cores[-1])


def process_cpu_seconds(pid: int) -> float:
    """Return user and system time of a live process, threads that ended included (clock_getcpuclockid(3))."""
    return time.clock_gettime((~pid << 3) | _CPUCLOCK_SCHED)


class _Sample(NamedTuple):
    at: float
    requests: int
    received_bytes: int
    client_cpu_seconds: float
    sink_cpu_seconds: float


def _sample(client_pid: int, sink: SinkProcess) -> _Sample:
    """Read count and clocks together; again, if the observer was interrupted in between."""
    while True:
        before = sink.counters()
        sample = _Sample(
            at=time.perf_counter(),
            requests=before.requests,
            received_bytes=before.received_bytes,
            client_cpu_seconds=process_cpu_seconds(client_pid),
            sink_cpu_seconds=process_cpu_seconds(sink.pid),
        )
        if sink.requests - before.requests <= _SAMPLE_DRIFT_REQUESTS:
            return sample


def _last_words(client: subprocess.Popen[bytes]) -> str:
    """Describe how an ended client ended."""
    said = client.stderr.read().decode(errors="replace").strip() if client.stderr is not None else ""
    return f"status {client.returncode}, {said.splitlines()[-1] if said else 'nothing on stderr'}"


def _wait_for_requests(client: subprocess.Popen[bytes], sink: SinkProcess, count: int, timeout_seconds: float) -> None:
    deadline = time.monotonic() + timeout_seconds
    while sink.requests < count:
        if client.poll() is not None:
            raise MeasurementError(f"the client ended before its requests were answered: {_last_words(client)}")
        if time.monotonic() > deadline:
            raise MeasurementError(f"the client sent too little in {timeout_seconds:.0f} s")
        time.sleep(_POLL_SECONDS)


def _start_on_core(command: Sequence[str], core: int) -> subprocess.Popen[bytes]:
    """Start a client that can run on no other core, from its first instruction on.

    In a process group of its own, so that Ctrl-C reaches the observer alone, which then ends the client.
    """
    own = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        return subprocess.Popen(  # noqa: S603 - built from our own options
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, process_group=0
        )
    finally:
        os.sched_setaffinity(0, own)


def measure_client(
    command: Sequence[str], *, sink: SinkProcess, cores: Cores, plan: Plan, timeout_seconds: float
) -> Round:
    """Run one client to its end and return what its measured part cost.

    Raises MeasurementError when the client fails, is too slow, or when the sink counts other than ``plan.total``.
    """
    already = sink.requests
    with _start_on_core(command, cores.client) as client:
        try:
            _wait_for_requests(client, sink, already + plan.warm_up, _STARTUP_TIMEOUT_SECONDS + timeout_seconds)
            first = _sample(client.pid, sink)
            _wait_for_requests(client, sink, first.requests + plan.measured, timeout_seconds)
            if sink.requests - already >= plan.total:
                raise LateObservationError("the client was done before the observer looked again")
            last = _sample(client.pid, sink)
            status = client.wait(timeout_seconds)
        except subprocess.TimeoutExpired as error:
            raise MeasurementError(f"the client did not end in {timeout_seconds:.0f} s") from error
        finally:
            if client.poll() is None:
                client.kill()
        if status != 0 or sink.requests - already != plan.total:
            arrived = f"{sink.requests - already} of {plan.total} requests arrived"
            raise MeasurementError(f"{arrived}; the client's end: {_last_words(client)}")
    return Round(
        requests=last.requests - first.requests,
        wall_seconds=last.at - first.at,
        client_cpu_seconds=last.client_cpu_seconds - first.client_cpu_seconds,
        sink_cpu_seconds=last.sink_cpu_seconds - first.sink_cpu_seconds,
        received_bytes=last.received_bytes - first.received_bytes,
    )


def turn_order(names: Sequence[_Name], number: int) -> list[_Name]:
    """Return who runs when in round ``number``: everyone once, and everyone first in some round."""
    start = number % len(names)
    return [*names[start:], *names[:start]]
