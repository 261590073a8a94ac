"""What a row says: the message it brings itself, or the one that its batch has for all."""

from collections.abc import Callable
from typing import Generic, NoReturn, TypeVar, cast

import msgspec

from protocol.preparation.merging import fill_in
from protocol.reasons import Reason
from protocol.rejections import RowError
from protocol.send.fields import BatchEnvelope, Content, Notification

Message = TypeVar("Message")


class Reader(msgspec.Struct, Generic[Message], frozen=True, kw_only=True):
    """How one provider reads each kind of content; the second argument of a payload's reader is its field."""

    content: Callable[[Content], Message]
    json: Callable[[bytes, str], Message]
    bytes: Callable[[bytes, str], Message]


def read_shared(envelope: BatchEnvelope, reader: Reader[Message]) -> Message:
    """Return the message of rows that bring none of their own. Raises RowError."""
    if envelope.payload_bytes is not None:
        return reader.bytes(envelope.payload_bytes, "payload_bytes")
    if envelope.payload_json is not None:
        return reader.json(envelope.payload_json, "payload_json")
    if envelope.content is not None:
        return reader.content(envelope.content)
    raise RowError(Reason.INVALID_PAYLOAD, "content", "neither the notification nor its batch has anything to say")


def read_own(own: Notification, shared: Content | None, reader: Reader[Message]) -> Message:
    """Return the message of a notification that brings one; the batch's content fills in its own. Raises RowError."""
    if [own.content, own.payload_json, own.payload_bytes].count(None) != 2:
        field = "payload_json" if own.payload_bytes is None else "payload_bytes"
        raise RowError(Reason.INVALID_PAYLOAD, field, "a notification has content or one payload, not two of them")
    if own.payload_bytes is not None:
        return reader.bytes(own.payload_bytes, "payload_bytes")
    if own.payload_json is not None:
        return reader.json(own.payload_json, "payload_json")
    return reader.content(fill_in(cast("Content", own.content), shared))


def refuse_bytes(data: bytes, field: str) -> NoReturn:
    """Read other bytes than JSON for a provider that carries none: raise RowError."""
    del data
    raise RowError(Reason.INVALID_PAYLOAD, field, "only Web Push carries other bytes than JSON")
