"""The statements that accept a batch."""

from collections.abc import Sequence

from gateway.journal.books.store import read_positions
from gateway.journal.encoding import encode_head, encode_positions, encode_record, seal, seal_chunk
from gateway.journal.engine import BatchRecord, NewChunk, Reservation
from gateway.journal.sqlite.disk import schema
from gateway.journal.sqlite.disk.change import Change
from gateway.journal.sqlite.feeds import Feed

INSERT_BATCH = (
    "INSERT INTO batch (number, principal, batch_id, accepted_at_ms, is_named, record, positions, answer) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)


def admit(
    number: int, feed: Feed, reservation: Reservation, batch: BatchRecord, chunks: Sequence[NewChunk], *, answer: bytes
) -> Change:
    """Return the change that accepts a batch under a number; it may be refused for lack of room."""
    change = Change(admits=True)
    feed.add_principal(change, batch.principal)
    positions = encode_positions(number, [read_positions(new) for new in chunks])
    head, record = encode_record(number, batch, reservation.fingerprint, is_named=reservation.is_named)
    change.add(INSERT_BATCH, [(number, feed.number, *head, record, positions, seal(number, answer))], len(answer))
    keys = [schema.chunk_key(number, at) for at in range(len(chunks))]
    change.add(
        "INSERT INTO chunk (key, head, stored) VALUES (?, ?, ?)",
        [
            (key, encode_head(key, new), seal_chunk(number, at, new))
            for at, (key, new) in enumerate(zip(keys, chunks, strict=True))
        ],
        sum(len(new.stored) for new in chunks),
    )
    return change
