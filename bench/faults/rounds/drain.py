"""P15: SIGTERM under load."""

from pathlib import Path

from bench.faults.drain import run_drain
from bench.faults.rounds.promise import Promise, Seen


async def _drain(folder: Path, seed: int) -> Seen:
    seen = await run_drain(folder, seed)
    failures = list(seen.findings.failures())
    if seen.exit_code != 0 or seen.findings.repeated_by_kill != [0]:
        failures.append(f"exit code {seen.exit_code}, {seen.findings.repeated_by_kill} repeated")
    figures = {"most seconds to refusal": seen.seconds_to_refusal, "most seconds to exit": seen.seconds_to_exit}
    return Seen(count=1, figures=figures, failures=failures)


PROMISE = Promise(
    number="P15",
    demanded="refuses in 0.1 s, exits 0 in 30 s, 0 lost, 0 repeated",
    demanded_count=20,
    unit="drains",
    run=_drain,
)
