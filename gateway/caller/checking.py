"""What a caller refuses itself, in the gateway's own words, because the gateway could not say whom it concerns.

A batch under a name that isn't one would get an error that names no batch, and any other frame against the schema ends
the connection with all that waits on it.
"""

import uuid
from collections.abc import Mapping
from typing import Any

import msgspec

from gateway.caller.errors import BatchRefusedError, RefusedError
from protocol.frames import LENGTH_BYTES, CallerFrame, Error, decode_caller_frame, encode_frame
from protocol.refusals import RequestError, translate_decoding_error
from protocol.send import BatchId


class _Named(msgspec.Struct):
    batch_id: BatchId


def name_batch(batch: Mapping[str, Any]) -> str:
    """Return the ``batch_id`` of a batch, or a new one where it has none. Raises BatchRefusedError for what is none."""
    name = batch.get("batch_id")
    if name is None:
        return uuid.uuid4().hex
    try:
        return msgspec.convert({"batch_id": name}, _Named).batch_id
    except msgspec.ValidationError as error:
        raise BatchRefusedError(_describe(translate_decoding_error(error))) from None


def encode_checked(frame: CallerFrame) -> bytes:
    """Return a frame, its length in front, that the gateway will be able to read. Raises RefusedError."""
    encoded = encode_frame(frame)
    try:
        decode_caller_frame(encoded[LENGTH_BYTES:])
    except RequestError as refusal:
        raise RefusedError(_describe(refusal)) from None
    return encoded


def _describe(refusal: RequestError) -> Error:
    return Error(reason=refusal.reason.word, field=refusal.field, detail=refusal.detail)
