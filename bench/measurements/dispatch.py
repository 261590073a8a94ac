"""How soon a gateway that starts with a long queue sends as fast as it can (P5).

A real `pushmill serve` starts on the journal that a killed process left, with the native sink for a provider, whose
count of requests is looked at ten times a second.
"""

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

import trio

from bench.judging.processes import gateway_command, start_child
from bench.measurements.whole.settings import write_settings
from bench.sink import SinkProcess, write_certificates

LOOK_SECONDS = 0.1
# The rate at a moment is that of the half second that follows it.
WINDOW_LOOKS = 5
STEADY_SHARE = 0.8
PATIENCE_SECONDS = 90.0


class Look(NamedTuple):
    """How many requests the sink had answered, seconds after the gateway's process was started."""

    seconds: float
    requests: int


async def watch_dispatch(journal: Path, rows: int) -> list[Look]:
    """Start a gateway on ``journal`` and look until it has sent ``rows``, or for as long as patience lasts."""
    with tempfile.TemporaryDirectory(prefix="pushmill-dispatch-") as name:
        folder = Path(name)
        certificates = write_certificates(folder)
        with SinkProcess(certificate_file=certificates.certificate_file, key_file=certificates.key_file) as sink:
            config = write_settings(folder, "sqlite", journal, sink.port, certificates.ca_file)
            looks: list[Look] = []
            started = time.monotonic()
            command = gateway_command(config)
            async with start_child("gateway", command, folder / "gateway.log", has_output=False):
                with trio.move_on_after(PATIENCE_SECONDS):
                    while not looks or looks[-1].requests < rows:
                        await trio.sleep(LOOK_SECONDS)
                        looks.append(Look(time.monotonic() - started, sink.requests))
            return looks


def find_rates(looks: Sequence[Look]) -> list[tuple[float, float]]:
    """Return (seconds, requests a second) for each look that a window follows."""
    pairs = zip(looks, looks[WINDOW_LOOKS:], strict=False)
    return [(first.seconds, (last.requests - first.requests) / (last.seconds - first.seconds)) for first, last in pairs]


def judge(looks: Sequence[Look]) -> tuple[float, float]:
    """Return the steady rate, the median of the later half of the run, and when 80 % of it was first reached.

    Raises ValueError when there are too few looks to tell.
    """
    rates = find_rates(looks)
    if len(rates) < 2 * WINDOW_LOOKS:
        raise ValueError("the queue was sent too fast to tell: measure with more rows")
    steady = median(rate for _, rate in rates[len(rates) // 2 :])
    return steady, next(seconds for seconds, rate in rates if rate >= STEADY_SHARE * steady)
