"""Runs a real gateway process between a steady caller and the native sink, and looks at the process every second."""

import signal
import tempfile
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path

import msgspec
import trio

from bench.judging.processes import Child, ChildError, gateway_command, start_child, wait_for_socket
from bench.measurements.key_memory import measure_bytes_a_key
from bench.measurements.machine import describe_machine
from bench.measurements.soak.account import Account
from bench.measurements.soak.load import Pace, read_steadily, send_steadily, set_pace
from bench.measurements.soak.report import SoakFigures, SoakReport
from bench.measurements.soak.samples import Sample, find_drift, take_sample
from bench.measurements.whole.settings import write_settings
from bench.sink import SinkProcess, write_certificates
from gateway.caller import CallerError

READY_SECONDS = 60.0
SAMPLE_SECONDS = 1.0
TELL_SECONDS = 10.0
LOOK_SECONDS = 0.1
# A connection that broke may be the first sign of a gateway that ends.
DYING_SECONDS = 2.0
# Of the time: three minutes of ten until the idempotency window and every queue is as full as it gets; then a tenth
# for each window that is compared.
WARM_UP_SHARE = 0.3
WINDOW_SHARE = 0.1
# Offered above what is demanded, so that the rate that was reached doesn't miss it by the last batches alone.
OFFERED_SHARE = 1.02
# One row of a hundred is answered 503 and tried again.
DEFER_EVERY = 100
LONGEST_KEY_WINDOW_SECONDS = 60.0
# After the last batch: without a new result for so long the rest is lost. Longer than the delays between attempts.
PATIENCE_SECONDS = 30.0

Progress = Callable[[str], None]


class SoakError(Exception):
    """The gateway ended, or did not do what its caller asked; the message says what was seen."""


class SoakOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How long and how fast."""

    seconds: float
    engines: tuple[str, ...] = ("sqlite", "memory")
    per_second: int = 20_000
    sample_seconds: float = SAMPLE_SECONDS

    @property
    def key_window_seconds(self) -> float:
        """How long the gateway remembers a batch: gone round several times before the first window."""
        return min(LONGEST_KEY_WINDOW_SECONDS, self.seconds * WINDOW_SHARE)


def run(options: SoakOptions, *, progress: Progress) -> SoakReport:
    """Soak each engine in turn; ``progress`` gets a line now and then. SIGINT ends it early, with what was seen.

    Raises SoakError, SinkError.
    """
    machine = describe_machine(("trio", "msgspec"), {})
    runs: list[SoakFigures] = []
    for engine in options.engines:
        with tempfile.TemporaryDirectory(prefix="pushmill-soak-") as folder:
            figures = trio.run(partial(soak_engine, options, engine, Path(folder), progress=progress))
        if figures.was_interrupted:
            runs.append(figures)
            break
        runs.append(msgspec.structs.replace(figures, bytes_a_key=measure_bytes_a_key(engine)))
    return SoakReport.of(machine, runs)


async def soak_engine(
    options: SoakOptions,
    engine: str,
    folder: Path,
    *,
    progress: Progress = lambda _: None,
    plant: str | None = None,
) -> SoakFigures:
    """Soak one engine, with all files in a folder whose path is short. ``plant`` names a defect of `bench.faults`.

    Raises SoakError, SinkError.
    """
    return await _Soak(options, engine, folder, progress, plant).run()


class _Soak:
    """One engine's run."""

    def __init__(self, options: SoakOptions, engine: str, folder: Path, progress: Progress, plant: str | None) -> None:
        self._options = options
        self._engine = engine
        self._folder = folder
        self._progress = progress
        self._plant = plant
        self._account = Account(options.key_window_seconds)
        self._samples: list[Sample] = []
        self._was_interrupted = False
        self._was_cut = False

    async def run(self) -> SoakFigures:
        """Start all, load, stop all."""
        folder = self._folder
        certificates = write_certificates(folder)
        with SinkProcess(
            certificate_file=certificates.certificate_file, key_file=certificates.key_file, defer_every=DEFER_EVERY
        ) as sink:
            sections = {"journal": {"idempotency_window_seconds": self._options.key_window_seconds}}
            config = write_settings(folder, self._engine, folder / "journal", sink.port, certificates.ca_file, sections)
            async with start_child(
                "gateway", gateway_command(config, self._plant), folder / "gateway.log", has_output=False
            ) as gateway:
                await wait_for_socket(folder / "gateway.sock", gateway, patience_seconds=READY_SECONDS)
                try:
                    await self._load(gateway, f"unix:{folder / 'gateway.sock'}")
                except BaseExceptionGroup as group:
                    raise await _explain(group, gateway) from None
            counts = sink.counters()
        return self._sum_up(counts.requests - counts.deferred)

    async def _load(self, gateway: Child, address: str) -> None:
        pace = set_pace(seconds=self._options.seconds, per_second=self._options.per_second * OFFERED_SHARE)
        self._samples.append(take_sample(gateway.process_id, 0.0, self._account))
        with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            self._progress(f"{self._engine}: {self._options.per_second:,}/s for {self._options.seconds:,.0f} s")
            async with trio.open_nursery() as watching:
                watching.start_soon(self._obey, signals, pace, watching.cancel_scope)
                watching.start_soon(self._watch, gateway, pace)
                watching.start_soon(self._tell)
                watching.start_soon(read_steadily, address, self._account)
                await send_steadily(address, self._account, pace)
                await self._wait_for_the_rest()
                watching.cancel_scope.cancel()
        if self._was_cut:
            raise KeyboardInterrupt

    async def _obey(self, signals: AsyncIterator[int], pace: Pace, everything: trio.CancelScope) -> None:
        """Send nothing more after the first signal; wait for nothing more after the second."""
        await anext(signals)
        self._was_interrupted = True
        pace.until = trio.current_time()
        await anext(signals)
        self._was_cut = True
        everything.cancel()

    async def _watch(self, gateway: Child, pace: Pace) -> None:
        """Take samples while the load goes on. Raises ChildError when the gateway ends."""
        while True:
            if gateway.has_ended:
                raise ChildError(gateway.describe_end())
            if (now := trio.current_time()) <= pace.until:
                self._samples.append(take_sample(gateway.process_id, now - pace.began, self._account))
            await trio.sleep(self._options.sample_seconds)

    async def _tell(self) -> None:
        told = 0
        while True:
            await trio.sleep(TELL_SECONDS)
            if not self._samples:
                continue
            last = self._samples[-1]
            rate = (self._account.results - told) / TELL_SECONDS
            told = self._account.results
            self._progress(
                f"{self._engine} {last.at_seconds:4.0f} s: {rate:,.0f}/s, {last.rss_bytes / 2**20:.1f} MiB, "
                f"{last.descriptors} descriptors, {self._account.missing:,} without result"
            )

    async def _wait_for_the_rest(self) -> None:
        """Wait for the last results, as long as any come."""
        seen, since = -1, trio.current_time()
        while self._account.missing and trio.current_time() < since + PATIENCE_SECONDS:
            if self._account.results != seen:
                seen, since = self._account.results, trio.current_time()
            await trio.sleep(LOOK_SECONDS)

    def _sum_up(self, taken_by_provider: int) -> SoakFigures:
        account = self._account
        seconds = self._samples[-1].at_seconds
        warm_up = self._options.seconds * WARM_UP_SHARE
        measured = [each for each in self._samples if each.at_seconds >= warm_up] or self._samples
        results = measured[-1].results - measured[0].results
        find = partial(
            find_drift, self._samples, from_seconds=warm_up, window_seconds=self._options.seconds * WINDOW_SHARE
        )
        return SoakFigures(
            engine=self._engine,
            seconds=round(seconds, 1),
            warm_up_seconds=round(warm_up, 1),
            was_interrupted=self._was_interrupted,
            demanded_per_second=self._options.per_second,
            rate_per_second=round(results / max(1e-9, measured[-1].at_seconds - measured[0].at_seconds)),
            cpu_microseconds_per_notification=round(
                (measured[-1].cpu_seconds - measured[0].cpu_seconds) * 1e6 / max(1, results), 2
            ),
            submitted=account.submitted,
            results=account.results,
            retried=account.retried,
            refusals=account.refusals,
            outcomes=dict(account.outcomes),
            lost=account.missing,
            repeated_results=account.repeated,
            repeated_sends=max(0, taken_by_provider - account.submitted),
            rss=find(lambda each: each.rss_bytes),
            descriptors=find(lambda each: each.descriptors),
            without_result=find(lambda each: each.without_result),
            keys=account.count_keys(),
        )


async def _explain(group: BaseExceptionGroup[BaseException], gateway: Child) -> BaseException:
    """Return the one error that says most: how the gateway ended, if it did; what is no operational error as it is."""
    known, others = group.split((ChildError, CallerError))
    if others is not None or known is None:
        return group
    with trio.move_on_after(DYING_SECONDS):
        await gateway.wait()
    return SoakError(gateway.describe_end() if gateway.has_ended else _first(known))


def _first(group: BaseExceptionGroup[BaseException]) -> str:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error)
