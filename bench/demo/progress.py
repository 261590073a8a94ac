"""How far a run is: moving bars for each provider on a terminal, plain lines now and then elsewhere."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Protocol, Self

import msgspec
from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from bench.demo.plan import TITLES
from bench.judging.history import ProviderName

PLAIN_LINE_SECONDS = 2.0
# A rate over the last moments: a mean over the whole run would hide a provider that slowed down.
_RATE_SECONDS = 2.0


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """What the caller counted so far, in notifications. ``refused`` at the door; ``results`` read from the feed."""

    sent: int = 0
    accepted: int = 0
    refused: int = 0
    results: int = 0


ProviderCounts = Mapping[ProviderName, Counts]


class Display(AbstractContextManager["Display"], Protocol):
    """Shows counts while the block runs."""

    def show(self, counts: ProviderCounts, now: float) -> None:
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
    """A line for each provider every few seconds, for logs and pipes."""

    def __init__(self, console: Console, totals: Mapping[ProviderName, int]) -> None:
        self._console = console
        self._totals = totals
        self._rates = {name: RateMeter() for name in totals}
        self._next_line_at = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        return None

    def show(self, counts: ProviderCounts, now: float) -> None:
        """See :class:`Display`."""
        rates = {name: self._rates[name].measure(each.results, now) for name, each in counts.items()}
        if now < self._next_line_at:
            return
        self._next_line_at = now + PLAIN_LINE_SECONDS
        for name, each in counts.items():
            self._console.print(
                f"{TITLES[name]:<8}  sent {each.sent:,} of {self._totals[name]:,}, accepted {each.accepted:,}, "
                f"refused {each.refused:,}, results {each.results:,}, {rates[name]:,.0f}/s",
                highlight=False,
                soft_wrap=True,
            )


class ProviderBars:
    """Three bars that move."""

    def __init__(self, title: str, total: int) -> None:
        self._rate = RateMeter()
        self.progress = Progress(
            TextColumn("{task.description:<18}"),
            BarColumn(),
            TextColumn("{task.completed:>7,} of {task.total:,}"),
            TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(),
        )
        self._sent = self._add_bar(f"{title:<8}  sent", total)
        self._answered = self._add_bar(f"{'':<8}  answered", total)
        self._results = self._add_bar(f"{'':<8}  results", total)

    def show(self, counts: Counts, now: float) -> None:
        """Move to the newest counts."""
        rate = self._rate.measure(counts.results, now)
        answered = counts.accepted + counts.refused
        self.progress.update(self._sent, completed=counts.sent)
        self.progress.update(
            self._answered, completed=answered, note=f"{counts.accepted:,} accepted, {counts.refused:,} refused"
        )
        # What the gateway refused will have no result: the bar is full without it.
        total = max(1, (self.progress.tasks[self._sent].total or 0) - counts.refused)
        self.progress.update(self._results, completed=counts.results, total=total, note=f"{rate:,.0f}/s")

    def _add_bar(self, name: str, total: float) -> TaskID:
        return self.progress.add_task(name, total=total, note="")


class LiveDisplay:
    """The bars of all providers, one below the other."""

    def __init__(self, console: Console, totals: Mapping[ProviderName, int]) -> None:
        self._bars = {name: ProviderBars(TITLES[name], total) for name, total in totals.items()}
        self._live = Live(Group(*(bars.progress for bars in self._bars.values())), console=console)

    def __enter__(self) -> Self:
        self._live.start(refresh=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._live.stop()

    def show(self, counts: ProviderCounts, now: float) -> None:
        """See :class:`Display`."""
        for name, each in counts.items():
            self._bars[name].show(each, now)


def make_display(console: Console, totals: Mapping[ProviderName, int]) -> Display:
    """Return the display that fits where the console writes; ``totals`` are what each provider will be sent."""
    return LiveDisplay(console, totals) if console.is_terminal else PlainDisplay(console, totals)
