"""A real gateway on a disk that is full for a while (P4): the shim bounds the folder, and the bound is moved."""

from contextlib import suppress
from pathlib import Path

import msgspec
import trio

from bench.faults.gateway_process import open_place, start_gateway
from bench.faults.kill_caller import make_batch
from bench.simulators.apns import open_apns_simulator
from gateway.caller import BatchRefusedError, SocketCaller, Subscription, open_caller
from protocol.frames import Results

PATIENCE_SECONDS = 60.0
OWED_ROWS = 600
ROWS = 50
# What still fits is taken: a log that begins anew has room for some batches.
FITTING_BATCHES = 200


class FullDisk(msgspec.Struct, frozen=True, kw_only=True):
    """What a gateway did on a disk that was full for a while."""

    refusals: set[str]
    """The reasons with which new work was refused then."""
    owed_when_full: int
    finished_while_full: int
    accepted_afterwards: int
    failures: list[str]


async def fill_disk(folder: Path) -> FullDisk:
    """Fill the disk under a gateway that owes a batch, let that be answered, and make room again."""
    limit_file = folder / "limit"
    limit_file.write_text(str(1 << 40))
    async with (
        open_apns_simulator() as simulator,
        open_place(folder, simulator) as place,
        start_gateway(place, limit_file=limit_file) as child,
        open_caller(place.address) as caller,
    ):
        results = await caller.subscribe(subscription="full")
        simulator.stall()
        owed = (await caller.send(make_batch("owed", OWED_ROWS))).accepted
        limit_file.write_text("0")
        fitting, refusals = await _send_until_refused(caller)
        owed += fitting
        simulator.resume()
        finished = await _count_results(results, owed)
        limit_file.write_text(str(1 << 40))
        afterwards = await _send_when_there_is_room(caller)
        finished_afterwards = await _count_results(results, afterwards)
        failures = [] if finished_afterwards == afterwards else ["not all that was accepted afterwards has ended"]
        failures += [child.describe_end()] if child.has_ended else []
    return FullDisk(
        refusals=refusals,
        owed_when_full=owed,
        finished_while_full=finished,
        accepted_afterwards=afterwards,
        failures=failures,
    )


async def _send_until_refused(caller: SocketCaller) -> tuple[int, set[str]]:
    """Send until three batches were refused; return how many rows fitted before, and the reasons."""
    fitting, reasons = 0, list[str]()
    for number in range(FITTING_BATCHES):
        try:
            fitting += (await caller.send(make_batch(f"full.{number}", ROWS))).accepted
        except BatchRefusedError as refusal:
            reasons.append(refusal.reason)
        if len(reasons) == 3:
            break
    return fitting, set(reasons)


async def _send_when_there_is_room(caller: SocketCaller) -> int:
    """Repeat a batch as a caller would, until it is accepted; the gateway looks for room now and then."""
    with trio.move_on_after(PATIENCE_SECONDS):
        while True:
            with suppress(BatchRefusedError):
                return (await caller.send(make_batch("afterwards", ROWS))).accepted
            await trio.sleep(0.2)
    return 0


async def _count_results(results: Subscription[Results], expected: int) -> int:
    """Read so many results, as far as they come."""
    count = 0
    with trio.move_on_after(PATIENCE_SECONDS):
        while count < expected:
            page = await anext(results)
            results.acknowledge(page)
            count += sum(len(block) for block in page.blocks)
    return count
