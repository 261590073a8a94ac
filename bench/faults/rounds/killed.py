"""P1, P3, P12 and P14: a gateway killed again and again; one history judges them together."""

from pathlib import Path

from bench.faults.kill_loop import MOST_REPEATED, run_kills
from bench.faults.rounds.promise import Promise, Seen

KILLS_A_ROUND = 20


async def _run_kills(folder: Path, seed: int) -> Seen:
    findings = (await run_kills(folder, KILLS_A_ROUND, seed)).findings
    most = max(findings.repeated_by_kill)
    failures = list(findings.failures())
    failures += [f"a kill repeated {most} sends, more than {MOST_REPEATED}"] if most > MOST_REPEATED else []
    figures = {
        "accepted": findings.accepted,
        "lost": len(findings.lost),
        "ended twice": len(findings.ended_twice),
        "repeated": sum(findings.repeated_by_kill),
        "most repeated by one kill": most,
        "repeated without a kill": len(findings.repeated_without_kill),
        "answered otherwise": len(findings.answered_otherwise),
        "results read again": findings.results_read_again,
    }
    return Seen(count=KILLS_A_ROUND, figures=figures, failures=failures)


PROMISE = Promise(
    number="P1 P3 P12 P14",
    demanded=f"0 lost, 1 result each, 1 answer a batch, at most {MOST_REPEATED} repeated by a kill",
    demanded_count=1000,
    unit="kills",
    run=_run_kills,
)
