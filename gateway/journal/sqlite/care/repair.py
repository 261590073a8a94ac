"""Makes a sound journal of what is left of a damaged one, which is kept beside it.

What the checksums confirm goes over as it is. Of every accepted notification that can't be had any more the next start
makes a result: of a chunk that is damaged its rows end `failed`, and `unknown` where nobody can say how far they had
come. Only what has lost its batch has lost its name as well; that much is reported here and nowhere else.
"""

import sqlite3
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from gateway.journal.books.cancel_keys import make_filter
from gateway.journal.encoding import (
    ENVELOPE_BYTES,
    BatchHead,
    ChunkHead,
    DamagedChunkError,
    DamagedError,
    decode_head,
    decode_positions,
    decode_record,
    decode_settlement,
    encode_head,
    open_chunk,
    read_envelope,
    seal,
    unseal,
)
from gateway.journal.engine import BatchRecord, NewChunk
from gateway.journal.sqlite.care.salvage import (
    find_marked_chunks,
    iterate_rows,
    lay_log_over,
    lay_sound_log_over,
    open_copy,
)
from gateway.journal.sqlite.damage import salvage_chunk
from gateway.journal.sqlite.disk import schema
from gateway.journal.sqlite.disk.commit_counter import MissingCommits, forget_log
from gateway.journal.sqlite.disk.files import DATABASE, flush_folder
from gateway.journal.sqlite.disk.log_scan import log_path
from gateway.journal.sqlite.disk.opening import NEW_SUFFIX, make_empty
from gateway.journal.sqlite.disk.statements import run, transaction
from gateway.journal.sqlite.disk.versions import BATCH_COLUMNS, CONVERT_BATCH
from protocol.chunks import Chunk, decode_chunk, expand_ranges, spread
from protocol.lanes import PROVIDERS

COPY_SUFFIX = ".salvage"
OLDER_SUFFIX = ".older"


class DamagedRows(msgspec.Struct, frozen=True, kw_only=True):
    """Rows of one chunk that are lost or in doubt. ``ids`` as far as they can be read."""

    batch: int
    chunk: int
    batch_id: str | None
    indexes: list[int]
    ids: list[str | None] | None
    what_follows: str


class RepairReport(msgspec.Struct, frozen=True, kw_only=True):
    """What went over, what did not, and where the old files are."""

    kept_as: str
    batches: int
    chunks: int
    results: int
    batches_lost: int
    result_blocks_lost: int
    found_by_mark: int
    damaged: list[DamagedRows]
    missing_commits: MissingCommits | None
    """What the log had and hasn't any more: nobody knows which notifications those were."""


