"""One principal's results on disk, as far as memory must know of them: where they begin and end, and who waits."""

import sqlite3
from collections.abc import Sequence

import msgspec
import structlog
import trio

from gateway.journal.encoding import DamagedError, decode_settlement
from gateway.journal.engine import CursorTooOldError, Settlement
from gateway.journal.sqlite.disk import schema
from gateway.journal.sqlite.disk.change import Change
from gateway.journal.statistics import UnreadResults

# Blocks looked at in one query; a page of plain successes has some hundred rows a block.
BLOCKS_A_QUERY = 256
# Blocks freed in one commit: their pages go into the log, and new work waits for no more than this.
BLOCKS_A_STEP = 2_000

_log: structlog.stdlib.BoundLogger = structlog.get_logger("journal")


class Feed:
    """``end`` is the last committed position, ``promised`` the last one given to a block that is being committed."""

    def __init__(self, number: int, *, acknowledged: int = 0, end: int = 0) -> None:
        self.number = number
        self.acknowledged = acknowledged
        self.end = end
        self.promised = end
        self._size_bytes = 0
        self._oldest_at_ms: int | None = None
        self._newest_at_ms: int | None = None
        self.is_kept = True
        self.is_stored = False
        self.acknowledging = trio.Lock()
        self.arrival = trio.lowlevel.ParkingLot()

    @property
    def unread_rows(self) -> int:
        """Results committed and not acknowledged."""
        return self.end - self.acknowledged

    @property
    def unread(self) -> UnreadResults:
        """The same with their size and age."""
        return UnreadResults(rows=self.unread_rows, bytes=self._size_bytes, oldest_at_ms=self._oldest_at_ms)

    def count(self, size_bytes: int, at_ms: int) -> None:
        """Count a block that is being committed."""
        self._size_bytes += size_bytes
        self._newest_at_ms = at_ms
        if self._oldest_at_ms is None:
            self._oldest_at_ms = at_ms

    def free(self, position: int, size_bytes: int, next_at_ms: int | None) -> None:
        """Begin after ``position``, as blocks of so many bytes are gone; the next one is as old as it says."""
        self.acknowledged = position
        self._size_bytes -= size_bytes
        is_empty = self.promised == position
        self._oldest_at_ms = None if is_empty else next_at_ms or self._newest_at_ms

    def add_principal(self, change: Change, principal: str) -> None:
        """Add its principal to a change, unless it is stored: what is stored about a feed refers to it."""
        if not self.is_stored:
            change.add("INSERT OR IGNORE INTO principal (id, name) VALUES (?, ?)", [(self.number, principal)])

    def promise(self, rows: int) -> int:
        """Return the position of a block of so many rows."""
        self.promised += rows
        return self.promised

    def publish(self, position: int) -> None:
        """Let readers see what was committed up to a position."""
        if position > self.end:
            self.end = position
            self.arrival.unpark_all()

    def check_ahead(self, cursor: int) -> None:
        """Raise CursorTooOldError for a cursor ahead of everything."""
        if cursor > self.end:
            raise CursorTooOldError(self.acknowledged)

    def check(self, cursor: int) -> int:
        """Return where to read on from. Raises CursorTooOldError."""
        if cursor == 0:
            return self.acknowledged
        if not self.acknowledged <= cursor <= self.end:
            raise CursorTooOldError(self.acknowledged)
        return cursor


def select_blocks(
    connection: sqlite3.Connection, feed: int, start: int, end: int, max_rows: int
) -> list[tuple[int, int, Settlement | None]]:
    """Return (position, batch, block) after ``start``: at least one if there is any, else ``max_rows`` at most.

    A block that is damaged is None: its results are lost, which the log hears each time.
    """
    found = connection.execute(
        "SELECT key, batch, rows, packed FROM result WHERE key > ? AND key <= ? ORDER BY key LIMIT ?",
        (schema.result_key(feed, start), schema.result_key(feed, end), BLOCKS_A_QUERY),
    )
    blocks: list[tuple[int, int, Settlement | None]] = []
    for key, batch, rows, packed in found:
        position = schema.split_result_key(key)[1]
        if blocks and position - start > max_rows:
            break
        blocks.append((position, batch, _open_block(key, batch, rows, packed)))
    return blocks


def select_ids(connection: sqlite3.Connection, keys: Sequence[int]) -> list[str | None]:
    """Return the ids in result blocks, less those that are gone."""
    marks = ",".join("?" * len(keys))
    # The marks are ours; the values are bound.
    found = connection.execute(f"SELECT key, batch, rows, packed FROM result WHERE key IN ({marks})", list(keys))  # noqa: S608
    blocks = (_open_block(*block) for block in found)
    return [given for block in blocks if block is not None for given in block.ids or ()]


def _open_block(key: int, batch: int, rows: int, packed: bytes) -> Settlement | None:
    try:
        return decode_settlement(key, packed)
    except DamagedError:
        _log.error("journal_results_damaged", batch=batch, rows=rows, what_to_do="run `pushmill journal check`")
        return None


class FreeingStep(msgspec.Struct):
    """What is freed in one commit: where it ends (0: nothing is), its rows and bytes, how old the next block is."""

    position: int = 0
    size_bytes: int = 0
    rows_by_batch: dict[int, int] = msgspec.field(default_factory=dict)
    next_at_ms: int | None = None


def plan_step(connection: sqlite3.Connection, feed: int, cursor: int) -> FreeingStep:
    """Return the oldest blocks up to ``cursor``, some at most."""
    bounds = (schema.result_key(feed, 0), schema.result_key(feed, cursor), BLOCKS_A_STEP)
    found = connection.execute(
        "SELECT key, batch, rows, length(packed) FROM result WHERE key > ? AND key <= ? ORDER BY key LIMIT ?", bounds
    )
    step = FreeingStep()
    for key, batch, rows, size_bytes in found:
        step.position = schema.split_result_key(key)[1]
        step.size_bytes += size_bytes
        step.rows_by_batch[batch] = step.rows_by_batch.get(batch, 0) + rows
    step.next_at_ms = find_oldest_at_ms(connection, feed, step.position)
    return step


def find_oldest_at_ms(connection: sqlite3.Connection, feed: int, start: int) -> int | None:
    """Return when the first block after ``start`` was settled; None where there is none, or it is damaged."""
    bounds = (schema.result_key(feed, start), schema.result_key(feed + 1, 0))
    for key, batch, rows, packed in connection.execute(
        "SELECT key, batch, rows, packed FROM result WHERE key > ? AND key < ? ORDER BY key LIMIT 1", bounds
    ):
        block = _open_block(key, batch, rows, packed)
        return None if block is None else block.finished_at_ms
    return None
