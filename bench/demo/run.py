"""One run of the demo: start everything, watch it to its end, stop everything, reconcile.

However a run ends, what the caller wrote down is reconciled with what the simulator wrote down: a gateway that died or
a caller that waited in vain is a red run with figures, not an error without any. Every wait is bounded: the run by
``patience_seconds`` without progress, starts and stops by limits of their own.
"""

import signal
import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec
import trio

from bench.demo.history import read_history, read_records
from bench.demo.processes import Child, ChildError
from bench.demo.progress import Counts, Display
from bench.demo.reconcile import reconcile
from bench.demo.report import Report, make_report
from bench.demo.stage import READY_SECONDS, Stage, open_caller_process, open_gateway, open_simulator
from bench.simulators.apns import ApnsLedgerEntry


class DemoOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What to run."""

    notifications: int = 30_000
    seed: int = 1
    batch_size: int = 500
    plant: str | None = None
    """A defect of :mod:`bench.demo.defects`."""
    patience_seconds: float = 15.0
    """Without progress for so long the run is given up."""


class InterruptedRunError(Exception):
    """A signal asked to stop; the children are stopped."""


async def run_demo(options: DemoOptions, directory: Path, display: Display) -> Report:
    """Run, leaving every record in ``directory``, which exists.

    Raises InterruptedRunError on SIGINT and SIGTERM, once every child is stopped.
    """
    report = None
    async with trio.open_nursery() as nursery:
        await nursery.start(_cancel_on_signal, nursery.cancel_scope)
        with tempfile.TemporaryDirectory(prefix="pushmill-") as folder:
            stage = Stage(directory, Path(folder) / "gateway.sock")
            failures = await _perform(stage, options, display)
            report = _reconcile_run(stage, failures)
        nursery.cancel_scope.cancel()
    if report is None:
        raise InterruptedRunError
    return report


async def _cancel_on_signal(scope: trio.CancelScope, task_status: trio.TaskStatus[None]) -> None:
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        task_status.started()
        async for _ in signals:
            scope.cancel()


async def _perform(stage: Stage, options: DemoOptions, display: Display) -> list[str]:
    """Run the processes to the end of the caller and stop them in order; return what went wrong."""
    failures: list[str] = []
    servers: list[Child] = []
    try:
        async with AsyncExitStack() as stack:
            simulator, facts = await stack.enter_async_context(open_simulator(stage, options.notifications))
            servers.append(simulator)
            gateway = await stack.enter_async_context(open_gateway(stage, facts, options.plant))
            servers.append(gateway)
            caller = await stack.enter_async_context(
                open_caller_process(stage, options.notifications, options.seed, options.batch_size)
            )
            stack.enter_context(display)
            await _watch(caller, servers, display, options.patience_seconds)
    except* ChildError as errors:
        failures += map(str, errors.exceptions)
    # A caller whose gateway died may be first to complain; the cause must be told all the same, but once.
    failures += (server.describe_end() for server in servers if server.has_ended_badly)
    return list(dict.fromkeys(failures))


async def _watch(caller: Child, servers: Sequence[Child], display: Display, patience_seconds: float) -> None:
    """Wait until the caller is done. Raises ChildError when it fails, gets nowhere, or a server ends."""
    async with trio.open_nursery() as nursery:
        for server in servers:
            nursery.start_soon(_fail_at_end, server)
        await _follow(caller, display, patience_seconds)
        nursery.cancel_scope.cancel()


async def _fail_at_end(server: Child) -> None:
    await server.wait()
    raise ChildError(server.describe_end())


async def _follow(caller: Child, display: Display, patience_seconds: float) -> None:
    counts = Counts()
    with trio.move_on_after(READY_SECONDS) as patience:
        while (line := await caller.read_line()) is not None:
            before, counts = counts, msgspec.json.decode(line, type=Counts)
            now = trio.current_time()
            display.show(counts, now)
            if counts != before:
                patience.deadline = now + patience_seconds
        if await caller.wait() == 0:
            return
        raise ChildError(caller.describe_end())
    raise ChildError(
        f"nothing new for {patience_seconds:g} s: sent {counts.sent}, accepted {counts.accepted}, "
        f"refused {counts.refused}, results {counts.results}; the run was given up"
    )


def _reconcile_run(stage: Stage, failures: Sequence[str]) -> Report:
    ledger = read_records(stage.ledger, ApnsLedgerEntry)
    reconciliation = reconcile(read_history(stage.directory), ledger)
    return make_report(reconciliation, simulator=_read_summary(stage.directory / "simulator.log"), failures=failures)


def _read_summary(log: Path) -> str:
    """Return what the simulator said of itself in the end: the last line that isn't a detail of it."""
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    return next((line for line in reversed(lines) if line and not line.startswith(" ")), "said nothing")
