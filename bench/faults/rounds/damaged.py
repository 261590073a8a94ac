"""P6: a flipped bit anywhere in a journal of owed batches."""

from pathlib import Path

from bench.faults.damage import judge_flip, make_journal, try_flip
from bench.faults.rounds.promise import Promise, Seen

FLIPS_A_ROUND = 100


async def _flip_bits(folder: Path, seed: int) -> Seen:
    journal = folder / "journal"
    await make_journal(journal)
    damages = [await try_flip(journal, folder / f"flip-{each}", seed + each) for each in range(FLIPS_A_ROUND)]
    figures = {
        "refused and repaired": sum(damage.was_refused for damage in damages),
        "most rows lost": max(damage.undelivered for damage in damages),
        "rows untold": sum(damage.untold for damage in damages),
    }
    return Seen(
        count=FLIPS_A_ROUND, figures=figures, failures=[each for damage in damages for each in judge_flip(damage)]
    )


PROMISE = Promise(
    number="P6",
    demanded="at most the damaged chunk (100 rows) lost, all told",
    demanded_count=2000,
    unit="flipped bits",
    run=_flip_bits,
)
