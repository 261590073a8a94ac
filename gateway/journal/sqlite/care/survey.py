"""What a journal holds, for people to look at: read without being able to write, also while a gateway runs."""

import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec

from gateway.journal.books import rowsets
from gateway.journal.encoding import DamagedError, open_chunk
from gateway.journal.errors import JournalError
from gateway.journal.sqlite.archive import KeyCount, count_keys, select_batches
from gateway.journal.sqlite.disk.files import DATABASE
from gateway.journal.sqlite.disk.opening import check_identity, connect, describe_failure
from gateway.journal.sqlite.reader import select_chunks
from gateway.journal.sqlite.recovery import Recovered, RecoveredChunk, load
from gateway.journal.sqlite.state import key_of
from protocol.chunks import decode_chunk, expand_ranges

AGES_SECONDS = (60, 300, 1800, 3600, 6 * 3600, 86_400)
"""Bounds between the columns of a shape; the last column has what is older."""

CHUNKS_A_READ = 100

_QUEUES = ("urgent", "normal", "bulk")  # by number


class Owed(msgspec.Struct, frozen=True, kw_only=True):
    """One notification that is owed: where it is, and what is known of its attempts. Times are UNIX milliseconds.

    ``due_at`` is None where it may go at once. ``destination`` and ``body`` are as they are stored, where asked for.
    """

    principal: str
    batch_id: str
    index: int
    id: str | None
    app: str
    lane: str
    queue: str
    state: str
    due_at: int | None
    expires_at: int
    attempts: int
    uncertain_attempts: int
    accepted_at: int
    destination: bytes | None = None
    body: bytes | None = None


class Pending(msgspec.Struct, frozen=True, kw_only=True):
    """What of a lane waits for another attempt, or for its first one later.

    ``tried``: rows that had an attempt. ``later``: rows that are not due yet; ``next_due_at`` is the first of their
    moments, in UNIX milliseconds, None where nothing waits for one.
    """

    tried: int
    later: int
    next_due_at: int | None


class BatchShape(msgspec.Struct, frozen=True, kw_only=True):
    """One batch: what was accepted of it, what is owed still, and how many results wait to be read."""

    principal: str
    batch_id: str
    app: str
    labels: tuple[str, ...]
    accepted_at: int
    accepted: int
    owed: int
    unread: int


