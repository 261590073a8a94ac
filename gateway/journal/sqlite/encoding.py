"""What stands in the journal's blobs: msgpack arrays in an encoding of our own, under a checksum where it counts.

A chunk's bytes carry a mark, their batch, number, rows and a CRC, so that what is left of a damaged file can be found
and judged without its tables.
"""

import struct
import zlib
from collections.abc import Sequence

import msgspec

from gateway.journal.engine import BatchRecord, NewChunk, Settlement

MARK = b"PMchunk1"
_ENVELOPE = struct.Struct(">8sQIHI")  # mark, batch, chunk, rows, CRC-32 of what follows and of the fields before


class DamagedChunkError(Exception):
    """A stored chunk isn't what was stored."""


class ChunkHead(msgspec.Struct, array_like=True, frozen=True):
    """What must be known of a chunk without reading it."""

    lane: str
    queue: int
    rows: int
    expires_at_ms: int
    not_before_ms: int
    stored_bytes: int


class Progress(msgspec.Struct, array_like=True, frozen=True):
    """Where the rows of a chunk are, as sets of bits in big-endian bytes.

    ``started`` were marked before they were sent and have no final word. ``scheduled`` are (due moment, rows),
    ``attempted`` (attempts, uncertain attempts, rows).
    """

    settled: bytes
    started: bytes
    scheduled: list[tuple[int, bytes]]
    attempted: list[tuple[int, int, bytes]]


_encoder = msgspec.msgpack.Encoder()
_heads = msgspec.msgpack.Decoder(ChunkHead)
_progress = msgspec.msgpack.Decoder(Progress)
_records = msgspec.msgpack.Decoder(BatchRecord)
_settlements = msgspec.msgpack.Decoder(Settlement)
_ranges = msgspec.msgpack.Decoder(list[int])


def encode_rows(rows: int) -> bytes:
    """Return a set of rows as bytes."""
    return rows.to_bytes((rows.bit_length() + 7) // 8, "big")


def decode_rows(data: bytes) -> int:
    """Return a set of rows from its bytes."""
    return int.from_bytes(data, "big")


def seal_chunk(batch: int, chunk: int, new: NewChunk) -> bytes:
    """Return a chunk's bytes in their envelope."""
    fields = struct.pack(">QIH", batch, chunk, new.rows)
    return _ENVELOPE.pack(MARK, batch, chunk, new.rows, zlib.crc32(new.stored, zlib.crc32(fields))) + new.stored


def open_chunk(batch: int, chunk: int, sealed: bytes) -> bytes:
    """Return a chunk's bytes. Raises DamagedChunkError when they aren't those that were sealed."""
    if len(sealed) < _ENVELOPE.size:
        raise DamagedChunkError(f"batch {batch}, chunk {chunk}: cut short")
    mark, found_batch, found_chunk, rows, checksum = _ENVELOPE.unpack_from(sealed)
    stored = sealed[_ENVELOPE.size :]
    fields = struct.pack(">QIH", found_batch, found_chunk, rows)
    if (mark, found_batch, found_chunk) != (MARK, batch, chunk) or zlib.crc32(stored, zlib.crc32(fields)) != checksum:
        raise DamagedChunkError(f"batch {batch}, chunk {chunk}: its bytes do not match their checksum")
    return stored


def encode_ranges(ranges: Sequence[int]) -> bytes:
    """Return flat ranges as bytes."""
    return _encoder.encode(list(ranges))


def decode_ranges(data: bytes) -> list[int]:
    """Return flat ranges. Raises msgspec.DecodeError."""
    return _ranges.decode(data)


def encode_head(new: NewChunk) -> bytes:
    """Return what must be known of a chunk without reading it."""
    return _encoder.encode(
        ChunkHead(new.lane, new.queue, new.rows, new.expires_at_ms, new.not_before_ms, len(new.stored))
    )


def decode_head(data: bytes) -> ChunkHead:
    """Return a chunk's head. Raises msgspec.DecodeError."""
    return _heads.decode(data)


def encode_progress(progress: Progress) -> bytes:
    """Return a chunk's progress as bytes."""
    return _encoder.encode(progress)


def decode_progress(data: bytes) -> Progress:
    """Return a chunk's progress. Raises msgspec.DecodeError."""
    return _progress.decode(data)


def encode_record(record: BatchRecord) -> bytes:
    """Return a batch's record as bytes."""
    return _encoder.encode(record)


def decode_record(data: bytes) -> BatchRecord:
    """Return a batch's record. Raises msgspec.DecodeError."""
    return _records.decode(data)


def encode_settlement(settlement: Settlement) -> bytes:
    """Return a result block as bytes."""
    return _encoder.encode(settlement)


def decode_settlement(data: bytes) -> Settlement:
    """Return a result block. Raises msgspec.DecodeError."""
    return _settlements.decode(data)
