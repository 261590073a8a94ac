"""A caller's own FCM message (``payload_json``): the ``message`` object of a v1 request without its target.

It is checked against the table of fields, and its members keep their bytes: only the Android section is opened, for
what every attempt fills in (see :mod:`protocol.providers.fcm.message`). Of a key that stands twice the last one counts,
as it does for FCM.
"""

from typing import Any

import msgspec

from protocol.providers.fcm.message import MESSAGE_LIMIT_BYTES, Message, measure_payload
from protocol.providers.fcm.message_checks import check_message, to_snake_case
from protocol.providers.fcm.message_fields import read_duration_seconds
from protocol.reasons import Reason
from protocol.refusals import DECODING_ERRORS, translate_decoding_error
from protocol.rejections import RowError

_values_decoder = msgspec.json.Decoder(dict[str, Any])
_members_decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])
_NULL = b"null"


def read_payload(data: bytes, field: str) -> Message:
    """Return a caller's own message, checked. Raises RowError."""
    if len(data) > MESSAGE_LIMIT_BYTES:
        detail = f"an FCM message has at most {MESSAGE_LIMIT_BYTES} bytes of JSON, this one {len(data)}"
        raise RowError(Reason.PAYLOAD_TOO_LARGE, field, detail)
    values = _read_object(data, field)
    check_message(values, field)
    values = {to_snake_case(name): _with_snake_case(value) for name, value in values.items() if value is not None}
    members = _read_members(data)
    android_name = "android_v2" if "android_v2" in members else "android"
    android = _read_members(bytes(members.pop(android_name, b"{}")))
    android.pop("ttl", None)
    return Message(
        android_name=android_name,
        android=android,
        members=members,
        ttl_seconds=read_duration_seconds((values.get(android_name) or {}).get("ttl")),
        payload_bytes=measure_payload(values, android_name),
        field=field,
    )


def _read_object(data: bytes, field: str) -> dict[str, Any]:
    try:
        return _values_decoder.decode(data)
    except DECODING_ERRORS as error:
        fault = translate_decoding_error(error)
        raise RowError(Reason.INVALID_PAYLOAD, field, f"not a JSON object for FCM: {fault.detail}") from None


def _read_members(data: bytes) -> dict[str, msgspec.Raw]:
    """Return the members of an object that has been read once; absent where they are null."""
    members = _members_decoder.decode(data)
    return {to_snake_case(name): value for name, value in members.items() if bytes(value) != _NULL}


def _with_snake_case(section: object) -> object:
    """Return a section with its own names in snake_case, less those that are null; the rest is the caller's."""
    if not isinstance(section, dict):
        return section
    return {to_snake_case(name): value for name, value in section.items() if value is not None}
