"""P4: one flush that fails, on one file after the other, or a full disk."""

from pathlib import Path

from bench.faults.every_flush import fail_flush_number
from bench.faults.failing_disk import fail_flush, fail_once
from bench.faults.full_disk import fill_disk
from bench.faults.gateway_process import DATABASE, LOG
from bench.faults.rounds.promise import Promise, Seen
from bench.faults.trace import FOLDER

EXIT_SECONDS = 1.0


async def _fail_disk(folder: Path, seed: int) -> Seen:
    """Fail a flush under a gateway, and beside it one of an engine that does a transaction of every kind.

    Of those each round takes the next.
    """
    run = await fail_flush_number(folder / "every", seed + 1)
    seen = await _fail_disk_of_gateway(folder, seed)
    return Seen(count=1, figures=seen.figures, failures=[*seen.failures, *run.failures()])


async def _fail_disk_of_gateway(folder: Path, seed: int) -> Seen:
    cases = [(LOG, seed + 3, False), (FOLDER, 5, False), (DATABASE, 1, True), (LOG, seed + 30, False)]
    if seed % 5 == 4:
        full = await fill_disk(folder)
        kept = full.finished_while_full == full.owed_when_full and full.accepted_afterwards > 0
        failures = full.failures + ([] if kept else [f"a full disk: {full}"])
        return Seen(count=1, figures={"full disks": 1}, failures=failures)
    pattern, at, drains = cases[seed % 5]
    seen = await fail_flush(folder, fail_once(pattern, at), drains=drains)
    failures = [f"{pattern}, flush {at}: {what}" for what in seen.failures()]
    if seen.seconds_to_exit > EXIT_SECONDS:
        failures.append(f"{pattern}, flush {at}: ended after {seen.seconds_to_exit:.1f} s")
    return Seen(
        count=1, figures={"lost": len(seen.lost), "most seconds to exit": seen.seconds_to_exit}, failures=failures
    )


PROMISE = Promise(
    number="P4",
    demanded=f"nothing accepted after a failed flush, exit code 1 in {EXIT_SECONDS:g} s; a full disk is outlived",
    demanded_count=60,
    unit="disks",
    run=_fail_disk,
)
