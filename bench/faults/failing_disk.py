"""A real gateway on a disk whose flush fails, once or for ever, on one of the journal's files (P4).

What it had told its caller is compared with what the disk holds if the power goes right after: the failed flush wrote
nothing, and nothing that was written before it can be flushed any more.
"""

import errno
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import trio

from bench.faults.disk import Disk
from bench.faults.engine_rows import PRINCIPAL
from bench.faults.gateway_process import LOG, GatewayPlace, open_place, start_gateway, wait_for_door
from bench.faults.kill_caller import KillCaller
from bench.faults.power_loss import IGNORED
from bench.faults.shim import Rule
from bench.faults.trace import SYNC, Event, read_trace
from bench.judging.findings import History
from bench.judging.processes import Child
from bench.simulators.apns import open_apns_simulator
from gateway.clock import SystemClock
from gateway.journal import Reservation
from gateway.journal.sqlite import SqliteEngine

LOAD_SECONDS = 1.0
PATIENCE_SECONDS = 60.0


class FlushFailure(msgspec.Struct, frozen=True, kw_only=True):
    """What a gateway did when a flush failed under it."""

    answered: int
    """Batches that its caller heard to be accepted."""
    lost: list[str]
    """Those of them that the disk does not hold."""
    failed: str | None
    """The file whose flush failed; None: none did."""
    flushed_again: int
    """How often the same file was flushed after that."""
    exit_code: int | None
    """None: it was still running when we lost patience."""
    seconds_to_exit: float
    """From the failure."""
    last_words: str

    def failures(self) -> Iterator[str]:
        """Yield what P4 does not allow."""
        if self.failed is None:
            yield "no flush failed"
        if self.exit_code in {0, None}:
            yield f"exit code {self.exit_code}"
        if self.lost:
            yield f"{len(self.lost)} batches were accepted and are not on the disk"
        if self.flushed_again and self.failed == LOG:
            yield "the flush was tried again"


async def fail_flush(
    folder: Path,
    rule: Rule,
    *,
    drains: bool = False,
    plant: str | None = None,
    patience_seconds: float = PATIENCE_SECONDS,
) -> FlushFailure:
    """Load a gateway until its flush fails and it ends; with ``drains`` it is asked to end, which moves its log."""
    history = History()
    caller = KillCaller(history, random.Random(1))
    trace_file = folder / "trace"
    async with (
        open_apns_simulator() as simulator,
        open_place(folder, simulator) as place,
        start_gateway(place, rules=[rule], trace_file=trace_file, plant=plant, waits=False) as child,
    ):
        with trio.move_on_after(patience_seconds):
            await _run_until_end(child, caller, place, drains=drains)
        ended_at = time.monotonic()
        exit_code = await child.wait() if child.has_ended else None
        last_words = child.last_words()
    trace = read_trace(trace_file)
    failure = next((event for event in trace if event.kind == SYNC and event.error), None)
    return FlushFailure(
        answered=len({batch_id for batch_id, _ in history.answers}),
        lost=await _find_lost(trace, folder / "image", history),
        failed=None if failure is None else failure.name,
        flushed_again=0 if failure is None else _count_flushes_after(trace, failure),
        exit_code=exit_code,
        seconds_to_exit=0.0 if failure is None else ended_at - failure.at,
        last_words=last_words,
    )


def fail_once(pattern: str, at: int) -> Rule:
    """Return the rule by which the n-th flush of a file fails, and never again."""
    return Rule("sync", pattern, at, "error", errno.EIO)


async def _run_until_end(child: Child, caller: KillCaller, place: GatewayPlace, *, drains: bool) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_load, caller, place)
        if drains:
            await wait_for_door(place)
            await trio.sleep(LOAD_SECONDS)
            child.send_signal(signal.SIGTERM)
        await child.wait()
        nursery.cancel_scope.cancel()


async def _load(caller: KillCaller, place: GatewayPlace) -> None:
    await wait_for_door(place)
    await caller.live(place.address)


def _count_flushes_after(trace: list[Event], failure: Event) -> int:
    later = trace[trace.index(failure) + 1 :]
    return sum(event.kind == SYNC and event.name == failure.name for event in later)


async def _find_lost(trace: list[Event], image: Path, history: History) -> list[str]:
    """Return the batches that were told to be accepted and are not on the disk after a power loss."""
    disk = Disk(IGNORED)
    for event in trace:
        disk.play(event)
    disk.write_image(image, random.Random(1), lambda _: False, 512)
    engine = SqliteEngine(image, SystemClock())
    await engine.recover()
    try:
        # Any key that is taken is answered, or found to conflict.
        told = dict.fromkeys(batch_id for batch_id, _ in history.answers)
        other = b"another request"
        return [name for name in told if isinstance(await engine.reserve(PRINCIPAL, name, other), Reservation)]
    finally:
        await engine.aclose()
