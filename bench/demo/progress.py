"""How far a run is: a moving display on a terminal, a plain line now and then elsewhere."""

from contextlib import AbstractContextManager
from types import TracebackType
from typing import Protocol, Self

import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

PLAIN_LINE_SECONDS = 2.0
# A rate over the last moments: a mean over the whole run would hide a provider that slowed down.
_RATE_SECONDS = 2.0


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """What the caller counted so far, in notifications. ``refused`` at the door; ``results`` read from the feed."""

    sent: int = 0
    accepted: int = 0
    refused: int = 0
    results: int = 0


class Display(AbstractContextManager["Display"], Protocol):
    """Shows counts while the block runs."""

    def show(self, counts: Counts, now: float) -> None:
        """Take the newest counts; ``now`` in seconds of a monotonic clock."""
        ...


class RateMeter:
    """Results a second over the last moments."""

    def __init__(self) -> None:
        self._samples: list[tuple[float, int]] = []

    def measure(self, results: int, now: float) -> float:
        """Take a sample and return the rate; 0 until there are two."""
        self._samples.append((now, results))
        while len(self._samples) > 2 and self._samples[1][0] <= now - _RATE_SECONDS:
            del self._samples[0]
        (first_at, first_results), (last_at, last_results) = self._samples[0], self._samples[-1]
        return (last_results - first_results) / (last_at - first_at) if last_at > first_at else 0.0


class PlainDisplay:
    """A line every few seconds, for logs and pipes."""

    def __init__(self, console: Console, total: int) -> None:
        self._console = console
        self._total = total
        self._rate = RateMeter()
        self._next_line_at = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        return None

    def show(self, counts: Counts, now: float) -> None:
        """See :class:`Display`."""
        rate = self._rate.measure(counts.results, now)
        if now < self._next_line_at:
            return
        self._next_line_at = now + PLAIN_LINE_SECONDS
        self._console.print(
            f"sent {counts.sent:,} of {self._total:,}, accepted {counts.accepted:,}, refused {counts.refused:,}, "
            f"results {counts.results:,}, {rate:,.0f}/s",
            highlight=False,
        )


class LiveDisplay:
    """Three bars that move."""

    def __init__(self, console: Console, total: int) -> None:
        self._rate = RateMeter()
        self._progress = Progress(
            TextColumn("{task.description:<9}"),
            BarColumn(),
            TextColumn("{task.completed:>7,} of {task.total:,}"),
            TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(),
            console=console,
        )
        self._sent = self._add_bar("sent", total)
        self._answered = self._add_bar("answered", total)
        self._results = self._add_bar("results", total)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._progress.stop()

    def show(self, counts: Counts, now: float) -> None:
        """See :class:`Display`."""
        rate = self._rate.measure(counts.results, now)
        answered = counts.accepted + counts.refused
        self._progress.update(self._sent, completed=counts.sent)
        self._progress.update(
            self._answered, completed=answered, note=f"{counts.accepted:,} accepted, {counts.refused:,} refused"
        )
        # What the gateway refused will have no result: the bar is full without it.
        total = max(1, (self._progress.tasks[self._sent].total or 0) - counts.refused)
        self._progress.update(self._results, completed=counts.results, total=total, note=f"{rate:,.0f}/s")

    def _add_bar(self, name: str, total: float) -> TaskID:
        return self._progress.add_task(name, total=total, note="")


def make_display(console: Console, total: int) -> Display:
    """Return the display that fits where the console writes."""
    return LiveDisplay(console, total) if console.is_terminal else PlainDisplay(console, total)