class Repair:
    """One repair of the journal in a folder whose lock the caller holds."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._database = folder / DATABASE
        self._version = schema.VERSION
        self._records: dict[int, BatchRecord] = {}
        self._positions: dict[int, list[list[int]]] = {}
        self._lanes: dict[int, str] = {}  # batch → lane of a chunk that is sound
        self._with_results: defaultdict[int, set[int]] = defaultdict(set)  # chunk key → rows that have a result
        self._damaged: list[DamagedRows] = []
        self._batches_lost = 0
        self._blocks_lost = 0
        self._found_by_mark = 0
        self._stand_ins = 0
        self._missing_commits: MissingCommits | None = None
        self._counts: defaultdict[str, int] = defaultdict(int)

    def run(self, now: datetime) -> RepairReport:
        """Salvage into a new file, then put it in the place of the old. Raises sqlite3.Error, OSError."""
        new = self._database.with_name(DATABASE + NEW_SUFFIX)
        copy = self._database.with_name(DATABASE + COPY_SUFFIX)
        make_empty(new)
        try:
            self._version, self._missing_commits = lay_log_over(self._database, copy, new)
            with open_copy(copy) as source, open_copy(new) as target:
                run(target, "PRAGMA synchronous = FULL")
                with transaction(target):
                    self._copy_all(source, target, copy)
                run(target, "PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            _remove(copy)
        kept_as = f".damaged-{now.astimezone(UTC):%Y%m%dT%H%M%SZ}"
        self._replace(new, kept_as)
        return RepairReport(
            kept_as=DATABASE + kept_as,
            batches=self._counts["batch"],
            chunks=self._counts["chunk"] - self._stand_ins,
            results=self._counts["result"],
            batches_lost=self._batches_lost,
            result_blocks_lost=self._blocks_lost,
            found_by_mark=self._found_by_mark,
            damaged=self._damaged,
            missing_commits=self._missing_commits,
        )

    def _replace(self, new: Path, kept_as: str) -> None:
        # Should the machine stop in between, a start finds the log without its database and refuses.
        log = log_path(self._database)
        self._database.rename(self._database.with_name(DATABASE + kept_as))
        if log.exists():
            log.rename(log.with_name(log.name + kept_as))
        log.with_name(f"{DATABASE}-shm").unlink(missing_ok=True)
        new.rename(self._database)
        flush_folder(self._folder)
        forget_log(self._folder)

    def _copy_all(self, source: sqlite3.Connection, target: sqlite3.Connection, copy: Path) -> None:
        self._copy_table(source, target, "principal")
        self._copy_batches(source, target)
        self._copy_results(source, target)
        self._copy_chunks(source, target, copy)
        tables = target.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
        for (table,) in tables.fetchall():
            if table not in {"principal", "batch", "result", "chunk"}:
                self._copy_table(source, target, table)

    def _copy_table(self, source: sqlite3.Connection, target: sqlite3.Connection, table: str) -> None:
        """Copy a table of which every row is judged when it is read."""
        columns = [name for _, name, *_ in target.execute(f"PRAGMA table_info({table})")]
        for row in iterate_rows(source, table, ", ".join(columns)):
            self._insert(target, table, row)

    def _insert(self, target: sqlite3.Connection, table: str, row: tuple[object, ...]) -> None:
        marks = ", ".join("?" * len(row))
        target.execute(f"INSERT OR IGNORE INTO {table} VALUES ({marks})", row)  # noqa: S608 -- the names are ours
        self._counts[table] += 1

    def _copy_batches(self, source: sqlite3.Connection, target: sqlite3.Connection) -> None:
        """Copy the batches; those on a page that is damaged in the log from the version before it."""
        gaps: list[tuple[int, int]] = []
        lost = self._copy_readable_batches(source, target, gaps)
        if lost or gaps:
            older = self._database.with_name(DATABASE + OLDER_SUFFIX)
            try:
                if lay_sound_log_over(self._database, older):
                    with open_copy(older) as source_before:
                        self._copy_readable_batches(source_before, target, [])
            finally:
                _remove(older)
        self._batches_lost = len(lost - self._records.keys())

    def _copy_readable_batches(
        self, source: sqlite3.Connection, target: sqlite3.Connection, gaps: list[tuple[int, int]]
    ) -> set[int]:
        """Copy those that are not there yet; return the numbers of those that can't be read."""
        lost: set[int] = set()
        for row in iterate_rows(source, "batch", BATCH_COLUMNS[self._version], gaps):
            if row[0] in self._records:
                continue
            try:
                kept = CONVERT_BATCH[self._version](row)
                number, principal, batch_id, accepted_at_ms, is_named, record, positions, answer = kept
                self._positions[number] = decode_positions(number, positions)
                self._records[number], _ = decode_record(number, BatchHead(batch_id, accepted_at_ms, is_named), record)
            except DamagedError:
                lost.add(row[0])
            else:
                name = self._records[number].principal
                target.execute("INSERT OR IGNORE INTO principal (id, name) VALUES (?, ?)", (principal, name))
                self._insert(target, "batch", (*kept[:-1], _mend_answer(number, answer)))
        return lost

    def _copy_results(self, source: sqlite3.Connection, target: sqlite3.Connection) -> None:
        for key, batch, rows, packed in iterate_rows(source, "result", "key, batch, rows, packed"):
            try:
                settlement = decode_settlement(key, packed)
            except DamagedError:
                self._blocks_lost += 1
            else:
                self._insert(target, "result", (key, batch, rows, packed))
                self._with_results[schema.chunk_key(batch, settlement.chunk)].update(expand_ranges(settlement.rows))

    def _copy_chunks(self, source: sqlite3.Connection, target: sqlite3.Connection, copy: Path) -> None:
        gaps: list[tuple[int, int]] = []
        in_doubt = {
            key: (head, stored)
            for key, head, stored in iterate_rows(source, "chunk", "key, head, stored", gaps)
            if not self._copy_chunk(target, key, head, stored)
        }
        for key, sealed in find_marked_chunks(copy, gaps).items():
            self._found_by_mark += self._copy_chunk(target, key, None, sealed)
        for key, (head, stored) in in_doubt.items():
            self._put_stand_in(target, key, head, stored, is_known=True)
        self._put_missing(target, gaps)

    def _copy_chunk(self, target: sqlite3.Connection, key: int, head: bytes | None, sealed: bytes) -> bool:
        """Copy a chunk whose bytes are sound, with a new head if it needs one; return whether it was one."""
        batch, number = schema.split_chunk_key(key)
        try:
            stored = open_chunk(batch, number, sealed)
        except DamagedChunkError:
            return False
        chunk = decode_chunk(stored)
        if batch not in self._records:
            self._report(key, list(chunk.indexes), chunk.ids, "lost: its batch can't be read")
            return True
        if head is None or _find_head(key, head) is None:
            head = encode_head(key, describe_chunk(chunk, stored))
        self._lanes[batch] = chunk.lane
        self._insert(target, "chunk", (key, head, sealed))
        return True

    def _put_missing(self, target: sqlite3.Connection, gaps: list[tuple[int, int]]) -> None:
        """See that rows of chunks that can't be found, and have no result yet, end all the same."""
        there = {key for (key,) in target.execute("SELECT key FROM chunk")}
        for batch, positions in self._positions.items():
            for number, ranges in enumerate(positions):
                key = schema.chunk_key(batch, number)
                is_missing = key not in there and any(low < key < high for low, high in gaps)
                if is_missing and batch in self._records and len(self._with_results[key]) < _count(ranges):
                    self._put_stand_in(target, key, b"", b"", is_known=False)

    def _put_stand_in(
        self, target: sqlite3.Connection, key: int, head: bytes, sealed: bytes, *, is_known: bool
    ) -> None:
        """Put in a chunk that can't be read, of no bytes by its head: the next start ends its rows.

        Unless it is known how far they had come, with a progress that can't be read either.
        """
        batch, number = schema.split_chunk_key(key)
        if batch not in self._records:
            envelope = read_envelope(sealed)
            chunk = salvage_chunk(sealed[ENVELOPE_BYTES:], envelope.rows) if envelope is not None else None
            what = "lost: its batch can't be read"
            self._report(key, list(chunk.indexes) if chunk else [], chunk.ids if chunk else None, what)
            return
        ranges = self._positions[batch][number]
        chunk = salvage_chunk(sealed[ENVELOPE_BYTES:], _count(ranges))
        lane = self._find_lane(key, head, chunk)
        stand_in = NewChunk(lane=lane, queue=1, rows=_count(ranges), stored=b"", expires_at_ms=0)
        self._insert(target, "chunk", (key, encode_head(key, stand_in), sealed))
        self._stand_ins += 1
        if not is_known:
            self._insert(target, "progress", (key, b""))
        what = f"the next start ends them as {'failed' if is_known else 'unknown'}, reason journal_damaged"
        if is_known:
            what += " (unknown where they may have been sent)"
        self._report(key, ranges, chunk.ids if chunk else None, what)

    def _find_lane(self, key: int, head: bytes, salvaged: Chunk | None) -> str:
        """Return the lane of a chunk, for its provider to be named in results; by what is left of its batch."""
        batch, _ = schema.split_chunk_key(key)
        app = self._records[batch].app
        if (sound := _find_head(key, head)) is not None:
            return sound.lane
        # Nothing vouches for what still decodes.
        if salvaged is not None and salvaged.lane.startswith(tuple(f"{app}/{name}/" for name in PROVIDERS)):
            return salvaged.lane
        return self._lanes.get(batch, f"{app}/unknown")

    def _report(self, key: int, indexes: list[int], ids: list[str | None] | None, what_follows: str) -> None:
        batch, number = schema.split_chunk_key(key)
        record = self._records.get(batch)
        self._damaged.append(
            DamagedRows(
                batch=batch,
                chunk=number,
                batch_id=record.batch_id if record else None,
                indexes=indexes,
                ids=ids,
                what_follows=what_follows,
            )
        )


