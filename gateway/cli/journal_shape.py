"""`pushmill journal shape`: what is owed by lane and age, and why a lane doesn't send."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import typer

if TYPE_CHECKING:
    from gateway.journal.sqlite.care.survey import Pending
    from gateway.telemetry.lane_notes import LaneNote, LaneNotes

_AGES = ("< 1 min", "< 5 min", "< 30 min", "< 1 h", "< 6 h", "< 1 day", "older")


class LaneState(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a lane: of its rows from the journal, of the rest from the gateway's notes."""

    state: str
    tried: int
    later: int
    next_attempt_at: int | None
    held_for: str | None
    last_error: str | None
    last_error_at: int | None


def find_states(pending: "Mapping[str, Pending]", notes: "LaneNotes | None", now_ms: int) -> dict[str, LaneState]:
    """Return the state of every lane that owes something; without notes the journal's part of it alone."""
    from gateway.telemetry.lane_notes import LaneNote

    lanes = {} if notes is None else notes.lanes
    return {lane: _find_state(each, lanes.get(lane, LaneNote()), now_ms) for lane, each in pending.items()}


def _find_state(pending: "Pending", note: "LaneNote", now_ms: int) -> LaneState:
    is_held = note.held_until is not None
    if is_held:
        state = "held"
    elif note.unanswered_since is not None:
        state = "unanswered"
    elif note.next_attempt_at is not None and note.next_attempt_at > now_ms:
        state = "failing"
    else:
        state = "waiting" if pending.next_due_at is not None else "sending"
    return LaneState(
        state=state,
        tried=pending.tried,
        later=pending.later,
        next_attempt_at=note.next_attempt_at if state in {"held", "failing"} else pending.next_due_at,
        held_for=note.held_for if is_held else None,
        last_error=note.last_error,
        last_error_at=note.last_error_at,
    )


def is_gateway_at_work(folder: Path) -> bool:
    """Whether a gateway holds the journal's lock now; False also where that can't be seen."""
    import fcntl

    from gateway.journal.sqlite.disk.files import LOCK

    try:
        with (folder / LOCK).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def print_shape(counts: Mapping[str, list[int]]) -> None:
    """Print how much is owed; where the table is wider than the terminal, lane by lane. No name is ever cut."""
    from rich.console import Console
    from rich.measure import Measurement
    from rich.table import Table

    if not counts:
        typer.echo("nothing is owed")
        return
    table = Table(title="Owed, by lane and age", title_justify="left")
    table.add_column("lane", no_wrap=True)
    for title in ("total", *_AGES):
        table.add_column(title, justify="right", no_wrap=True)
    for lane, row in counts.items():
        table.add_row(lane, *(f"{count:,}" if count else "·" for count in (sum(row), *row)))
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 10_000  # a pipe has no edge
    # Measured without the terminal's edge, to which every measure would be cut.
    if Measurement.get(console, console.options.update(width=10_000), table).maximum <= console.width:
        console.print(table)
        return
    for lane, row in counts.items():
        ages = ", ".join(f"{count:,} {age}" for age, count in zip(_AGES, row, strict=True) if count)
        typer.echo(f"{lane}: {sum(row):,} owed: {ages}")


def print_states(states: Mapping[str, LaneState], notes: "LaneNotes | None", *, is_at_work: bool) -> None:
    """Print a line for every lane that doesn't simply send, and where that is known from."""
    told = {lane: line for lane, state in states.items() if (line := _describe(state))}
    for lane, line in told.items():
        typer.echo(f"{lane}: {line}")
    if not states:
        return
    if not is_at_work:
        typer.echo("no gateway is at work on this journal: nothing is sent until one is started")
    if notes is None:
        typer.echo("whether a lane is held, and its last error, is not noted here: see the gateway's log")
    elif not is_at_work:
        typer.echo(f"what is held, and last errors, are as of {_tell(notes.written_at)}, when the gateway ended")


def _describe(state: LaneState) -> str:
    parts = []
    if state.state == "held":
        parts.append(f"held for {state.held_for}")
    elif state.state == "unanswered":
        parts.append("no answer comes")
    elif state.state == "failing":
        parts.append("no connection")
    if state.last_error is not None and state.last_error_at is not None:
        parts.append(f"last error at {_tell(state.last_error_at)}: {state.last_error}")
    if state.tried:
        parts.append(f"{state.tried:,} tried before")
    if state.later:
        parts.append(f"{state.later:,} not due yet")
    if state.next_attempt_at is not None:
        parts.append(f"next attempt at {_tell(state.next_attempt_at)}")
    return "; ".join(parts)


def _tell(moment_ms: int) -> str:
    return datetime.fromtimestamp(moment_ms / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
