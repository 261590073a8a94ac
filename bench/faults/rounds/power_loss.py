"""P2: disk images of a traced run, as a power loss may leave them."""

from pathlib import Path

from bench.faults.power_loss import record_run, try_images
from bench.faults.rounds.promise import Promise, Seen

IMAGES_A_ROUND = 100
BATCHES_A_RUN = 240


async def _lose_power(folder: Path, seed: int) -> Seen:
    trace = record_run(folder, seed=seed, batches=BATCHES_A_RUN)
    seen = await try_images(trace, folder, images=IMAGES_A_ROUND, seed=seed)
    figures = {"writes": seen.writes, "flushes": seen.flushes, "accepted": seen.accepted_rows}
    return Seen(count=seen.images, figures=figures, failures=seen.failures)


PROMISE = Promise(
    number="P2",
    demanded="0 lost, 0 images that do not open",
    demanded_count=5000,
    unit="images",
    run=_lose_power,
)
