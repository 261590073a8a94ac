"""P22: a peer that is gone without a word."""

from pathlib import Path

from bench.faults.half_open import find_black_hole
from bench.faults.rounds.promise import Promise, Seen

FOUND_SECONDS = 15.0
OPENING_SECONDS = 2.0  # for the session after it, on a machine that does other things beside


async def _vanish(folder: Path, seed: int) -> Seen:  # noqa: ARG001 - every round is the same
    seen = await find_black_hole(folder)
    failures = list(seen.findings.failures())
    if seen.seconds_to_another > FOUND_SECONDS + OPENING_SECONDS:
        failures.append(f"another session was opened after {seen.seconds_to_another:.1f} s")
    figures = {"most seconds to another session": seen.seconds_to_another, "most to the end": seen.seconds_to_finish}
    return Seen(count=1, figures=figures, failures=failures)


PROMISE = Promise(
    number="P22",
    demanded="found in 15 s, then another session; 0 lost",
    demanded_count=5,
    unit="black holes",
    run=_vanish,
)
