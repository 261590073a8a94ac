"""P13: rows whose time runs out while the gateway is frozen or dead."""

from pathlib import Path

from bench.faults.expiry import Outage, outlive
from bench.faults.rounds.promise import Promise, Seen

OUTAGES: tuple[Outage, ...] = ("frozen", "killed")


async def _expire(folder: Path, seed: int) -> Seen:
    outage = OUTAGES[seed % len(OUTAGES)]
    seen = await outlive(folder, outage)
    figures = {"begun before": seen.begun_before, "begun after expiry": seen.begun_after_expiry}
    return Seen(count=1, figures=figures, failures=[f"{outage}: {what}" for what in seen.failures()])


PROMISE = Promise(
    number="P13",
    demanded="0 attempts begun after expiry, one result each",
    demanded_count=20,
    unit="outages",
    run=_expire,
)
