"""P24: minutes of steady load, with the journal and without it in turn."""

from pathlib import Path

from bench.faults.rounds.promise import Promise, Seen
from bench.measurements.soak import SoakOptions, soak_engine

MINUTES = 10
ENGINES = ("sqlite", "memory")


async def _soak(folder: Path, seed: int) -> Seen:
    options = SoakOptions(seconds=MINUTES * 60.0)
    seen = await soak_engine(options, ENGINES[seed // MINUTES % len(ENGINES)], folder, progress=lambda _: None)
    figures = {
        "notifications": seen.results,
        "most memory added, %": 100 * (seen.rss.share if seen.rss else 1.0),
        "most descriptors added": seen.descriptors.added if seen.descriptors else 0.0,
    }
    return Seen(count=MINUTES, figures=figures, failures=seen.find_misses())


PROMISE = Promise(
    number="P24",
    demanded="20,000/s; memory and descriptors drift 5 % at most, 0 lost, 0 twice",
    demanded_count=60,
    unit="minutes",
    run=_soak,
)
