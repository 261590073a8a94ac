"""The promises in rounds, a file each: what one round does, and what counts as broken.

A new promise is a file here, named in ``PROMISES``, its short form and a planted defect in ``tests/promises``, and a
row in docs/promises.md; a test compares them.
"""

from bench.faults.rounds import (
    damaged,
    drain,
    expiry,
    failing_disk,
    half_open,
    killed,
    noisy_callers,
    older_journal,
    power_loss,
    restart,
    soak,
    turbulence,
)
from bench.faults.rounds.promise import Promise, Seen

__all__ = ["PROMISES", "Promise", "Seen"]

PROMISES = tuple(
    module.PROMISE
    for module in (
        killed,
        power_loss,
        failing_disk,
        restart,
        damaged,
        turbulence,
        expiry,
        drain,
        noisy_callers,
        half_open,
        soak,
        older_journal,
    )
)
