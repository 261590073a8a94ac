"""P5: a start on a million queued rows that a killed process left."""

from pathlib import Path

import trio

from bench.faults.rounds.promise import Promise, Seen
from bench.measurements.recovery import LIMIT_DISPATCH_SECONDS, LIMIT_MIB, LIMIT_SECONDS, measure

ROWS = 1_000_000


async def _start_again(folder: Path, seed: int) -> Seen:  # noqa: ARG001 - every round is the same
    measured = await trio.to_thread.run_sync(measure, folder, ROWS)
    figures = {
        "most seconds to accepting": measured.accepting_after_seconds,
        "most seconds to 80 % of the steady rate": measured.dispatching_after_seconds,
        "most MiB above idle": measured.above_idle_mib,
    }
    return Seen(count=1, figures=figures, failures=measured.failures())


PROMISE = Promise(
    number="P5",
    demanded=f"with {ROWS:,} queued accepting in {LIMIT_SECONDS:g} s, at 80 % of the steady rate in "
    f"{LIMIT_DISPATCH_SECONDS:g} s, at most {LIMIT_MIB:g} MiB above idle",
    demanded_count=3,
    unit="restarts",
    run=_start_again,
)
