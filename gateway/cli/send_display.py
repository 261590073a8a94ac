"""What `pushmill send` shows: progress while it runs, results as lines or as a table."""

import sys
from contextlib import AbstractContextManager, nullcontext

import orjson
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from gateway.cli.sending import RowOut, Sending, Totals

REFRESHES_PER_SECOND = 8


def show_progress(sending: Sending) -> AbstractContextManager[object]:
    """Show, on a terminal only, how far a run has come."""
    console = Console(stderr=True)
    if not console.is_terminal:
        return nullcontext()
    return Live(
        get_renderable=lambda: _render_progress(sending.totals),
        console=console,
        refresh_per_second=REFRESHES_PER_SECOND,
        transient=True,
    )


def print_row(row: RowOut) -> None:
    """Print what became of one notification as a line of JSON."""
    sys.stdout.buffer.write(orjson.dumps(row) + b"\n")


def print_table(totals: Totals, *, waited: bool) -> None:
    """Print what became of everything, by provider, outcome and reason."""
    table = Table("provider", "outcome", "reason", "provider's word", "notifications")
    table.columns[-1].justify = "right"
    for (provider, outcome, reason, word), count in totals.results.most_common():
        table.add_row(provider, outcome, reason or "", word or "", f"{count:,}")
    for what, count in _list_others(totals, waited=waited):
        table.add_row("", what, "", "", f"{count:,}", style=None if what == "accepted" else "yellow")
    Console().print(table)


def _list_others(totals: Totals, *, waited: bool) -> list[tuple[str, int]]:
    counts = [
        ("no result yet", totals.missing) if waited else ("accepted", totals.accepted),
        ("rejected at the door", totals.rejected),
        ("batch refused", totals.refused),
        ("not a notification", totals.faults),
    ]
    return [(what, count) for what, count in counts if count]


def _render_progress(totals: Totals) -> Group:
    results = totals.results.total()
    return Group(
        Text(f"{totals.sent:,} sent, {totals.accepted:,} accepted, {results:,} results"),
        ProgressBar(total=max(totals.sent, 1), completed=results + totals.rejected + totals.refused),
    )
