"""Power losses: one traced run of an engine, and many images of what the disk may have held when the power went.

A trace is cut at a moment drawn by chance, most often right after the engine gave its word; what the disk may hold then
is drawn too (see `disk`). Every image must open, and hold everything that was promised before the cut.
"""

import itertools
import os
import random
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from bench.faults.disk import Choice, Disk
from bench.faults.marks import Promised
from bench.faults.shim import FaultShim, Rule
from bench.faults.survival import find_losses
from bench.faults.trace import MARK, SYNC, WRITE, Event, read_trace

SECTORS = (512, 4096)
RUN_SECONDS = 120.0
# Room in reserve holds no data, locks are not on the disk, and the index of the log is made anew by who opens first.
IGNORED = ("reserve", "lock", "journal.db-shm")

NO_FLUSH = Rule("sync", "*", 1, "swallow", and_after=True)
"""The mutant: every flush says yes and does nothing."""


class PowerLosses(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen. ``failures`` say where the cut was, and what was broken there."""

    images: int
    writes: int
    flushes: int
    accepted_rows: int
    """In the last image."""
    failures: list[str]


def record_run(folder: Path, *, seed: int, batches: int, rules: Sequence[Rule] = ()) -> list[Event]:
    """Run the workload under the shim; return its trace. Raises CalledProcessError."""
    journal, marks, trace = folder / "journal", folder / "marks", folder / "trace"
    journal.mkdir(mode=0o700)
    shim = FaultShim(folder=journal, rules=rules, trace_file=trace, marks_file=marks)
    command = [sys.executable, "-m", "bench.faults.workload", "--folder", str(journal), "--marks", str(marks)]
    command += ["--seed", str(seed), "--batches", str(batches)]
    environment = os.environ | shim.environment()
    subprocess.run(command, check=True, env=environment, timeout=RUN_SECONDS)  # noqa: S603 - our own module
    return read_trace(trace)


async def try_images(trace: Sequence[Event], folder: Path, *, images: int, seed: int) -> PowerLosses:
    """Make so many images in ``folder`` and open each; they are removed when they were right."""
    dice = random.Random(seed)
    disk, promised = Disk(IGNORED), Promised()
    failures: list[str] = []
    played = 0
    for number, cut in enumerate(choose_cuts(trace, images, dice)):
        for event in itertools.islice(trace, played, cut):
            disk.play(event)
            promised.play(event)
        played = cut
        image = folder / f"image-{number}"
        disk.write_image(image, dice, choose_fate(dice), dice.choice(SECTORS))
        losses = await find_losses(image, promised)
        failures += (f"image {number}, cut at event {cut}: {loss}" for loss in losses)
        if not losses:
            _remove(image)
    return PowerLosses(
        images=images,
        writes=sum(event.kind == WRITE for event in trace),
        flushes=sum(event.kind == SYNC for event in trace),
        accepted_rows=sum(rows.bit_count() for rows in promised.accepted.values()),
        failures=failures,
    )


def choose_cuts(trace: Sequence[Event], count: int, dice: random.Random) -> list[int]:
    """Return rising positions in the trace: half of them right after a mark, the others anywhere."""
    after_marks = [at + 1 for at, event in enumerate(trace) if event.kind == MARK]
    return sorted(
        dice.choice(after_marks) if after_marks and dice.random() < 0.5 else dice.randint(0, len(trace))
        for _ in range(count)
    )


def choose_fate(dice: random.Random) -> Choice:
    """Return what decides of each sector: nothing reached the disk, everything did, or a share drawn once."""
    share = dice.choice((0.0, 1.0, 0.1, 0.5, 0.9))
    return lambda throw: throw.random() < share


def _remove(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
