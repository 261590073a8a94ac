"""The socket's frames: a 4-byte big-endian length and one msgpack map with ``op``.

A caller's frame is strict: an unknown field is refused with its place. The gateway's frames may gain fields, so a
caller decodes them leniently. What the ends owe each other:

- ``hello`` comes first and is answered by ``welcome``, which tells the credits the connection starts with.
- Every ``send`` is answered by exactly one ``accepted`` or ``error`` naming its batch, in any order; both carry the
  credits that it gives back.
- ``subscribe`` starts ``results`` frames; ``ack`` frees what was read.
- A frame that can't be read at all ends the connection after one ``error`` (FrameError); what was accepted stays.
"""

from collections.abc import Iterator
from typing import Annotated, cast

import msgspec
from msgspec import Meta

from protocol.reasons import Reason
from protocol.refusals import DECODING_ERRORS, RequestError, translate_decoding_error
from protocol.results import ResultBlock
from protocol.send.decoding import find_batch_id
from protocol.send.fields import BatchId, CancelKey, Name, RowId, SendFrame

PROTOCOL_VERSION = 1
LENGTH_BYTES = 4

Cursor = Annotated[str, Meta(min_length=1, max_length=128)]


class FrameError(RequestError):
    """A frame that can't be read: answer with one ``error`` and close."""


class _CallerFrame(
    msgspec.Struct, tag_field="op", tag=str.lower, forbid_unknown_fields=True, frozen=True, kw_only=True, gc=False
):
    """What callers say, decoded strictly."""


class _GatewayFrame(msgspec.Struct, tag_field="op", tag=str.lower, omit_defaults=True, frozen=True, kw_only=True):
    """What the gateway says; absent and null are the same."""


class Credits(msgspec.Struct, frozen=True, kw_only=True):
    """How much a connection may have unanswered: in ``welcome`` the whole, in an answer what it gives back."""

    notifications: int
    bytes: int


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """The largest batch, and the largest frame of any kind."""

    batch_notifications: int
    batch_bytes: int
    frame_bytes: int


class Hello(_CallerFrame, frozen=True):
    """The first frame of a connection. ``key`` is the caller's secret, where the door wants one."""

    version: Annotated[int, Meta(ge=0, le=65535)]
    key: Annotated[str, Meta(max_length=1024)] | None = None


class Cancel(_CallerFrame, frozen=True):
    """Cancel a batch, rows of it by ``ids`` or ``indexes``, or what carries ``cancel_key`` in ``app``."""

    batch_id: BatchId | None = None
    ids: Annotated[list[RowId], Meta(max_length=10_000)] | None = None
    indexes: Annotated[list[Annotated[int, Meta(ge=0, le=2**31 - 1)]], Meta(max_length=10_000)] | None = None
    app: Name | None = None
    cancel_key: CancelKey | None = None


class Subscribe(_CallerFrame, frozen=True):
    """Start reading results: after ``cursor``, of a named ``subscription``, or with neither from the oldest kept."""

    cursor: Cursor | None = None
    subscription: Name | None = None


class Ack(_CallerFrame, frozen=True):
    """Everything up to and including ``cursor`` was read and may be forgotten."""

    cursor: Cursor


class Ping(_CallerFrame, frozen=True):
    """Are you there? Answered by ``pong``. Both ends may ask."""


class Pong(_CallerFrame, frozen=True):
    """The answer to ``ping``."""


class Goodbye(_CallerFrame, frozen=True):
    """No more sends from here; what is under way is still answered. From the gateway: it drains."""


class Welcome(_GatewayFrame, frozen=True):
    """The answer to ``hello``. ``version`` is the one both ends speak from here."""

    version: int
    limits: Limits
    credits: Credits
    features: list[str]


class RejectedRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row that can't be sent; the others of its batch are not affected."""

    index: int
    id: str | None
    reason: str
    field: str | None
    detail: str


class Accepted(_GatewayFrame, frozen=True):
    """A batch is durable. Without ``credits`` it is the answer as it is stored for a repeat of the batch."""

    batch_id: str
    accepted: int
    rejected: list[RejectedRow]
    credits: Credits | None = None


