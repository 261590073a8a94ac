"""P15: SIGTERM under load."""

from pathlib import Path

from bench.faults.drain import run_drain
from bench.faults.rounds.promise import Promise, Seen

REFUSAL_SECONDS = 0.1
EXIT_SECONDS = 30.0


async def _drain(folder: Path, seed: int) -> Seen:
    seen = await run_drain(folder, seed)
    failures = list(seen.findings.failures())
    if seen.exit_code != 0 or seen.findings.repeated_by_kill != [0]:
        failures.append(f"exit code {seen.exit_code}, {seen.findings.repeated_by_kill} repeated")
    if seen.seconds_to_refusal > REFUSAL_SECONDS or seen.seconds_to_exit > EXIT_SECONDS:
        failures.append(f"refused after {seen.seconds_to_refusal:.2f} s, ended after {seen.seconds_to_exit:.1f} s")
    figures = {"most seconds to refusal": seen.seconds_to_refusal, "most seconds to exit": seen.seconds_to_exit}
    return Seen(count=1, figures=figures, failures=failures)


PROMISE = Promise(
    number="P15",
    demanded=f"refuses in {REFUSAL_SECONDS:g} s, exits 0 in {EXIT_SECONDS:g} s, 0 lost, 0 repeated",
    demanded_count=20,
    unit="drains",
    run=_drain,
)
