"""A provider that stalls or a caller that reads nothing stops intake, and memory stays where it is.

Real processes, because memory is the question. The three cases stand in one test so that their minute passes once.
"""

from contextlib import suppress
from functools import partial
from pathlib import Path

import msgspec
import pytest
import trio

from bench.simulators.apns import ApnsSimulatorOptions, open_apns_simulator
from gateway.caller import BatchRefusedError, open_caller
from protocol.frames import Hello, Subscribe, encode_frame, frame_body
from tests.support.gateway import alert_batch, device_tokens, start_gateway
from tests.support.patience import HANG_SECONDS

pytestmark = pytest.mark.long

# The limits are reached when nothing was taken for so long, or more was written than all of them let in; from then on
# memory is watched. Who reads nothing can write on: what is beyond is refused, and that is what it doesn't read.
STILL_SECONDS = 10.0
WATCHED_SECONDS = 50.0
ALLOWED_GROWTH_BYTES = 10 * 1024 * 1024
BATCH_ROWS = 1_000
LIMITS = {
    "batch_notifications": BATCH_ROWS,
    "connection_credit_notifications": 20 * BATCH_ROWS,
    "queued_notifications": 20_000,
    "unread_results": 10_000,
    "admission_wait_seconds": 5.0,
}
# A stalled provider is to stay one: no stream or session is given up within this test. Beside a session that is stalled
# another one is opened, up to twice the most: with one that has happened before intake stands still.
PATIENT = {
    "stream_timeout_seconds": 600.0,
    "ping_after_seconds": 600.0,
    "stall_after_seconds": 5.0,
    "most_sessions": 1,
}
MOST_CONNECTIONS = 2


def resident_bytes(process_id: int) -> int:
    status = Path(f"/proc/{process_id}/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmRSS:"))


MOST_LET_IN = sum(
    LIMITS[name] for name in ("connection_credit_notifications", "queued_notifications", "unread_results")
)


class Offered:
    """How many notifications a caller got rid of."""

    accepted = 0
    refused = 0


async def send_for_ever(socket: Path, offered: Offered) -> None:
    """Offer batches as fast as credits allow, and take no results."""
    async with open_caller(f"unix:{socket}") as caller, trio.open_nursery() as nursery:
        for worker in range(20):
            nursery.start_soon(_send_batches, caller, worker, offered)


async def _send_batches(caller, worker: int, offered: Offered) -> None:
    batch = alert_batch(device_tokens(BATCH_ROWS, start=worker * BATCH_ROWS))
    while True:
        try:
            await caller.send(batch)
            offered.accepted += BATCH_ROWS
        except BatchRefusedError:
            offered.refused += BATCH_ROWS
            await trio.sleep(0.5)


async def write_and_read_nothing(socket: Path, offered: Offered) -> None:
    """Subscribe and send as long as the gateway takes bytes, and never read one."""
    stream = await trio.open_unix_socket(socket)
    await stream.send_all(encode_frame(Hello(version=1)) + encode_frame(Subscribe()))
    batch = {"op": "send", **alert_batch(device_tokens(BATCH_ROWS))}
    frame = frame_body(msgspec.msgpack.encode(batch))
    async with stream:
        with suppress(trio.BrokenResourceError):
            while True:
                await stream.send_all(frame)
                offered.accepted += BATCH_ROWS
        await trio.sleep_forever()


class Case:
    """One gateway in trouble: what was measured of it."""

    def __init__(self, name: str, offer, *, stalls: bool) -> None:
        self.name = name
        self._offer = offer
        self._stalls = stalls
        self.offered = Offered()
        self.resident: list[int] = []
        self.connections = 0

    def __str__(self) -> str:
        early, late = (value / 2**20 for value in self.resident)
        counts = f"{self.offered.accepted} notifications taken, {self.offered.refused} refused"
        resident = f"RSS {early:.1f} MiB with the limits reached, {late:.1f} MiB {WATCHED_SECONDS:g} s later"
        return f"{self.name}: {resident}; {counts}; {self.connections} connections to the provider"

    async def run(self, folder: Path) -> None:
        await trio.Path(folder).mkdir()
        async with (
            open_apns_simulator(ApnsSimulatorOptions(remembers_requests=False)) as simulator,
            start_gateway(
                folder, simulator, limits=LIMITS, apns=PATIENT, delivery={"drain_timeout_seconds": 1.0}
            ) as child,
            trio.open_nursery() as nursery,
        ):
            if self._stalls:
                simulator.stall()
            nursery.start_soon(self._offer, folder / "gateway.sock", self.offered)
            for wait in (self._wait_full, partial(trio.sleep, WATCHED_SECONDS)):
                await wait()
                assert not child.has_ended, child.describe_end()
                self.resident.append(resident_bytes(child.process_id))
            self.connections = simulator.statistics().connections
            nursery.cancel_scope.cancel()

    async def _wait_full(self) -> None:
        taken, since = 0, trio.current_time()
        with trio.fail_after(HANG_SECONDS):
            while taken < MOST_LET_IN and not (taken and trio.current_time() - since >= STILL_SECONDS):
                await trio.sleep(0.5)
                if self.offered.accepted != taken:
                    taken, since = self.offered.accepted, trio.current_time()


async def test_memory_stands_still_while_a_provider_stalls_or_a_caller_reads_nothing(tmp_path, capsys):
    stalled = Case("provider stalls", send_for_ever, stalls=True)
    unread = Case("no results taken", send_for_ever, stalls=False)
    deaf = Case("nothing read", write_and_read_nothing, stalls=False)
    cases = (stalled, unread, deaf)
    async with trio.open_nursery() as nursery:
        for number, case in enumerate(cases):
            nursery.start_soon(case.run, tmp_path / f"case{number}")
    with capsys.disabled():
        print("", *cases, sep="\n", end="")  # noqa: T201 - the figures are half of the test
    for case in cases:
        early, late = case.resident
        assert late <= early + ALLOWED_GROWTH_BYTES, str(case)
        assert case.connections <= MOST_CONNECTIONS, str(case)
    assert stalled.offered.accepted <= LIMITS["queued_notifications"]
    assert unread.offered.accepted <= LIMITS["unread_results"] + LIMITS["queued_notifications"]
