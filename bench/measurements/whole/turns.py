"""The turns of a trio loop: how long a task keeps all others from running.

Counted in CPU time of the loop's own thread: on a busy machine wall time says how long the thread was kept waiting.
"""

import time
from collections import Counter

import msgspec
import trio

# Upper bounds in microseconds; turns above the last one stand by themselves.
BOUNDS_MICROSECONDS = (50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000)
LONGEST_KEPT = 10


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """One long turn and the task that took it."""

    task: str
    milliseconds: float


class TurnCounts(msgspec.Struct, frozen=True, kw_only=True):
    """``at_most`` are turns by upper bound in microseconds; ``longest`` is sorted, longest first."""

    turns: int
    at_most: dict[int, int]
    longer: int
    longest: list[Turn]


class TurnCounter(trio.abc.Instrument):
    """Counts every turn of the loop it instruments."""

    def __init__(self) -> None:
        self._began_at = 0.0
        self._turns = 0
        self._at_most: Counter[int] = Counter()
        self._longer = 0
        self._longest: dict[str, float] = {}

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        """Note the time."""
        del task
        self._began_at = time.thread_time()

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        """Count the turn, and keep it if it is its task's longest."""
        seconds = time.thread_time() - self._began_at
        self._turns += 1
        microseconds = seconds * 1e6
        for bound in BOUNDS_MICROSECONDS:
            if microseconds <= bound:
                self._at_most[bound] += 1
                break
        else:
            self._longer += 1
        if seconds > self._longest.get(task.name, 0.0):
            self._longest[task.name] = seconds

    def forget(self) -> None:
        """Begin anew: what came until now was the start."""
        self._turns = self._longer = 0
        self._at_most.clear()
        self._longest.clear()

    def count(self) -> TurnCounts:
        """Return the counts now."""
        longest = sorted(self._longest.items(), key=lambda entry: -entry[1])[:LONGEST_KEPT]
        return TurnCounts(
            turns=self._turns,
            at_most={bound: self._at_most[bound] for bound in BOUNDS_MICROSECONDS},
            longer=self._longer,
            longest=[Turn(task=task, milliseconds=round(seconds * 1e3, 3)) for task, seconds in longest],
        )
