"""One principal's results on disk, as far as memory must know of them: where they begin and end, and who waits."""

import sqlite3

import trio

from gateway.journal.engine import CursorTooOldError, Settlement
from gateway.journal.sqlite import schema
from gateway.journal.sqlite.encoding import decode_settlement

# Blocks looked at in one query; a page of plain successes has some hundred rows a block.
BLOCKS_A_QUERY = 256


class Feed:
    """``end`` is the last committed position, ``promised`` the last one given to a block that is being committed."""

    def __init__(self, number: int, *, acknowledged: int = 0, end: int = 0) -> None:
        self.number = number
        self.acknowledged = acknowledged
        self.end = end
        self.promised = end
        self.is_kept = True
        self.is_stored = False
        self.acknowledging = trio.Lock()
        self.arrival = trio.lowlevel.ParkingLot()

    @property
    def unread_rows(self) -> int:
        """Results committed and not acknowledged."""
        return self.end - self.acknowledged

    def promise(self, rows: int) -> int:
        """Return the position of a block of so many rows."""
        self.promised += rows
        return self.promised

    def publish(self, position: int) -> None:
        """Let readers see what was committed up to a position."""
        if position > self.end:
            self.end = position
            self.arrival.unpark_all()

    def check(self, cursor: int) -> int:
        """Return where to read on from. Raises CursorTooOldError."""
        if cursor == 0:
            return self.acknowledged
        if not self.acknowledged <= cursor <= self.end:
            raise CursorTooOldError(self.acknowledged)
        return cursor


def select_blocks(
    connection: sqlite3.Connection, feed: int, start: int, end: int, max_rows: int
) -> list[tuple[int, int, Settlement]]:
    """Return (position, batch, block) after ``start``: at least one if there is any, else ``max_rows`` at most."""
    found = connection.execute(
        "SELECT key, batch, packed FROM result WHERE key > ? AND key <= ? ORDER BY key LIMIT ?",
        (schema.result_key(feed, start), schema.result_key(feed, end), BLOCKS_A_QUERY),
    )
    blocks: list[tuple[int, int, Settlement]] = []
    for key, batch, packed in found:
        position = schema.split_result_key(key)[1]
        if blocks and position - start > max_rows:
            break
        blocks.append((position, batch, decode_settlement(packed)))
    return blocks


def count_by_batch(connection: sqlite3.Connection, feed: int, cursor: int) -> tuple[int, list[tuple[int, int]]]:
    """Return the last position up to ``cursor`` at which a block ends (0: none), and (batch, rows) of those blocks."""
    bounds = (schema.result_key(feed, 0), schema.result_key(feed, cursor))
    found = connection.execute(
        "SELECT batch, sum(rows), max(key) FROM result WHERE key > ? AND key <= ? GROUP BY batch", bounds
    ).fetchall()
    last = max((schema.split_result_key(key)[1] for _, _, key in found), default=0)
    return last, [(batch, rows) for batch, rows, _ in found]
