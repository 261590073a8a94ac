"""What a process holds, looked at from outside once a second, and how far that moved between two windows."""

import statistics
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from bench.measurements.measure import process_cpu_seconds
from bench.measurements.soak.account import Account


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One look. ``at_seconds`` counts from the start of the load; ``results`` are those read until then.

    ``without_result`` are rows that were submitted and have none yet: what the gateway holds for them is no leak.
    """

    at_seconds: float
    rss_bytes: int
    descriptors: int
    cpu_seconds: float
    results: int
    without_result: int


class Drift(msgspec.Struct, frozen=True, kw_only=True):
    """Medians of the first and the last window, and the share by which the last is above the first."""

    before: float
    after: float

    @property
    def added(self) -> float:
        """How much more it was in the end."""
        return self.after - self.before

    @property
    def share(self) -> float:
        """How much was added, of what stood before; below zero where it became less."""
        return round(self.added / self.before, 4) if self.before else 0.0


def take_sample(process_id: int, at_seconds: float, account: Account) -> Sample:
    """Look at a process that runs. Raises OSError when it is gone."""
    return Sample(
        at_seconds=at_seconds,
        rss_bytes=read_rss_bytes(process_id),
        descriptors=sum(1 for _ in Path(f"/proc/{process_id}/fd").iterdir()),
        cpu_seconds=process_cpu_seconds(process_id),
        results=account.results,
        without_result=account.missing,
    )


def read_rss_bytes(process_id: int) -> int:
    """Return what a process holds in memory (proc(5), ``VmRSS``). Raises OSError when it is gone."""
    for line in Path(f"/proc/{process_id}/status").read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise ProcessLookupError(f"/proc/{process_id}/status names no VmRSS: the process has ended")


def find_drift(
    samples: Sequence[Sample], value: Callable[[Sample], float], *, from_seconds: float, window_seconds: float
) -> Drift | None:
    """Compare the window that begins at ``from_seconds`` with the last one; None while they would overlap.

    Medians, so that neither one full queue nor one moment between two collections decides.
    """
    if not samples or samples[-1].at_seconds < from_seconds + 2 * window_seconds:
        return None
    last_from = samples[-1].at_seconds - window_seconds
    first = [value(each) for each in samples if from_seconds <= each.at_seconds < from_seconds + window_seconds]
    last = [value(each) for each in samples if each.at_seconds >= last_from]
    return Drift(before=statistics.median(first), after=statistics.median(last)) if first else None