class Error(_GatewayFrame, frozen=True):
    """A request was refused whole; nothing of it was accepted. ``batch_id`` as far as it could be read."""

    reason: str
    detail: str
    batch_id: str | None = None
    field: str | None = None
    retry_after_ms: int | None = None
    credits: Credits | None = None


class Cancelled(_GatewayFrame, frozen=True):
    """How a cancel went, in notifications; the request's own names are repeated."""

    cancelled: int
    too_late: int
    not_found: int
    batch_id: str | None = None
    app: str | None = None
    cancel_key: str | None = None


class Results(_GatewayFrame, frozen=True):
    """Results in columns, see :mod:`protocol.results`. Acknowledge ``cursor`` once they are safe with you."""

    cursor: str
    blocks: list[ResultBlock]


CallerFrame = Hello | SendFrame | Cancel | Subscribe | Ack | Ping | Pong | Goodbye
GatewayFrame = Welcome | Accepted | Error | Cancelled | Results | Ping | Pong | Goodbye


class _AnyFrame(msgspec.Struct):
    op: str


_encoder = msgspec.msgpack.Encoder()
_caller_decoder = msgspec.msgpack.Decoder(CallerFrame)
_gateway_decoder = msgspec.msgpack.Decoder(GatewayFrame)
_any_decoder = msgspec.msgpack.Decoder(_AnyFrame)


def encode_frame(frame: CallerFrame | GatewayFrame) -> bytes:
    """Return a frame with its length in front."""
    return frame_body(_encoder.encode(frame))


def frame_body(body: bytes) -> bytes:
    """Return an encoded map with its length in front."""
    return len(body).to_bytes(LENGTH_BYTES, "big") + body


def decode_caller_frame(body: bytes) -> CallerFrame:
    """Return what a caller said. Raises FrameError, or RequestError for a ``send`` that goes against the schema.

    A refused ``send`` is answered like any other one, and the connection goes on.
    """
    try:
        return cast("CallerFrame", _caller_decoder.decode(body))
    except DECODING_ERRORS as error:
        refusal = translate_decoding_error(error)
    if _read_op(body) == "send":
        refusal.batch_id = find_batch_id(body)
        raise refusal
    raise FrameError(refusal.reason, refusal.field, refusal.detail)


def decode_gateway_frame(body: bytes) -> GatewayFrame:
    """Return what the gateway said, without the fields that are unknown here. Raises FrameError."""
    try:
        return cast("GatewayFrame", _gateway_decoder.decode(body))
    except DECODING_ERRORS as error:
        refusal = translate_decoding_error(error)
    raise FrameError(refusal.reason, refusal.field, refusal.detail)


def _read_op(body: bytes) -> str | None:
    try:
        return _any_decoder.decode(body).op
    except DECODING_ERRORS:
        return None


class FrameReader:
    """Cuts a stream of bytes into frame bodies. Holds at most one unfinished frame of ``limit_bytes``."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._buffer = bytearray()

    @property
    def is_mid_frame(self) -> bool:
        """Whether a frame has begun and not ended; true for whole frames that were not taken yet, too."""
        return bool(self._buffer)

    def feed(self, data: bytes | bytearray | memoryview) -> Iterator[bytes]:
        """Take received bytes and return an iterator over the bodies that are complete.

        It raises FrameError in the place of a frame that announces more than the limit; nothing can be read after
        that. Bodies that are not taken from it come first out of the next call.
        """
        self._buffer += data
        return self._bodies()

    def _bodies(self) -> Iterator[bytes]:
        while len(self._buffer) >= LENGTH_BYTES:
            length = int.from_bytes(self._buffer[:LENGTH_BYTES], "big")
            if length > self._limit_bytes:
                raise FrameError(
                    Reason.TOO_LARGE, None, f"a frame has at most {self._limit_bytes} bytes, this one {length}"
                )
            end = LENGTH_BYTES + length
            if len(self._buffer) < end:
                return
            with memoryview(self._buffer) as view:
                body = bytes(view[LENGTH_BYTES:end])
            del self._buffer[:end]
            yield body
