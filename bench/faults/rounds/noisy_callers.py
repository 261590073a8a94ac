"""P18, the socket: a caller beside others that are a nuisance."""

from pathlib import Path

from bench.faults.noise_makers import KINDS
from bench.faults.noisy_callers import measure_beside
from bench.faults.rounds.promise import Promise, Seen

BATCHES = 500
MOST_RATIO = 2.0


async def _listen(folder: Path, seed: int) -> Seen:
    """Try one kind of nuisance a round, each in its turn."""
    kind = sorted(KINDS)[seed % len(KINDS)]
    seen = await measure_beside(folder, kind, BATCHES)
    failures = []
    if seen.ratio > MOST_RATIO:
        failures.append(f"beside {kind} p99 was {seen.beside_p99:.1f} ms, alone {seen.alone_p99:.1f} ms")
    if seen.unanswered:
        failures.append(f"beside {kind} {seen.unanswered} batches were not answered in time")
    figures = {
        f"most p99 ratio beside {kind}": round(seen.ratio, 2),
        f"most p50 ratio beside {kind}": round(seen.beside_p50 / seen.alone_p50, 2),
        f"most MiB beside {kind}": round(seen.most_resident_mib),
    }
    return Seen(count=1, figures=figures, failures=failures)


PROMISE = Promise(
    number="P18",
    demanded="p99 of an accept at most 2 times that without them",
    demanded_count=4 * len(KINDS),
    unit="nuisances",
    run=_listen,
)
