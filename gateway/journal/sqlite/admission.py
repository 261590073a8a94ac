"""The statements that accept a batch."""

from collections.abc import Sequence

from gateway.journal import rowsets
from gateway.journal.engine import BatchRecord, NewChunk, Reservation
from gateway.journal.sqlite import schema
from gateway.journal.sqlite.encoding import encode_head, encode_ranges, encode_record, seal_chunk
from gateway.journal.sqlite.feeds import Feed
from gateway.journal.sqlite.writer import Change
from gateway.journal.store import read_positions


def admit(
    number: int, feed: Feed, reservation: Reservation, batch: BatchRecord, chunks: Sequence[NewChunk], *, answer: bytes
) -> Change:
    """Return the change that accepts a batch under a number; it may be refused for lack of room."""
    change = Change(admits=True)
    if not feed.is_stored:
        change.add("INSERT OR IGNORE INTO principal (id, name) VALUES (?, ?)", [(feed.number, batch.principal)])
    positions = encode_ranges(rowsets.to_ranges(_find_positions(chunks)))
    change.add(
        "INSERT INTO batch (number, principal, fingerprint, record, positions, answer) VALUES (?, ?, ?, ?, ?, ?)",
        [(number, feed.number, reservation.fingerprint, encode_record(batch), positions, answer)],
        len(answer),
    )
    change.add(
        "INSERT INTO chunk (key, head, stored) VALUES (?, ?, ?)",
        [
            (schema.chunk_key(number, at), encode_head(new), seal_chunk(number, at, new))
            for at, new in enumerate(chunks)
        ],
        sum(len(new.stored) for new in chunks),
    )
    return change


def _find_positions(chunks: Sequence[NewChunk]) -> int:
    """Return the positions of all rows in their batch, as a set."""
    positions = 0
    for new in chunks:
        positions |= rowsets.from_ranges(read_positions(new))
    return positions
