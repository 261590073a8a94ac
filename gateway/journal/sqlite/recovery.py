"""From the tables of a journal to what memory must know: one pass over heads and small rows, no chunk is read."""

import sqlite3
from collections.abc import Iterator
from typing import Any

import msgspec

from gateway.journal.books import rowsets
from gateway.journal.books.store import StoredBatch, StoredChunk
from gateway.journal.books.subscriptions import Subscriptions
from gateway.journal.encoding import (
    BatchHead,
    DamagedError,
    Progress,
    decode_head,
    decode_positions,
    decode_progress,
    decode_record,
    decode_rows,
)
from gateway.journal.engine import NewChunk
from gateway.journal.sqlite.dead_tokens import RecoveredSuspects, load_suspects
from gateway.journal.sqlite.disk import schema
from gateway.journal.sqlite.feeds import Feed, find_oldest_at_ms


class RecoveredChunk(msgspec.Struct):
    """A chunk with rows owed: when its rows may go, by due moment, and those marked as started.

    ``is_damaged``: nobody knows any more which of its rows have ended.
    """

    chunk: StoredChunk
    due: dict[int, int]
    started: int
    is_damaged: bool = False


class Recovered(msgspec.Struct):
    """Everything of batches that aren't finished, in the order of their acceptance. ``names`` are the principals'."""

    feeds: dict[str, Feed]
    names: dict[int, str]
    subscriptions: Subscriptions
    dead_tokens: RecoveredSuspects
    last_batch: int
    batches: list[StoredBatch]
    chunks: list[RecoveredChunk]


def load(connection: sqlite3.Connection) -> Recovered:
    """Return what the journal holds. Raises sqlite3.DatabaseError or DamagedError."""
    feeds, names = _load_feeds(connection)
    batches = {row[0]: _load_batch(row, names) for row in _select_unfinished(connection)}
    _note_unread(connection, feeds, batches)
    chunks = [_load_chunk(batches, *row) for row in _select_chunks(connection)]
    return Recovered(
        feeds=feeds,
        names=names,
        subscriptions=_load_subscriptions(connection, names),
        dead_tokens=load_suspects(connection, names),
        last_batch=_find_last_batch(connection),
        batches=list(batches.values()),
        chunks=chunks,
    )


def _find_last_batch(connection: sqlite3.Connection) -> int:
    (last,) = connection.execute("SELECT max(number) FROM batch").fetchone()
    return last or 0


def _load_feeds(connection: sqlite3.Connection) -> tuple[dict[str, Feed], dict[int, str]]:
    feeds: dict[str, Feed] = {}
    names: dict[int, str] = {}
    for number, name, acknowledged in connection.execute("SELECT id, name, acknowledged FROM principal"):
        (last,) = connection.execute(
            "SELECT max(key) FROM result WHERE key > ? AND key < ?",
            (schema.result_key(number, 0), schema.result_key(number + 1, 0)),
        ).fetchone()
        end = acknowledged if last is None else schema.split_result_key(last)[1]
        feed = Feed(number, acknowledged=acknowledged, end=max(acknowledged, end))
        feed.is_stored = True
        _measure(connection, feed)
        feeds[name] = feed
        names[number] = name
    return feeds, names


def _measure(connection: sqlite3.Connection, feed: Feed) -> None:
    oldest_at_ms = find_oldest_at_ms(connection, feed.number, feed.acknowledged)
    if feed.unread_rows and oldest_at_ms is not None:
        (size_bytes,) = connection.execute(
            "SELECT sum(length(packed)) FROM result WHERE key > ? AND key < ?",
            (schema.result_key(feed.number, feed.acknowledged), schema.result_key(feed.number + 1, 0)),
        ).fetchone()
        feed.count(size_bytes, oldest_at_ms)


def _load_subscriptions(connection: sqlite3.Connection, names: dict[int, str]) -> Subscriptions:
    subscriptions = Subscriptions()
    for principal, name, acknowledged in connection.execute("SELECT principal, name, acknowledged FROM subscription"):
        subscriptions.put(names[principal], name, acknowledged)
    return subscriptions


