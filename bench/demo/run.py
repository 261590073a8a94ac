"""One run of the demo: start everything, watch it to its end, kill the gateway on the way, stop everything, reconcile.

However a run ends, what the caller wrote down is reconciled with what the simulators wrote down: a gateway that died or
a caller that waited in vain is a red run with figures, not an error without any. Every wait is bounded: the run by
``patience_seconds`` without progress, starts and stops by limits of their own.
"""

import shutil
import signal
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec
import trio

from bench.demo.options import DemoOptions
from bench.demo.progress import Counts, Display
from bench.demo.report import Report, make_report
from bench.demo.simulators import READY_SECONDS, find_ledger, open_simulators, read_summary
from bench.demo.stage import Gateway, find_journal, open_caller_process, open_gateway
from bench.judging.arrivals import read_arrivals
from bench.judging.history import ProviderName, history_files, read_history
from bench.judging.kills import count_tolls, number_lives, read_kills, write_kills
from bench.judging.processes import Child, ChildError
from bench.judging.reconciliation import reconcile


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
    gateway: Gateway | None = None
    try:
        async with AsyncExitStack() as stack:
            simulators, facts = await stack.enter_async_context(
                open_simulators(directory, options.shares, scenario_for=options.first_shares)
            )
            servers += simulators
            gateway = await stack.enter_async_context(open_gateway(directory, facts, options.plant))
            caller = await stack.enter_async_context(open_caller_process(directory, gateway.socket, facts, options))
            stack.enter_context(display)
            await _watch(caller, gateway, simulators, display, options)
            failures += _find_missing_kills(gateway, options)
    except* ChildError as errors:
        failures += map(str, errors.exceptions)
    if gateway is not None:
        write_kills(find_kills(directory), gateway.kills)
        servers.append(gateway.child)
    # A caller whose gateway died may be first to complain; the cause must be told all the same, but once.
    failures += (server.describe_end() for server in servers if server.has_ended_badly)
    return list(dict.fromkeys(failures))


def _find_missing_kills(gateway: Gateway, options: DemoOptions) -> list[str]:
    missing = options.kills - len(gateway.kills)
    return [f"the gateway was killed {missing} times less than asked"] if missing else []


async def _watch(
    caller: Child, gateway: Gateway, simulators: Sequence[Child], display: Display, options: DemoOptions
) -> None:
    """Wait until the caller is done. Raises ChildError when it fails, gets nowhere, or a server ends."""
    async with trio.open_nursery() as nursery:
        for simulator in simulators:
            nursery.start_soon(_fail_at_end, simulator)
        nursery.start_soon(gateway.fail_at_end)
        await _follow(caller, gateway, display, options)
        nursery.cancel_scope.cancel()


async def _fail_at_end(server: Child) -> None:
    await server.wait()
    raise ChildError(server.describe_end())


async def _follow(caller: Child, gateway: Gateway, display: Display, options: DemoOptions) -> None:
    """Show what the caller counts, and kill the gateway when it is time."""
    counts: dict[ProviderName, Counts] = {}
    kill_when_sent = options.kill_when_sent
    with trio.move_on_after(READY_SECONDS) as patience:
        while (line := await caller.read_line()) is not None:
            before, counts = counts, msgspec.json.decode(line, type=dict[ProviderName, Counts])
            now = trio.current_time()
            display.show(counts, now)
            if counts != before:
                patience.deadline = now + options.patience_seconds
            if kill_when_sent and sum(each.sent for each in counts.values()) >= kill_when_sent[0]:
                del kill_when_sent[0]
                patience.deadline = now + READY_SECONDS + options.patience_seconds
                await gateway.kill()
                patience.deadline = trio.current_time() + options.patience_seconds
        if await caller.wait() == 0:
            return
        raise ChildError(caller.describe_end())
    reached = "; ".join(
        f"{name}: sent {each.sent}, accepted {each.accepted}, refused {each.refused}, results {each.results}"
        for name, each in counts.items()
    )
    raise ChildError(
        f"nothing new for {options.patience_seconds:g} s, the run was given up; {reached or 'nothing was sent'}"
    )


def find_kills(directory: Path) -> Path:
    """Return where the kills are written."""
    return directory / "kills.ndjson"


def _remove_records(directory: Path) -> None:
    """Remove what another run may have left: a process that never started would not write over it."""
    ledgers = (find_ledger(directory, name) for name in ProviderName)
    for path in (*history_files(directory), *ledgers, find_kills(directory)):
        path.unlink(missing_ok=True)
    shutil.rmtree(find_journal(directory), ignore_errors=True)


def _reconcile_run(directory: Path, failures: Sequence[str]) -> Report:
    kills = read_kills(find_kills(directory))
    arrivals = [
        arrival
        for name in ProviderName
        for arrival in number_lives(read_arrivals(name, find_ledger(directory, name)), kills)
    ]
    reconciliation = reconcile(read_history(directory), arrivals, kills=len(kills))
    return make_report(
        reconciliation,
        simulators={name: read_summary(directory, name) for name in ProviderName},
        failures=failures,
        tolls=count_tolls(reconciliation.cases, kills),
    )
