"""Decoding a batch without ever holding the loop: first the outer map, then its rows in slices.

The first pass splits the rows into undecoded maps (10,000 rows: about 1 ms). A slice of them is put behind an array
header and decoded in one call, which is as fast as decoding the whole list at once. A slice in which that fails is
decoded row by row, so that only those rows are rejected which can't be read.

What is done with a slice takes time by the row and by the byte: a row may be an address of 80 bytes or a message of
many KiB. So a slice ends at whichever bound it reaches first.
"""

from collections.abc import Iterator
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta

from protocol.reasons import Reason
from protocol.refusals import DECODING_ERRORS, RequestError, translate_decoding_error
from protocol.send.fields import (
    LABEL_LIMIT_BYTES,
    MOMENT_LIMIT_MS,
    TTL_LIMIT_SECONDS,
    BatchEnvelope,
    Defaults,
    SendFrame,
)
from protocol.send.unreadable_rows import ROW_DECODERS, Row, RowsField, read_row

# A refusal names the batch as the caller did, valid or not: four times what is valid is long enough for any slip.
NAME_LIMIT_CHARACTERS = 1024


class BatchLimits(msgspec.Struct, frozen=True, kw_only=True):
    """The largest batch: its rows, and the bytes of its encoded request."""

    notifications: int = 10_000
    bytes: int = 8 * 1024 * 1024


class SliceLimits(NamedTuple):
    """What a slice has at most; a row of more bytes is a slice of its own."""

    rows: int
    bytes: int


class _Named(msgspec.Struct):
    batch_id: Annotated[str, Meta(max_length=NAME_LIMIT_CHARACTERS)] | None = None


_send_decoder = msgspec.msgpack.Decoder(SendFrame)
_named_decoder = msgspec.msgpack.Decoder(_Named)


def decode_batch(body: bytes, limits: BatchLimits) -> BatchEnvelope:
    """Return the batch of one encoded send request. Raises RequestError."""
    if len(body) > limits.bytes:
        raise RequestError(Reason.TOO_LARGE, None, f"a batch has at most {limits.bytes} bytes, this one {len(body)}")
    try:
        frame = _send_decoder.decode(body)
    except DECODING_ERRORS as error:
        raise _name(translate_decoding_error(error, kind=SendFrame), find_batch_id(body)) from None
    return open_batch(frame, limits)


def open_batch(frame: SendFrame, limits: BatchLimits) -> BatchEnvelope:
    """Return a decoded send frame with its rows counted and split. Raises RequestError."""
    try:
        return _open_batch(frame, limits)
    except RequestError as refusal:
        refusal.batch_id = frame.batch_id
        raise


def cut_slices(envelope: BatchEnvelope, limits: SliceLimits) -> Iterator[tuple[int, int]]:
    """Yield where each slice of a batch starts and stops."""
    start = size_bytes = 0
    for at, row in enumerate(envelope.rows):
        size_bytes += len(row)
        if at > start and (size_bytes > limits.bytes or at - start == limits.rows):
            yield start, at
            start, size_bytes = at, len(row)
    yield start, len(envelope)


def decode_rows(envelope: BatchEnvelope, start: int, stop: int) -> list[Row]:
    """Return the rows ``start`` to ``stop``, those that go against the schema as they came."""
    raws = envelope.rows[start:stop]
    encoded = b"\xdd" + len(raws).to_bytes(4, "big") + b"".join(raws)
    try:
        return ROW_DECODERS[envelope.rows_field].rows.decode(encoded)
    except DECODING_ERRORS:
        del encoded
        return [read_row(raw, envelope.rows_field) for raw in raws]


def _name(refusal: RequestError, batch_id: str | None) -> RequestError:
    """Return a refusal that says which batch it is about; kept where it is raised, only the collector would free it."""
    refusal.batch_id = batch_id
    return refusal


def find_batch_id(body: bytes) -> str | None:
    """Return the ``batch_id`` of a request that may be broken there or elsewhere, as it came, where that can be read.

    Whoever sent it knows by this name which of its batches was refused.
    """
    try:
        return _named_decoder.decode(body).batch_id
    except DECODING_ERRORS:
        return None


def _open_batch(frame: SendFrame, limits: BatchLimits) -> BatchEnvelope:
    _check_envelope(frame)
    field: RowsField = "targets" if frame.notifications is None else "notifications"
    rows = (frame.targets if frame.notifications is None else frame.notifications) or []
    _check_count(field, len(rows), limits.notifications)
    return BatchEnvelope(
        app=frame.app,
        batch_id=frame.batch_id,
        content=frame.content,
        payload_json=frame.payload_json,
        payload_bytes=frame.payload_bytes,
        defaults=frame.defaults,
        labels=tuple(frame.labels),
        rows_field=field,
        rows=rows,
    )


def _check_envelope(frame: SendFrame) -> None:
    if frame.wait_ms is not None:
        raise RequestError(Reason.NOT_SUPPORTED, "wait_ms", "waiting for results is not supported yet: subscribe")
    if (frame.notifications is None) == (frame.targets is None):
        raise RequestError(Reason.MALFORMED, "notifications", "a batch has exactly one of notifications and targets")
    if frame.content is not None and frame.payload_json is not None:
        raise RequestError(Reason.MALFORMED, "payload_json", "a batch has content or a payload, not both")
    if frame.payload_bytes is not None and (frame.content is not None or frame.payload_json is not None):
        raise RequestError(Reason.MALFORMED, "payload_bytes", "a batch has content or one payload, not two of them")
    _check_defaults(frame.defaults)
    for at, label in enumerate(frame.labels):
        if len(label.encode()) > LABEL_LIMIT_BYTES:
            raise RequestError(Reason.MALFORMED, f"labels[{at}]", f"a label has at most {LABEL_LIMIT_BYTES} bytes")


def _check_defaults(defaults: Defaults) -> None:
    """Refuse times that no row could have; one row's own rejects that row alone, see :mod:`protocol.timing`."""
    if defaults.ttl is not None and defaults.ttl > TTL_LIMIT_SECONDS:
        detail = f"in seconds, {TTL_LIMIT_SECONDS} (28 days) at most; is it in milliseconds?"
        raise RequestError(Reason.MALFORMED, "defaults.ttl", detail)
    for field in ("expires_at", "not_before"):
        moment: int | None = getattr(defaults, field)
        if moment is not None and moment > MOMENT_LIMIT_MS:
            detail = "in UNIX milliseconds; this is after the year 2100, as micro- or nanoseconds would be"
            raise RequestError(Reason.MALFORMED, f"defaults.{field}", detail)


def _check_count(field: RowsField, count: int, limit: int) -> None:
    if count == 0:
        raise RequestError(Reason.MALFORMED, field, "a batch has at least one notification")
    if count > limit:
        raise RequestError(Reason.TOO_LARGE, field, f"a batch has at most {limit} notifications, this one {count}")
