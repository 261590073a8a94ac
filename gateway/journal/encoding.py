"""What stands in the journal's blobs: msgpack arrays in an encoding of our own, each under a checksum.

A chunk's bytes carry a mark, their batch, number, rows, length and a CRC, so that what is left of a damaged file can
be found and judged without its tables. All other blobs end with a CRC of themselves and the key they stand under.
"""

import struct
import zlib
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from gateway.journal.engine import BatchRecord, NewChunk, Settlement

MARK = b"PMchunk1"
_FIELDS = struct.Struct(">QIHI")  # batch, chunk, rows, bytes that follow the envelope
_CHECKSUM = struct.Struct(">I")  # CRC-32 of the fields before it and of what follows
ENVELOPE_BYTES = len(MARK) + _FIELDS.size + _CHECKSUM.size
CHECKSUM_BYTES = _CHECKSUM.size
_KEY = struct.Struct(">q")


class DamagedError(Exception):
    """Something stored isn't what was stored."""


class DamagedChunkError(DamagedError):
    """A stored chunk isn't what was stored."""


class Envelope(NamedTuple):
    """What a chunk's bytes say of themselves."""

    batch: int
    chunk: int
    rows: int
    size_bytes: int
    checksum: int


class ChunkHead(msgspec.Struct, array_like=True, frozen=True):
    """What must be known of a chunk without reading it."""

    lane: str
    queue: int
    rows: int
    expires_at_ms: int
    not_before_ms: int
    stored_bytes: int
    cancel_filter: bytes
    reported: bytes = b""
    account: str = ""


class BatchHead(NamedTuple):
    """What stands in columns of its own, so that keys are found again at a start without decoding a blob.

    ``is_named``: the caller chose the id, and may send the batch again.
    """

    batch_id: str
    accepted_at_ms: int
    is_named: int


class _StoredRecord(msgspec.Struct, array_like=True, frozen=True):
    """The rest of a batch's record, and the fingerprint of its request."""

    principal: str
    app: str
    labels: tuple[str, ...]
    provider_id_prefix: bytes
    rows: int
    fingerprint: bytes


class Progress(msgspec.Struct, array_like=True, frozen=True):
    """Where the rows of a chunk are, as sets of bits in big-endian bytes.

    ``started`` were marked before they were sent and have no final word. ``scheduled`` are (due moment, rows),
    ``attempted`` (attempts, uncertain attempts, rows). ``doubted`` may have been sent by a process that is gone.
    """

    settled: bytes
    started: bytes
    scheduled: list[tuple[int, bytes]]
    attempted: list[tuple[int, int, bytes]]
    doubted: bytes = b""


_encoder = msgspec.msgpack.Encoder()
_heads = msgspec.msgpack.Decoder(ChunkHead)
_progress = msgspec.msgpack.Decoder(Progress)
_records = msgspec.msgpack.Decoder(_StoredRecord)
_settlements = msgspec.msgpack.Decoder(Settlement)
_positions = msgspec.msgpack.Decoder(list[list[int]])


