"""Rows that a process which is gone may have sent: whoever ends one without another attempt says ``unknown``.

A lease is not written down, so after an unclean end (a kill, a power loss, a failed disk) it isn't known which of the
rows that were due were on their way: each counts as possibly tried once
(docs/journal.md#what-durable-means). A process that ends
properly knows better. It asks who holds its leases for what was not sent, notes the doubt about the rest, and with it,
in the journal's last commit, that it closed it.

Of rows that are marked before they are sent (``on_unknown: report``) there is no doubt: their marks tell.
"""

import sqlite3
from collections.abc import Iterator, Sequence

from gateway.journal.books.store import StoredChunk
from gateway.journal.sqlite.disk import schema
from gateway.journal.sqlite.disk.change import Change
from gateway.journal.sqlite.recovery import RecoveredChunk
from gateway.journal.sqlite.state import JournalState, key_of

CHUNKS_A_COMMIT = 1_000


def was_closed(connection: sqlite3.Connection) -> bool:
    """Whether the process that had the journal last ended properly."""
    (has_table,) = connection.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'closing'").fetchone()
    if not has_table:
        return False
    (rows,) = connection.execute("SELECT count(*) FROM closing").fetchone()
    return bool(rows)


async def take_note_of_start(state: JournalState, chunks: Sequence[RecoveredChunk], *, was_closed: bool) -> None:
    """Have it known that a process is at work here, before it sends anything, and doubt what the last one was at."""
    if was_closed:
        change = Change()
        change.add("DELETE FROM closing WHERE id = ?", [(schema.CLOSING_ID,)])
        await state.commit(change)
        return
    doubted = [chunk.chunk for chunk in chunks if chunk.chunk.doubt(_find_due(chunk, state.now_ms))]
    for at in range(0, len(doubted), CHUNKS_A_COMMIT):
        change = Change()
        state.add_places(change, {key_of(chunk): chunk for chunk in doubted[at : at + CHUNKS_A_COMMIT]})
        await state.commit(change)


def note_end(state: JournalState) -> Change:
    """Return the last change of a process that ends properly."""
    change = Change()
    touched: dict[int, StoredChunk] = {}
    for chunk in _find_leased(state):
        held = chunk.leased & ~state.get_back(chunk, chunk.leased)
        chunk.doubt(held)
        touched[key_of(chunk)] = chunk
    state.add_places(change, touched)
    change.add("INSERT OR REPLACE INTO closing (id, at_ms) VALUES (?, ?)", [(schema.CLOSING_ID, state.now_ms)])
    return change


def _find_due(chunk: RecoveredChunk, now_ms: int) -> int:
    """Return the rows whose moment has come; when it came, before the end or after it, nobody knows."""
    due = 0
    for due_at_ms, rows in chunk.due.items():
        if due_at_ms <= now_ms:
            due |= rows
    return due & ~chunk.started


def _find_leased(state: JournalState) -> Iterator[StoredChunk]:
    for batch in state.store:
        yield from (chunk for chunk in batch.open_chunks() if chunk.leased)
