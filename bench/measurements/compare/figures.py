"""Which figures of a bench's JSON are compared, under which names, and whether more of one is worse or better."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple


class Figure(NamedTuple):
    """One measured figure of one run."""

    name: str
    value: float
    is_cost: bool
    """Whether more of it is worse: CPU, bytes, seconds. A rate is not."""


Reader = Callable[[Mapping[str, Any]], Iterator[Figure]]


def _gateway(report: Mapping[str, Any]) -> Iterator[Figure]:
    for each in report["figures"]:
        name = f"CPU µs a notification, {each['engine']}, batches of {each['batch_rows']:,}"
        yield Figure(name, each["cpu_microseconds_per_notification"], is_cost=True)


def _session(report: Mapping[str, Any]) -> Iterator[Figure]:
    # The clients of others are the same in both trees; ours stands against h2load of the same rounds as well.
    yield Figure(
        "CPU µs a request", report["clients"]["native_session"]["cpu_microseconds_per_request"]["median"], True
    )
    yield Figure("h2load's CPU ÷ ours", report["ratio_to_h2load_cpu"], False)


def _queued(report: Mapping[str, Any]) -> Iterator[Figure]:
    yield Figure("bytes a queued row", report["bytes_per_row"], True)
    yield Figure("bytes a retry", report["bytes_per_retry"], True)
    yield Figure("MB above idle, leased", report["leased_above_idle_mb"], True)


def _journal(report: Mapping[str, Any]) -> Iterator[Figure]:
    yield Figure("ratio to a row a notification", report["ratio_to_row_per_notification"]["median"], False)
    for size, rate in report["rate_by_batch_size"].items():
        yield Figure(f"notifications/s, batches of {int(size):,}", rate, False)
    for share, written in report["written_bytes_by_retried_share"].items():
        yield Figure(f"bytes written a notification, {float(share):.0%} tried twice", written, True)


def _recovery(report: Mapping[str, Any]) -> Iterator[Figure]:
    yield Figure("seconds to accepting", report["accepting_after_seconds"], True)
    yield Figure("MiB above idle", report["above_idle_mib"], True)


def _idle(report: Mapping[str, Any]) -> Iterator[Figure]:
    yield Figure("MiB of an idle gateway", report["gateway_rss_mib"], True)
    yield Figure("ratio to its imports", report["ratio_to_imports"], True)


def _encrypt(report: Mapping[str, Any]) -> Iterator[Figure]:
    for name, spread in report["ratios"].items():
        yield Figure(name.replace("_", " "), spread["median"], False)


COMPARED: Mapping[str, Reader] = {
    "gateway": _gateway,
    "session": _session,
    "queued": _queued,
    "journal": _journal,
    "recovery": _recovery,
    "idle": _idle,
    "encrypt": _encrypt,
}
"""How the figures of each bench's ``--json`` are read."""
