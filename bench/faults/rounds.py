"""The promises in rounds: what one round of each does, and what counts as broken. Numbers as in docs/promises.md."""

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import msgspec

from bench.faults.damage import judge_flip, make_journal, try_flip
from bench.faults.drain import run_drain
from bench.faults.failing_disk import fail_flush, fail_once
from bench.faults.full_disk import fill_disk
from bench.faults.gateway_process import DATABASE, LOG
from bench.faults.half_open import find_black_hole
from bench.faults.kills import MOST_REPEATED, run_kills
from bench.faults.power_loss import record_run, try_images
from bench.faults.trace import FOLDER
from bench.faults.turbulence import run_turbulence

KILLS_A_ROUND = 20
IMAGES_A_ROUND = 100
BATCHES_A_RUN = 240
FLIPS_A_ROUND = 100
SENDS_A_ROUND = 50_000
FOUND_SECONDS = 15.0
OPENING_SECONDS = 2.0  # for the session after it, on a machine that does other things beside


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What one round saw. Of figures whose name begins with "most" the largest counts, others are added up."""

    count: int
    figures: Mapping[str, float]
    failures: list[str]


class Promise(msgspec.Struct, frozen=True, kw_only=True):
    """A promise and its round; ``run`` takes an empty folder and a number that no other round had."""

    number: str
    demanded: str
    demanded_count: int
    unit: str
    run: Callable[[Path, int], Awaitable[Seen]]


async def _run_kills(folder: Path, seed: int) -> Seen:
    """P1, P3, P12 and P14 together: they are judged by one history."""
    findings = (await run_kills(folder, KILLS_A_ROUND, seed)).findings
    most = max(findings.repeated_by_kill)
    failures = list(findings.failures())
    failures += [f"a kill repeated {most} sends, more than {MOST_REPEATED}"] if most > MOST_REPEATED else []
    figures = {
        "accepted": findings.accepted,
        "lost": len(findings.lost),
        "ended twice": len(findings.ended_twice),
        "repeated": sum(findings.repeated_by_kill),
        "most repeated by one kill": most,
        "repeated without a kill": len(findings.repeated_without_kill),
        "answered otherwise": len(findings.answered_otherwise),
        "results read again": findings.results_read_again,
    }
    return Seen(count=KILLS_A_ROUND, figures=figures, failures=failures)


async def _lose_power(folder: Path, seed: int) -> Seen:
    trace = record_run(folder, seed=seed, batches=BATCHES_A_RUN)
    seen = await try_images(trace, folder, images=IMAGES_A_ROUND, seed=seed)
    figures = {"writes": seen.writes, "flushes": seen.flushes, "accepted": seen.accepted_rows}
    return Seen(count=seen.images, figures=figures, failures=seen.failures)


async def _fail_disk(folder: Path, seed: int) -> Seen:
    """One flush that fails, on one file after the other, or (last) a full disk."""
    cases = [(LOG, seed + 3, False), (FOLDER, 5, False), (DATABASE, 1, True), (LOG, seed + 30, False)]
    if seed % 5 == 4:
        full = await fill_disk(folder)
        kept = full.finished_while_full == full.owed_when_full and full.accepted_afterwards > 0
        failures = full.failures + ([] if kept else [f"a full disk: {full}"])
        return Seen(count=1, figures={"full disks": 1}, failures=failures)
    pattern, at, drains = cases[seed % 5]
    seen = await fail_flush(folder, fail_once(pattern, at), drains=drains)
    failures = [f"{pattern}, flush {at}: {what}" for what in seen.failures()]
    return Seen(
        count=1, figures={"lost": len(seen.lost), "most seconds to exit": seen.seconds_to_exit}, failures=failures
    )


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


async def _be_turbulent(folder: Path, seed: int) -> Seen:  # noqa: ARG001 - every round is the same
    seen = await run_turbulence(
        folder, sends=SENDS_A_ROUND, goaways=SENDS_A_ROUND // 10_000, resets=SENDS_A_ROUND // 1000
    )
    figures = {
        "GOAWAYs": seen.goaways,
        "not processed": seen.unprocessed,
        "resets": seen.resets,
        "lost": len(seen.findings.lost),
        "repeated after an answer": len(seen.findings.repeated_without_kill),
    }
    return Seen(count=SENDS_A_ROUND, figures=figures, failures=list(seen.findings.failures()))


async def _drain(folder: Path, seed: int) -> Seen:
    seen = await run_drain(folder, seed)
    failures = list(seen.findings.failures())
    if seen.exit_code != 0 or seen.findings.repeated_by_kill != [0]:
        failures.append(f"exit code {seen.exit_code}, {seen.findings.repeated_by_kill} repeated")
    figures = {"most seconds to refusal": seen.seconds_to_refusal, "most seconds to exit": seen.seconds_to_exit}
    return Seen(count=1, figures=figures, failures=failures)


async def _vanish(folder: Path, seed: int) -> Seen:  # noqa: ARG001 - every round is the same
    seen = await find_black_hole(folder)
    failures = list(seen.findings.failures())
    if seen.seconds_to_another > FOUND_SECONDS + OPENING_SECONDS:
        failures.append(f"another session was opened after {seen.seconds_to_another:.1f} s")
    figures = {"most seconds to another session": seen.seconds_to_another, "most to the end": seen.seconds_to_finish}
    return Seen(count=1, figures=figures, failures=failures)


PROMISES = (
    Promise(
        number="P1 P3 P12 P14",
        demanded=f"0 lost, 1 result each, 1 answer a batch, at most {MOST_REPEATED} repeated by a kill",
        demanded_count=1000,
        unit="kills",
        run=_run_kills,
    ),
    Promise(
        number="P2",
        demanded="0 lost, 0 images that do not open",
        demanded_count=5000,
        unit="images",
        run=_lose_power,
    ),
    Promise(
        number="P4",
        demanded="nothing accepted after a failed flush, exit code 1 in 1 s; a full disk is outlived",
        demanded_count=25,
        unit="disks",
        run=_fail_disk,
    ),
    Promise(
        number="P6",
        demanded="at most the damaged chunk (100 rows) lost, all told",
        demanded_count=2000,
        unit="flipped bits",
        run=_flip_bits,
    ),
    Promise(
        number="P7",
        demanded="100 GOAWAYs, 1,000 resets: 0 lost, 0 repeated after an answer",
        demanded_count=1_000_000,
        unit="sends",
        run=_be_turbulent,
    ),
    Promise(
        number="P15",
        demanded="refuses in 0.1 s, exits 0 in 30 s, 0 lost, 0 repeated",
        demanded_count=20,
        unit="drains",
        run=_drain,
    ),
    Promise(
        number="P22",
        demanded="found in 15 s, then another session; 0 lost",
        demanded_count=5,
        unit="black holes",
        run=_vanish,
    ),
)
