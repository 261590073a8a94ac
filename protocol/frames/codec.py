"""Frames to bytes and back."""

from typing import cast

import msgspec

from protocol.frames.caller_frames import CallerFrame
from protocol.frames.gateway_frames import GatewayFrame
from protocol.refusals import DECODING_ERRORS, RequestError, translate_decoding_error
from protocol.send.decoding import find_batch_id

LENGTH_BYTES = 4


class FrameError(RequestError):
    """A frame that can't be read: answer with one ``error`` and close."""


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
        raise _refuse(error, body) from None


def decode_gateway_frame(body: bytes) -> GatewayFrame:
    """Return what the gateway said, without the fields that are unknown here. Raises FrameError."""
    try:
        return cast("GatewayFrame", _gateway_decoder.decode(body))
    except DECODING_ERRORS as error:
        raise _end(translate_decoding_error(error)) from None


# Made by functions of their own: an error kept in a variable where it is raised is only freed by the cycle collector,
# and the frame's bytes with it.


def _refuse(error: Exception, body: bytes) -> RequestError:
    refusal = translate_decoding_error(error, kind=CallerFrame)
    if _read_op(body) != "send":
        return _end(refusal)
    refusal.batch_id = find_batch_id(body)
    return refusal


def _end(refusal: RequestError) -> FrameError:
    return FrameError(refusal.reason, refusal.field, refusal.detail)


def _read_op(body: bytes) -> str | None:
    try:
        return _any_decoder.decode(body).op
    except DECODING_ERRORS:
        return None
