"""One run of the demo: start everything, watch it to its end, stop everything, reconcile.

However a run ends, what the caller wrote down is reconciled with what the simulators wrote down: a gateway that died or
a caller that waited in vain is a red run with figures, not an error without any. Every wait is bounded: the run by
``patience_seconds`` without progress, starts and stops by limits of their own.
"""

import signal
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec
import trio

from bench.demo.arrivals import read_arrivals
from bench.demo.history import history_files, read_history
from bench.demo.plan import ProviderName, share_out
from bench.demo.processes import Child, ChildError
from bench.demo.progress import Counts, Display
from bench.demo.reconcile import reconcile
from bench.demo.report import Report, make_report
from bench.demo.simulators import READY_SECONDS, find_ledger, open_simulators, read_summary
from bench.demo.stage import open_caller_process, open_gateway


class DemoOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What to run."""

    notifications: int = 30_000
    seed: int = 1
    batch_size: int = 500
    plant: str | None = None
    """A defect of :mod:`bench.demo.defects`."""
    patience_seconds: float = 15.0
    """Without progress for so long the run is given up."""

    @property
    def shares(self) -> dict[ProviderName, int]:
        """How many notifications go to each provider."""
        return share_out(self.notifications)


class InterruptedRunError(Exception):
    """A signal asked to stop; the children are stopped."""


async def run_demo(options: DemoOptions, directory: Path, display: Display) -> Report:
    """Run, leaving every record in ``directory``, which exists; those of an earlier run go.

    Raises InterruptedRunError on SIGINT and SIGTERM, once every child is stopped.
    """
    report = None
    async with trio.open_nursery() as nursery:
        await nursery.start(_cancel_on_signal, nursery.cancel_scope)
        _remove_records(directory)
        failures = await _perform(options, directory, display)
        report = _reconcile_run(directory, failures)
        nursery.cancel_scope.cancel()
    if report is None:
        raise InterruptedRunError
    return report


async def _cancel_on_signal(scope: trio.CancelScope, task_status: trio.TaskStatus[None]) -> None:
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        task_status.started()
        async for _ in signals:
            scope.cancel()


async def _perform(options: DemoOptions, directory: Path, display: Display) -> list[str]:
    """Run the processes to the end of the caller and stop them in order; return what went wrong."""
    failures: list[str] = []
    servers: list[Child] = []
    try:
        async with AsyncExitStack() as stack:
            simulators, facts = await stack.enter_async_context(open_simulators(directory, options.shares))
            servers += simulators
            gateway = await stack.enter_async_context(open_gateway(directory, facts, options.plant))
            servers.append(gateway.child)
            caller = await stack.enter_async_context(
                open_caller_process(
                    directory,
                    gateway.socket,
                    facts,
                    notifications=options.notifications,
                    seed=options.seed,
                    batch_size=options.batch_size,
                )
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
    counts: dict[ProviderName, Counts] = {}
    with trio.move_on_after(READY_SECONDS) as patience:
        while (line := await caller.read_line()) is not None:
            before, counts = counts, msgspec.json.decode(line, type=dict[ProviderName, Counts])
            now = trio.current_time()
            display.show(counts, now)
            if counts != before:
                patience.deadline = now + patience_seconds
        if await caller.wait() == 0:
            return
        raise ChildError(caller.describe_end())
    reached = "; ".join(
        f"{name}: sent {each.sent}, accepted {each.accepted}, refused {each.refused}, results {each.results}"
        for name, each in counts.items()
    )
    raise ChildError(f"nothing new for {patience_seconds:g} s, the run was given up; {reached or 'nothing was sent'}")


def _remove_records(directory: Path) -> None:
    """Remove what another run may have left: a process that never started would not write over it."""
    for path in (*history_files(directory), *(find_ledger(directory, name) for name in ProviderName)):
        path.unlink(missing_ok=True)


def _reconcile_run(directory: Path, failures: Sequence[str]) -> Report:
    arrivals = (arrival for name in ProviderName for arrival in read_arrivals(name, find_ledger(directory, name)))
    return make_report(
        reconcile(read_history(directory), arrivals),
        simulators={name: read_summary(directory, name) for name in ProviderName},
        failures=failures,
    )
