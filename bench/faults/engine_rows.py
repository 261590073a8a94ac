"""Batches whose every byte follows from their name, so that what an engine gives back can be judged without a copy."""

import hashlib
from collections.abc import Sequence

from gateway.journal import BatchRecord, ChunkRef, NewChunk, Settlement
from protocol.chunks import CHUNK_ROWS, Chunk, Variant, encode_chunk, expand_ranges, pack_ranges
from protocol.outcomes import Advice, Outcome

LANE = "shop/apns/production"
PRINCIPAL = "default"
DAY_MS = 86_400_000


def make_chunks(batch_id: str, rows: int, now_ms: int) -> list[NewChunk]:
    """Return a batch's chunks."""
    return [_make_chunk(batch_id, start, min(rows, start + CHUNK_ROWS), now_ms) for start in range(0, rows, CHUNK_ROWS)]


def _make_chunk(batch_id: str, start: int, stop: int, now_ms: int) -> NewChunk:
    chunk = Chunk(
        lane=LANE,
        queue=1,
        indexes=[start, stop],
        destinations=[make_destination(batch_id, position) for position in range(start, stop)],
        bodies=[make_body(batch_id)],
        variants=[Variant(expires_at_ms=now_ms + DAY_MS)],
    )
    return NewChunk(lane=LANE, queue=1, rows=stop - start, stored=encode_chunk(chunk), expires_at_ms=now_ms + DAY_MS)


def make_destination(batch_id: str, position: int) -> bytes:
    """Return the destination of a row."""
    return hashlib.sha256(f"{batch_id}[{position}]".encode()).digest()


def make_body(batch_id: str) -> bytes:
    """Return what all rows of a batch send."""
    return b'{"aps":{"alert":"%s"}}' % batch_id.encode()


def is_intact(batch_id: str, chunk: Chunk) -> bool:
    """Tell whether a chunk is what was stored."""
    destinations = [make_destination(batch_id, position) for position in expand_ranges(chunk.indexes)]
    return chunk.destinations == destinations and chunk.bodies == [make_body(batch_id)]


def make_answer(batch_id: str) -> bytes:
    """Return the answer that is stored with a batch."""
    return b"accepted " + batch_id.encode()


def make_fingerprint(batch_id: str) -> bytes:
    """Return the fingerprint of the request."""
    return hashlib.sha256(batch_id.encode()).digest()


def make_record(batch_id: str, rows: int, now_ms: int) -> BatchRecord:
    """Return what the rows share."""
    return BatchRecord(
        principal=PRINCIPAL,
        batch_id=batch_id,
        app="shop",
        labels=(),
        accepted_at_ms=now_ms,
        provider_id_prefix=bytes(12),
        rows=rows,
    )


def make_settlement(ref: ChunkRef, indexes: Sequence[int], rows: Sequence[int], now_ms: int) -> Settlement:
    """Return a success for rows (positions inside the chunk); ``indexes`` are the chunk's own, as ranges."""
    positions = list(expand_ranges(indexes))
    return Settlement(
        batch=ref.batch,
        chunk=ref.chunk,
        rows=pack_ranges(rows),
        indexes=pack_ranges([positions[row] for row in rows]),
        provider="apns",
        outcome=Outcome.PROVIDER_ACCEPTED,
        reason=None,
        advice=Advice.NONE,
        provider_status=200,
        provider_reason=None,
        attempts=1,
        uncertain_attempts=0,
        finished_at_ms=now_ms,
    )
