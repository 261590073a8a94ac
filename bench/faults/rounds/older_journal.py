"""P26: a journal of an earlier version, whose upgrade is killed at some write, flush or rename, and started then."""

import random
import sys
from pathlib import Path

import trio

from bench.faults.kept_journals import list_kept, unpack_journal
from bench.faults.older_journal import find_broken, open_kept
from bench.faults.rounds.promise import Promise, Seen
from bench.faults.shim import FaultShim, Operation, Rule

# An upgrade of a kept journal has about as many: one that is drawn beyond the last one kills nothing.
OPERATIONS: dict[Operation, int] = {"write": 120, "sync": 10, "name": 14}


async def _upgrade(folder: Path, seed: int) -> Seen:
    dice = random.Random(seed)
    version = dice.choice(list_kept())
    journal = folder / "journal"
    journal.mkdir(mode=0o700)
    kept = unpack_journal(version, journal)
    operation = dice.choice(sorted(OPERATIONS))
    rule = Rule(operation, "*", dice.randint(1, OPERATIONS[operation]), "kill")
    command = [sys.executable, "-m", "gateway.cli", "journal", "upgrade", "--directory", str(journal)]
    ended = await trio.run_process(
        FaultShim(folder=journal, rules=[rule]).wrap(command), check=False, capture_stdout=True, capture_stderr=True
    )
    async with open_kept(folder, kept) as reopened:
        failures = await find_broken(reopened, kept)
    return Seen(
        count=1,
        figures={"killed": int(ended.returncode < 0)},
        failures=[f"version {version}, {rule}: {failure}" for failure in failures],
    )


PROMISE = Promise(
    number="P26",
    demanded="first answers and results as they were, everything owed sent once",
    demanded_count=100,
    unit="upgrades",
    run=_upgrade,
)
