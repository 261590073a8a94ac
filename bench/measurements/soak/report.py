"""What a soak saw, and whether it is within its bounds."""

import msgspec

from bench.measurements.machine import Machine
from bench.measurements.soak.samples import Drift

MOST_DRIFT_SHARE = 0.05
# A gateway has some fifteen descriptors, and one session more is seven of a hundred of them.
LEAST_GROWTH = {"memory": 0, "descriptors": 2}


class SoakFigures(msgspec.Struct, frozen=True, kw_only=True):
    """One engine's run.

    Rate, CPU time and drift are those of the time after the warm-up; lost and repeated rows are counted over all of it.
    ``refusals`` are of batches that were sent again when the gateway had asked for.
    ``repeated_results`` were read more than once, ``repeated_sends`` taken by the provider more than once. A drift is
    None where the run ended before two windows were full. ``keys`` are the idempotency keys kept at the end, and
    ``bytes_a_key`` what one takes, measured apart unless the run was interrupted.
    """

    engine: str
    seconds: float
    warm_up_seconds: float
    was_interrupted: bool
    demanded_per_second: int
    rate_per_second: float
    cpu_microseconds_per_notification: float
    submitted: int
    results: int
    retried: int
    refusals: int
    outcomes: dict[str, int]
    lost: int
    repeated_results: int
    repeated_sends: int
    rss: Drift | None
    descriptors: Drift | None
    without_result: Drift | None
    keys: int
    bytes_a_key: float | None = None

    @property
    def duplicates(self) -> int:
        """Rows that were told or sent more than once."""
        return self.repeated_results + self.repeated_sends

    def find_misses(self) -> list[str]:
        """Return what is out of bounds, in words."""
        misses = []
        if self.was_interrupted:
            misses.append(f"interrupted after {self.seconds:.0f} s")
        if self.rate_per_second < self.demanded_per_second:
            misses.append(f"{self.rate_per_second:,.0f} notifications/s of {self.demanded_per_second:,} demanded")
        for name, drift in (("memory", self.rss), ("descriptors", self.descriptors)):
            if drift is None:
                misses.append(f"{name}: too short to compare two windows")
            elif drift.share > MOST_DRIFT_SHARE and drift.added > LEAST_GROWTH[name]:
                misses.append(f"{name} grew by {drift.share:.1%}, at most {MOST_DRIFT_SHARE:.0%} allowed")
        for name, count in (("lost", self.lost), ("told or sent twice", self.duplicates)):
            if count:
                misses.append(f"{count:,} {name}")
        others = self.results - self.outcomes.get("provider_accepted", 0)
        if others:
            misses.append(f"{others:,} ended otherwise than accepted by the provider")
        return misses


class SoakReport(msgspec.Struct, frozen=True, kw_only=True):
    """All runs. The figures beside them are the worst of any."""

    machine: Machine
    passed: bool
    misses: list[str]
    rss_drift_share: float | None
    descriptor_drift_share: float | None
    rate_per_second: float
    cpu_microseconds_per_notification: float
    lost: int
    duplicates: int
    keys: int
    bytes_a_key: float | None
    runs: list[SoakFigures]

    @property
    def was_interrupted(self) -> bool:
        """Whether it ended before its time."""
        return any(run.was_interrupted for run in self.runs)

    @classmethod
    def of(cls, machine: Machine, runs: list[SoakFigures]) -> "SoakReport":
        """Sum up at least one run."""
        misses = [f"{run.engine}: {miss}" for run in runs for miss in run.find_misses()]
        return cls(
            machine=machine,
            passed=not misses,
            misses=misses,
            rss_drift_share=_worst([run.rss for run in runs]),
            descriptor_drift_share=_worst([run.descriptors for run in runs]),
            rate_per_second=min(run.rate_per_second for run in runs),
            cpu_microseconds_per_notification=max(run.cpu_microseconds_per_notification for run in runs),
            lost=sum(run.lost for run in runs),
            duplicates=sum(run.duplicates for run in runs),
            keys=max(run.keys for run in runs),
            bytes_a_key=max((run.bytes_a_key for run in runs if run.bytes_a_key is not None), default=None),
            runs=runs,
        )


def _worst(drifts: list[Drift | None]) -> float | None:
    """Return the largest share; None where one is unknown."""
    known = [drift.share for drift in drifts if drift is not None]
    return max(known) if len(known) == len(drifts) else None
