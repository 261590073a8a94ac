"""The socket's frames: a 4-byte big-endian length and one msgpack map with ``op``.

A caller's frame is strict: an unknown field is refused with its place. The gateway's frames may gain fields, so a
caller decodes them leniently. What the ends owe each other:

- ``hello`` comes first and is answered by ``welcome``, which tells the credits the connection starts with.
- Every ``send`` is answered by exactly one ``accepted`` or ``error`` naming its batch, in any order; both carry the
  credits that it gives back.
- ``subscribe`` starts ``results`` frames; ``ack`` frees what was read.
- A frame that can't be read at all ends the connection after one ``error`` (FrameError); what was accepted stays.
"""

from protocol.frames.caller_frames import (
    Ack,
    CallerFrame,
    Cancel,
    ConfirmDeadTokens,
    Cursor,
    Goodbye,
    Hello,
    Ping,
    Pong,
    Subscribe,
    Unsubscribe,
)
from protocol.frames.codec import (
    LENGTH_BYTES,
    FrameError,
    decode_caller_frame,
    decode_gateway_frame,
    encode_frame,
    frame_body,
)
from protocol.frames.gateway_frames import (
    Accepted,
    Cancelled,
    Confirmed,
    Credits,
    DeadTokens,
    Error,
    GatewayFrame,
    GatewayGoodbye,
    GatewayPing,
    GatewayPong,
    Limits,
    RejectedRow,
    Results,
    Welcome,
)
from protocol.frames.reader import FrameReader
from protocol.send.fields import SendFrame

PROTOCOL_VERSION = 1

__all__ = [
    "LENGTH_BYTES",
    "PROTOCOL_VERSION",
    "Accepted",
    "Ack",
    "CallerFrame",
    "Cancel",
    "Cancelled",
    "ConfirmDeadTokens",
    "Confirmed",
    "Credits",
    "Cursor",
    "DeadTokens",
    "Error",
    "FrameError",
    "FrameReader",
    "GatewayFrame",
    "GatewayGoodbye",
    "GatewayPing",
    "GatewayPong",
    "Goodbye",
    "Hello",
    "Limits",
    "Ping",
    "Pong",
    "RejectedRow",
    "Results",
    "SendFrame",
    "Subscribe",
    "Unsubscribe",
    "Welcome",
    "decode_caller_frame",
    "decode_gateway_frame",
    "encode_frame",
    "frame_body",
]
