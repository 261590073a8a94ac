"""P22: a peer that is gone without a word, or there and without service."""

from functools import partial
from pathlib import Path

from bench.faults.half_open import BlackHole, find_black_hole, find_idler
from bench.faults.rounds.promise import Promise, Seen
from bench.simulators.server import SilenceEvent, StreamLimitEvent

FOUND_SECONDS = 15.0
OPENING_SECONDS = 2.0  # for the session after it, on a machine that does other things beside


async def _vanish(folder: Path, seed: int) -> Seen:
    forms = (
        find_black_hole,
        partial(find_black_hole, idle_seconds=4.0),
        _find_silent_server,
        _find_server_without_streams,
    )
    seen = await forms[seed % len(forms)](folder)
    failures = list(seen.findings.failures())
    if seen.seconds_to_another > FOUND_SECONDS + OPENING_SECONDS:
        failures.append(f"another session was opened after {seen.seconds_to_another:.1f} s")
    figures = {"most seconds to another session": seen.seconds_to_another, "most to the end": seen.seconds_to_finish}
    return Seen(count=1, figures=figures, failures=failures)


async def _find_silent_server(folder: Path) -> BlackHole:
    return await find_idler(folder, SilenceEvent(every=1, connection=1))


async def _find_server_without_streams(folder: Path) -> BlackHole:
    return await find_idler(folder, StreamLimitEvent(at_request=1, connection=1, limit=0))


PROMISE = Promise(
    number="P22",
    demanded="found in 15 s, then another session; 0 lost",
    demanded_count=8,
    unit="half-open peers",
    run=_vanish,
)