def _note_unread(connection: sqlite3.Connection, feeds: dict[str, Feed], batches: dict[int, StoredBatch]) -> None:
    for feed in feeds.values():
        for key, number, rows in connection.execute(
            "SELECT key, batch, rows FROM result WHERE key > ? AND key < ? ORDER BY key",
            (schema.result_key(feed.number, feed.acknowledged), schema.result_key(feed.number + 1, 0)),
        ):
            batch = batches.get(number)
            if batch is not None:
                batch.add_result(schema.split_result_key(key)[1], rows)


def _select_chunks(connection: sqlite3.Connection) -> Iterator[tuple[int, bytes, bytes | None]]:
    # The heads stand in front of the stored bytes, which are not read.
    return connection.execute(
        "SELECT chunk.key, chunk.head, progress.state FROM chunk LEFT JOIN progress ON progress.chunk = chunk.key "
        "ORDER BY chunk.key"
    )


def _select_unfinished(connection: sqlite3.Connection) -> Iterator[tuple[Any, ...]]:
    # A finished batch stands there for its key alone, which is restored by itself.
    return connection.execute(
        "SELECT number, batch_id, accepted_at_ms, is_named, principal, record, positions FROM batch WHERE number IN "
        "(SELECT key >> ? FROM chunk UNION SELECT batch FROM result) ORDER BY number",
        (schema.CHUNK_BITS,),
    )


def _load_batch(row: tuple[Any, ...], names: dict[int, str]) -> StoredBatch:
    number, batch_id, accepted_at_ms, is_named, principal, record_data, positions = row
    record, _ = decode_record(number, BatchHead(batch_id, accepted_at_ms, is_named), record_data)
    batch = StoredBatch(number, msgspec.structs.replace(record, principal=names[principal]))
    for ranges in decode_positions(number, positions):
        batch.positions |= rowsets.from_ranges(ranges)
        batch.chunks.append(None)  # until it is found to have rows owed
    return batch


def _load_chunk(batches: dict[int, StoredBatch], key: int, head_data: bytes, state: bytes | None) -> RecoveredChunk:
    batch_number, number = schema.split_chunk_key(key)
    if batch_number not in batches:
        raise DamagedError(f"chunk {number} of batch {batch_number} is there, the batch is not")
    batch, head = batches[batch_number], decode_head(key, head_data)
    new = NewChunk(
        lane=head.lane,
        queue=head.queue,
        rows=head.rows,
        stored=b"",
        expires_at_ms=head.expires_at_ms,
        not_before_ms=head.not_before_ms,
        cancel_filter=decode_rows(head.cancel_filter),
        reported=decode_rows(head.reported),
        account=head.account,
    )
    chunk = StoredChunk(batch, number, new, head.stored_bytes)
    batch.chunks[number] = chunk
    if state is None:
        return RecoveredChunk(chunk, {head.not_before_ms: chunk.owed}, 0)
    try:
        return _apply(chunk, decode_progress(key, state), head.not_before_ms)
    except DamagedError:
        return RecoveredChunk(chunk, {}, 0, is_damaged=True)


def _apply(chunk: StoredChunk, progress: Progress, not_before_ms: int) -> RecoveredChunk:
    chunk.owed &= ~decode_rows(progress.settled)
    for attempts, uncertain_attempts, tried in progress.attempted:
        chunk.note_attempts(decode_rows(tried), attempts, uncertain_attempts)
    chunk.doubted = decode_rows(progress.doubted) & chunk.owed
    due: dict[int, int] = {}
    rest = chunk.owed
    for moment_ms, data in progress.scheduled:
        rows = decode_rows(data) & rest
        if rows:
            due[moment_ms] = due.get(moment_ms, 0) | rows
            rest &= ~rows
    if rest:
        due[not_before_ms] = due.get(not_before_ms, 0) | rest
    return RecoveredChunk(chunk, due, decode_rows(progress.started) & chunk.owed)
