"""P6: a flipped bit anywhere in a journal of owed batches, and a log that was cut."""

from pathlib import Path

from bench.faults.damage import judge_flip, judge_log_cut, make_journal, try_flip, try_log_cut
from bench.faults.rounds.promise import Promise, Seen

FLIPS_A_ROUND = 100
CUTS_A_ROUND = 10


async def _flip_bits(folder: Path, seed: int) -> Seen:
    journal = folder / "journal"
    await make_journal(journal)
    damages = [await try_flip(journal, folder / f"flip-{each}", seed + each) for each in range(FLIPS_A_ROUND)]
    cuts = [await try_log_cut(journal, folder / f"cut-{each}", seed + each) for each in range(CUTS_A_ROUND)]
    figures = {
        "refused and repaired": sum(damage.was_refused for damage in damages),
        "most rows lost": max(damage.undelivered for damage in damages),
        "rows untold": sum(damage.untold for damage in damages),
        "logs cut": len(cuts),
    }
    failures = [each for damage in damages for each in judge_flip(damage)]
    failures += [each for damage in cuts for each in judge_log_cut(damage)]
    return Seen(count=FLIPS_A_ROUND, figures=figures, failures=failures)


PROMISE = Promise(
    number="P6",
    demanded="at most the damaged chunk (100 rows) lost, all told",
    demanded_count=2000,
    unit="flipped bits",
    run=_flip_bits,
)