def _remove(copy: Path) -> None:
    for leftover in (copy, log_path(copy), copy.with_name(f"{copy.name}-shm")):
        leftover.unlink(missing_ok=True)


def _mend_answer(number: int, answer: bytes) -> bytes:
    """Return a first answer, or that there is none any more: its batch's rows are none the worse for it."""
    try:
        unseal(number, answer)
    except DamagedError:
        return seal(number, b"")
    return answer


def describe_chunk(chunk: Chunk, stored: bytes) -> NewChunk:
    """Return what the engine must know of a chunk, out of the chunk itself."""
    numbers = spread(chunk.variant_of_row, len(chunk.variants), len(chunk))
    return NewChunk(
        lane=chunk.lane,
        queue=chunk.queue,
        rows=len(chunk),
        stored=stored,
        expires_at_ms=min(variant.expires_at_ms for variant in chunk.variants),
        not_before_ms=chunk.variants[0].not_before_ms,
        cancel_filter=make_filter(key for keys in chunk.cancel_keys or () for key in keys or ()),
        reported=sum(1 << row for row, number in enumerate(numbers) if chunk.variants[number].report_unknown),
        account=chunk.variants[0].account,
    )


def _find_head(key: int, head: bytes) -> ChunkHead | None:
    try:
        return decode_head(key, head)
    except DamagedError:
        return None


def _count(ranges: list[int]) -> int:
    return sum(1 for _ in expand_ranges(ranges))
