"""Runs a real gateway process between a caller and the native sink, once for each engine and size of batch."""

import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import trio

from bench.judging.processes import Child, start_child, wait_for_socket
from bench.measurements.machine import describe_machine
from bench.measurements.measure import process_cpu_seconds
from bench.measurements.whole.report import WholeFigures, WholeReport, count_late
from bench.measurements.whole.settings import APP, write_settings
from bench.measurements.whole.turns import TurnCounts
from bench.sink import SinkProcess, write_certificates
from gateway.caller import SocketCaller, open_caller

ENGINES = ("memory", "sqlite")
BATCH_ROWS = (100, 10_000)
WARM_UP_ROWS = 20_000
SENDERS = 4
READY_SECONDS = 20.0
# A bound on hanging, far above what a run takes.
PATIENCE_SECONDS = 300.0

Progress = Callable[[str], None]


def run(*, notifications: int, progress: Progress) -> WholeReport:
    """Measure every combination; ``progress`` gets a line before each. Raises ChildError, SinkError."""
    machine = describe_machine(("trio", "msgspec"), {})
    figures = []
    for engine in ENGINES:
        for batch_rows in BATCH_ROWS:
            progress(f"{notifications:,} notifications in batches of {batch_rows:,}, journal: {engine}")
            figures.append(trio.run(_measure, engine, batch_rows, notifications))
    return WholeReport(machine=machine, figures=figures)


async def _measure(engine: str, batch_rows: int, notifications: int) -> WholeFigures:
    with tempfile.TemporaryDirectory(prefix="pushmill-whole-") as name:
        folder = Path(name)
        certificates = write_certificates(folder)
        with (
            SinkProcess(certificate_file=certificates.certificate_file, key_file=certificates.key_file) as sink,
            trio.fail_after(PATIENCE_SECONDS),
        ):
            config = write_settings(folder, engine, folder / "journal", sink.port, certificates.ca_file)
            command = [sys.executable, "-m", "bench.measurements.whole.watched_gateway", "--config", str(config)]
            async with start_child("gateway", command, folder / "gateway.log") as gateway:
                await wait_for_socket(folder / "gateway.sock", gateway, patience_seconds=READY_SECONDS)
                return await _load(gateway, sink, folder, engine, batch_rows, notifications)


async def _load(  # noqa: PLR0917 - the run's own parts
    gateway: Child, sink: SinkProcess, folder: Path, engine: str, batch_rows: int, notifications: int
) -> WholeFigures:
    address = f"unix:{folder / 'gateway.sock'}"
    async with open_caller(address) as caller:
        await _send_and_read(caller, batch_rows, WARM_UP_ROWS, "warm-up")
    gateway.send_signal(signal.SIGUSR1)
    async with open_caller(address) as caller:
        cpu, sink_cpu, began = process_cpu_seconds(gateway.process_id), process_cpu_seconds(sink.pid), time.monotonic()
        await _send_and_read(caller, batch_rows, notifications, "measured")
        seconds = time.monotonic() - began
        cpu = process_cpu_seconds(gateway.process_id) - cpu
        sink_cpu = process_cpu_seconds(sink.pid) - sink_cpu
    gateway.send_signal(signal.SIGTERM)
    turns = msgspec.json.decode(await gateway.read_line() or b"", type=TurnCounts)
    return WholeFigures(
        engine=engine,
        batch_rows=batch_rows,
        notifications=notifications,
        cpu_microseconds_per_notification=round(cpu / notifications * 1e6, 2),
        notifications_per_second=round(notifications / seconds),
        late_turns=count_late(turns),
        sink_cpu_microseconds_per_notification=round(sink_cpu / notifications * 1e6, 2),
        turns=turns,
    )


async def _send_and_read(caller: SocketCaller, batch_rows: int, notifications: int, name: str) -> None:
    """Send batches side by side and read until every notification has its result."""
    numbers = iter(range(-(-notifications // batch_rows)))

    async def send() -> None:
        for number in numbers:
            rows = min(batch_rows, notifications - number * batch_rows)
            targets = [{"apns": {"token": f"{number:032x}{row:032x}"}} for row in range(rows)]
            await caller.send(
                {
                    "batch_id": f"{name}-{number}",
                    "app": APP,
                    "content": {"title": "Sale", "body": "20 % off today, and only today"},
                    "targets": targets,
                }
            )

    subscription = await caller.subscribe(subscription="bench")
    async with trio.open_nursery() as nursery:
        for _ in range(SENDERS):
            nursery.start_soon(send)
        left = notifications
        async for page in subscription:
            subscription.acknowledge(page)
            left -= sum(len(block) for block in page.blocks)
            if left <= 0:
                return