def encode_rows(rows: int) -> bytes:
    """Return a set of rows as bytes."""
    return rows.to_bytes((rows.bit_length() + 7) // 8, "big")


def decode_rows(data: bytes) -> int:
    """Return a set of rows from its bytes."""
    return int.from_bytes(data, "big")


def seal_chunk(batch: int, chunk: int, new: NewChunk) -> bytes:
    """Return a chunk's bytes in their envelope."""
    fields = _FIELDS.pack(batch, chunk, new.rows, len(new.stored))
    return b"".join((MARK, fields, _CHECKSUM.pack(zlib.crc32(new.stored, zlib.crc32(fields))), new.stored))


def read_envelope(data: bytes, at: int = 0) -> Envelope | None:
    """Return the envelope that stands at a place, None when there is none."""
    if not data.startswith(MARK, at) or len(data) - at < ENVELOPE_BYTES:
        return None
    (checksum,) = _CHECKSUM.unpack_from(data, at + len(MARK) + _FIELDS.size)
    batch, chunk, rows, size_bytes = _FIELDS.unpack_from(data, at + len(MARK))
    return Envelope(batch, chunk, rows, size_bytes, checksum)


def is_intact(envelope: Envelope, stored: bytes) -> bool:
    """Whether bytes are those that were put into an envelope."""
    fields = _FIELDS.pack(envelope.batch, envelope.chunk, envelope.rows, envelope.size_bytes)
    return len(stored) == envelope.size_bytes and zlib.crc32(stored, zlib.crc32(fields)) == envelope.checksum


def open_chunk(batch: int, chunk: int, sealed: bytes) -> bytes:
    """Return a chunk's bytes. Raises DamagedChunkError when they aren't those that were sealed."""
    envelope, stored = read_envelope(sealed), sealed[ENVELOPE_BYTES:]
    if envelope is None or (envelope.batch, envelope.chunk) != (batch, chunk) or not is_intact(envelope, stored):
        raise DamagedChunkError(f"batch {batch}, chunk {chunk}: its bytes do not match their checksum")
    return stored


def seal(key: int, data: bytes, beside: bytes = b"") -> bytes:
    """Return a blob with a checksum behind it: of its key, of what stands ``beside`` it, and of itself."""
    return data + _CHECKSUM.pack(zlib.crc32(data, zlib.crc32(beside, zlib.crc32(_KEY.pack(key)))))


def unseal(key: int, sealed: bytes, beside: bytes = b"") -> bytes:
    """Return a blob without its checksum. Raises DamagedError when they don't match."""
    data = sealed[:-CHECKSUM_BYTES]
    if seal(key, data, beside) != sealed:
        raise DamagedError(f"what stands under key {key} does not match its checksum")
    return data


def encode_positions(key: int, positions: Sequence[Sequence[int]]) -> bytes:
    """Return the positions of each chunk's rows in their batch, as flat ranges."""
    return seal(key, _encoder.encode(positions))


def decode_positions(key: int, data: bytes) -> list[list[int]]:
    """Return the positions of each chunk's rows. Raises DamagedError."""
    return _positions.decode(unseal(key, data))


def encode_head(key: int, new: NewChunk) -> bytes:
    """Return what must be known of a chunk without reading it."""
    head = ChunkHead(
        lane=new.lane,
        queue=new.queue,
        rows=new.rows,
        expires_at_ms=new.expires_at_ms,
        not_before_ms=new.not_before_ms,
        stored_bytes=len(new.stored),
        cancel_filter=encode_rows(new.cancel_filter),
        reported=encode_rows(new.reported),
        account=new.account,
    )
    return seal(key, _encoder.encode(head))


def decode_head(key: int, data: bytes) -> ChunkHead:
    """Return a chunk's head. Raises DamagedError."""
    return _heads.decode(unseal(key, data))


def encode_progress(key: int, progress: Progress) -> bytes:
    """Return a chunk's progress as bytes."""
    return seal(key, _encoder.encode(progress))


def decode_progress(key: int, data: bytes) -> Progress:
    """Return a chunk's progress. Raises DamagedError."""
    return _progress.decode(unseal(key, data))


def encode_record(key: int, record: BatchRecord, fingerprint: bytes, *, is_named: bool) -> tuple[BatchHead, bytes]:
    """Return a batch's columns and the blob with the rest; the blob's checksum covers both."""
    stored = _StoredRecord(
        principal=record.principal,
        app=record.app,
        labels=record.labels,
        provider_id_prefix=record.provider_id_prefix,
        rows=record.rows,
        fingerprint=fingerprint,
    )
    head = BatchHead(record.batch_id, record.accepted_at_ms, int(is_named))
    return head, seal(key, _encoder.encode(stored), _encoder.encode(head))


def decode_record(key: int, head: BatchHead, data: bytes) -> tuple[BatchRecord, bytes]:
    """Return a batch's record and the fingerprint of its request. Raises DamagedError."""
    stored = _records.decode(unseal(key, data, _encoder.encode(head)))
    record = BatchRecord(
        principal=stored.principal,
        batch_id=head.batch_id,
        app=stored.app,
        labels=stored.labels,
        accepted_at_ms=head.accepted_at_ms,
        provider_id_prefix=stored.provider_id_prefix,
        rows=stored.rows,
    )
    return record, stored.fingerprint


def encode_settlement(key: int, settlement: Settlement) -> bytes:
    """Return a result block as bytes."""
    return seal(key, _encoder.encode(settlement))


def decode_settlement(key: int, data: bytes) -> Settlement:
    """Return a result block. Raises DamagedError."""
    return _settlements.decode(unseal(key, data))