class Survey:
    """One look at the journal in a folder. Raises JournalError when there is none, or it can't be read."""

    def __init__(self, folder: Path) -> None:
        self._database = folder / DATABASE
        if not self._database.exists():
            raise JournalError(f"{folder}: there is no journal; see journal.directory")
        check_identity(self._database)
        self._found = self._load()

    def count_by_age(self, now_ms: int) -> dict[str, list[int]]:
        """Return rows owed by lane: a count for each age, and one for what is older."""
        shape: dict[str, list[int]] = {}
        for each in self._found.chunks:
            age_seconds = (now_ms - each.chunk.batch.record.accepted_at_ms) / 1000
            counts = shape.setdefault(each.chunk.lane, [0] * (len(AGES_SECONDS) + 1))
            counts[sum(age_seconds >= bound for bound in AGES_SECONDS)] += each.chunk.owed.bit_count()
        return dict(sorted(shape.items()))

    def find_pending(self, now_ms: int) -> dict[str, Pending]:
        """Return how far each lane with rows owed is with them."""
        pending: dict[str, Pending] = {}
        for each in self._found.chunks:
            before = pending.get(each.chunk.lane, Pending(tried=0, later=0, next_due_at=None))
            due = {moment: rows & each.chunk.owed for moment, rows in each.due.items() if moment > now_ms}
            later = [moment for moment, rows in due.items() if rows]
            moments = [*later, *([] if before.next_due_at is None else [before.next_due_at])]
            tried = sum(one.rows.bit_count() for one in each.chunk.split_by_attempts(each.chunk.owed) if one.attempts)
            pending[each.chunk.lane] = Pending(
                tried=before.tried + tried,
                later=before.later + sum(rows.bit_count() for rows in due.values()),
                next_due_at=min(moments, default=None),
            )
        return pending

    def count_by_account(self) -> Counter[tuple[str, str]]:
        """Return rows owed by lane and account, see :class:`gateway.journal.engine.NewChunk`."""
        counts: Counter[tuple[str, str]] = Counter()
        for each in self._found.chunks:
            counts[each.chunk.lane, each.chunk.account] += each.chunk.owed.bit_count()
        return counts

    def count_keys(self) -> KeyCount:
        """Return how many batch ids are kept, and what they count for."""
        with self._open() as connection:
            return count_keys(connection)

    def find_batches(self, batch_id: str) -> list[BatchShape]:
        """Return the batches of an id: one for each principal that has used it."""
        owed: Counter[int] = Counter()
        for each in self._found.chunks:
            owed[each.chunk.batch.number] += each.chunk.owed.bit_count()
        unread = {batch.number: batch.unread_rows for batch in self._found.batches}
        with self._open() as connection:
            found = select_batches(connection, batch_id)
        return [
            BatchShape(
                principal=self._found.names[principal],
                batch_id=batch_id,
                app=record.app,
                labels=record.labels,
                accepted_at=record.accepted_at_ms,
                accepted=record.rows,
                owed=owed[number],
                unread=unread.get(number, 0),
            )
            for number, principal, record in found
        ]

    def list_owed(
        self, *, batch_id: str | None = None, lane: str | None = None, with_contents: bool = False
    ) -> Iterator[Owed]:
        """Yield what is owed, oldest first; of one batch or one lane if they are named. Damaged chunks are left out."""
        chosen = {
            key_of(each.chunk): each
            for each in self._found.chunks
            if batch_id in {None, each.chunk.batch.record.batch_id} and lane in {None, each.chunk.lane}
        }
        keys = list(chosen)
        with closing(connect(self._database, can_write=False)) as connection:
            for at in range(0, len(keys), CHUNKS_A_READ):
                # A running gateway may have finished some of them since.
                for key, sealed in select_chunks(connection, keys[at : at + CHUNKS_A_READ]).items():
                    yield from _list_rows(chosen[key], sealed, with_contents=with_contents)

    def _load(self) -> Recovered:
        with self._open() as connection:
            connection.execute("BEGIN")  # all of it as of one moment
            return load(connection)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(connect(self._database, can_write=False)) as connection:
                yield connection
        except sqlite3.Error as error:
            raise JournalError(describe_failure(self._database, error)) from error
        except DamagedError as error:
            raise JournalError(f"{self._database}: damaged ({error}); see `pushmill journal check`") from error


def _list_rows(found: RecoveredChunk, sealed: bytes, *, with_contents: bool) -> Iterator[Owed]:
    stored, record = found.chunk, found.chunk.batch.record
    try:
        chunk = decode_chunk(open_chunk(stored.batch.number, stored.number, sealed))
    except DamagedError:
        return
    positions = list(expand_ranges(chunk.indexes))
    due = {row: moment for moment, rows in found.due.items() if moment for row in rowsets.rows_of(rows)}
    for tried in stored.split_by_attempts(stored.owed):
        for row in rowsets.rows_of(tried.rows):
            yield Owed(
                principal=record.principal,
                batch_id=record.batch_id,
                index=positions[row],
                id=chunk.ids[row] if chunk.ids else None,
                app=record.app,
                lane=stored.lane,
                queue=_QUEUES[stored.queue],
                state="started" if found.started >> row & 1 else "scheduled" if row in due else "queued",
                due_at=due.get(row),
                expires_at=chunk.variants[chunk.variant_of_row[row] if chunk.variant_of_row else 0].expires_at_ms,
                attempts=tried.attempts,
                uncertain_attempts=tried.uncertain_attempts,
                accepted_at=record.accepted_at_ms,
                destination=chunk.destinations[row] if with_contents else None,
                body=chunk.bodies[chunk.body_of_row[row] if chunk.body_of_row else 0] if with_contents else None,
            )
