"""Every flush of every kind of transaction fails once, each in a run of its own (P4).

What the engine had promised is compared with what the disk holds if the power goes right after: the failed flush wrote
nothing, and no later one of that file writes what had been written before it. A process that ended so is started again
on a disk that works once more, as a supervisor would, and what that one promises is compared as well.
"""

import errno
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import trio

from bench.faults.disk import Disk
from bench.faults.gateway_process import DATABASE, LOG
from bench.faults.marks import Promised
from bench.faults.power_loss import IGNORED
from bench.faults.shim import FaultShim, Rule
from bench.faults.survival import find_losses
from bench.faults.trace import FOLDER, SYNC, Event, read_trace
from bench.faults.transactions import FAILED_CODE

RUN_SECONDS = 60.0


class FlushRun(msgspec.Struct, frozen=True, kw_only=True):
    """One run of all transactions. ``failed`` is the file whose flush failed, None when none did."""

    flushes: int
    failed: str | None
    flushed_again: int
    exit_code: int
    exit_code_again: int
    """Of the process that was started after it."""
    seconds_to_exit: float
    losses: list[str]
    last_words: str

    def failures(self) -> Iterator[str]:
        """Yield what P4 does not allow.

        SQLite flushes the folder whenever a connection first flushes a log, and takes no notice of what that says.
        Such a flush may fail unheard as long as every name had been flushed before: then nothing is lost.
        """
        allowed = {0} if self.failed is None else {0, FAILED_CODE} if self.failed == FOLDER else {FAILED_CODE}
        if self.exit_code not in allowed:
            yield f"exit code {self.exit_code} after {self.failed} could not be flushed: {self.last_words}"
        if self.exit_code_again != 0:
            yield f"exit code {self.exit_code_again} of the next start: {self.last_words}"
        if self.flushed_again and self.failed in {LOG, DATABASE}:
            yield f"{self.failed} was flushed again after its flush had failed"
        yield from self.losses


async def fail_flush_number(folder: Path, number: int) -> FlushRun:
    """Do every transaction while the ``number``-th flush fails; 0: none."""
    journal, marks, trace_file = folder / "journal", folder / "marks", folder / "trace"
    _make_folder(journal)
    rules = [Rule("sync", "*", number, "error", errno.EIO)] if number else []
    shim = FaultShim(folder=journal, trace_file=trace_file, marks_file=marks)
    done = again = await _run(msgspec.structs.replace(shim, rules=rules))
    ended_at = time.monotonic()
    trace = read_trace(trace_file)
    failure = next((event for event in trace if event.kind == SYNC and event.error), None)
    flushed_again = 0 if failure is None else _count_flushes_after(trace, failure)
    if done.returncode == FAILED_CODE:
        again = await _run(shim, "--again")
        trace = read_trace(trace_file)
    return FlushRun(
        flushes=sum(event.kind == SYNC for event in trace),
        failed=None if failure is None else failure.name,
        flushed_again=flushed_again,
        exit_code=done.returncode,
        exit_code_again=again.returncode,
        seconds_to_exit=0.0 if failure is None else ended_at - failure.at,
        losses=await _find_losses(trace, folder / "image"),
        last_words=again.stderr.decode(errors="replace")[-2000:],
    )


async def _run(shim: FaultShim, *options: str) -> "subprocess.CompletedProcess[bytes]":
    files = ["--folder", str(shim.folder), "--marks", str(shim.marks_file)]
    command = [sys.executable, "-m", "bench.faults.transactions", *files, *options]
    with trio.fail_after(RUN_SECONDS):
        return await trio.run_process(command, env=os.environ | shim.environment(), check=False, capture_stderr=True)


def _make_folder(journal: Path) -> None:
    """Make the journal's folder, and those above it."""
    journal.mkdir(mode=0o700, parents=True)


def _count_flushes_after(trace: list[Event], failure: Event) -> int:
    later = trace[trace.index(failure) + 1 :]
    return sum(event.kind == SYNC and event.name == failure.name for event in later)


async def _find_losses(trace: list[Event], image: Path) -> list[str]:
    disk, promised = Disk(IGNORED), Promised()
    for event in trace:
        disk.play(event)
        promised.play(event)
    disk.write_image(image, random.Random(1), lambda _: False, 512)
    return await find_losses(image, promised)
