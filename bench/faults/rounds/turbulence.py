"""P7: GOAWAYs and resets in the middle of a long send."""

from pathlib import Path

from bench.faults.rounds.promise import Promise, Seen
from bench.faults.turbulence import run_turbulence

SENDS_A_ROUND = 50_000


async def _be_turbulent(folder: Path, seed: int) -> Seen:  # noqa: ARG001 - every round is the same
    seen = await run_turbulence(
        folder, sends=SENDS_A_ROUND, goaways=SENDS_A_ROUND // 10_000, resets=SENDS_A_ROUND // 1000
    )
    figures = {
        "GOAWAYs": seen.goaways,
        "not processed": seen.unprocessed,
        "resets": seen.resets,
        "lost": len(seen.findings.lost),
        "repeated after an answer": len(seen.findings.repeated_without_kill),
    }
    return Seen(count=SENDS_A_ROUND, figures=figures, failures=list(seen.findings.failures()))


PROMISE = Promise(
    number="P7",
    demanded="100 GOAWAYs, 1,000 resets: 0 lost, 0 repeated after an answer",
    demanded_count=1_000_000,
    unit="sends",
    run=_be_turbulent,
)
