"""What a run saw."""

import msgspec

from bench.measurements.machine import Machine
from bench.measurements.whole.turns import TurnCounts

# The aim (docs/decisions/one-loop.md): while one turn of the loop runs nobody else does.
LATE_MICROSECONDS = 1_000


class WholeFigures(msgspec.Struct, frozen=True, kw_only=True):
    """One gateway under load. CPU time is that of its whole process, kernel and all threads included."""

    engine: str
    batch_rows: int
    notifications: int
    cpu_microseconds_per_notification: float
    notifications_per_second: int
    sink_cpu_microseconds_per_notification: float
    late_turns: int
    turns: TurnCounts


class WholeReport(msgspec.Struct, frozen=True, kw_only=True):
    """All runs. There is no gate: h2load, the yardstick of `bench session`, has no journal and no caller."""

    machine: Machine
    figures: list[WholeFigures]


def count_late(turns: TurnCounts) -> int:
    """Return how many turns took more than a millisecond."""
    return turns.longer + sum(count for bound, count in turns.at_most.items() if bound > LATE_MICROSECONDS)
