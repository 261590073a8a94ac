"""Local checks of a message: what FCM would refuse for good is found before it costs quota."""

import re
from collections.abc import Mapping
from typing import Any

from protocol.providers.fcm.message_fields import MESSAGE, Fields, Form, Map
from protocol.reasons import Reason
from protocol.refusals import PLACE_LIMIT_CHARACTERS
from protocol.rejections import RowError

_RESERVED_KEYS = frozenset({"from", "message_type", "google", "gcm"})
_RESERVED_PREFIXES = ("google.", "gcm.")
_TARGETS = frozenset({"token", "fid", "topic", "condition"})
_UPPER = re.compile(r"(?<=[a-z0-9])[A-Z]")


def to_snake_case(name: str) -> str:
    """Return a camelCase field name as the tables here spell it; snake_case stays as it is."""
    return name if name.islower() else _UPPER.sub(lambda letter: "_" + letter[0].lower(), name)


def check_message(message: Mapping[str, Any], field: str) -> None:
    """Raise RowError for the first part that FCM would refuse; ``field`` is where the message came from."""
    for name, value in message.items():
        if name in _TARGETS and value is not None:
            raise RowError(Reason.INVALID_PAYLOAD, _place(field, name), "the target stands under to.fcm")
    _check_fields({name: value for name, value in message.items() if name not in _TARGETS}, MESSAGE, field)
    _check_one_of("android", "android_v2", message, field)
    for name, section in message.items():
        if to_snake_case(name) == "android_v2":
            _check_one_of("remote_notification", "background_sync", section or {}, _place(field, name))


def check_data_keys(data: Mapping[str, object], field: str) -> None:
    """Raise RowError where a key of ``data`` is one that FCM keeps for itself."""
    for key in data:
        if key in _RESERVED_KEYS or key.startswith(_RESERVED_PREFIXES):
            raise RowError(Reason.INVALID_PAYLOAD, _place(field, key), "FCM reserves this key")


def _check_fields(values: Mapping[str, Any], fields: Fields, place: str) -> None:
    seen: set[str] = set()
    for spelled, value in values.items():
        name = to_snake_case(spelled)
        inner = _place(place, spelled)
        if (form := fields.get(name)) is None:
            raise RowError(Reason.UNKNOWN_FIELD, inner, "an FCM message has no field of this name here")
        if value is None:
            continue
        if name in seen:
            raise RowError(Reason.INVALID_PAYLOAD, inner, "the field stands here twice, in two spellings")
        seen.add(name)
        _check_value(value, form, inner)


def _check_value(value: object, form: Form | Map | Fields, place: str) -> None:
    if isinstance(form, Form):
        if not form.accepts(value):
            raise RowError(Reason.INVALID_PAYLOAD, place, f"this is {form.words}")
    elif not isinstance(value, dict):
        raise RowError(Reason.INVALID_PAYLOAD, place, "this is an object")
    elif isinstance(form, Map):
        _check_map(value, form, place)
    else:
        _check_fields(value, form, place)


def _check_one_of(name: str, other: str, values: Mapping[str, object], place: str) -> None:
    if {name, other} <= {to_snake_case(spelled) for spelled, value in values.items() if value is not None}:
        raise RowError(Reason.INVALID_PAYLOAD, place, f"a message has {name} or {other}, not both")


def _check_map(values: Mapping[str, object], form: Map, place: str) -> None:
    for key, value in values.items():
        if not isinstance(value, str):
            raise RowError(Reason.INVALID_PAYLOAD, _place(place, key), "every value here is a string")
    if form.is_data:
        check_data_keys(values, place)


def _place(place: str, name: str) -> str:
    """Return the place of a caller's own name, safe for answers and logs."""
    safe = name[:PLACE_LIMIT_CHARACTERS]
    if not safe.isprintable():
        safe = "".join(character if character.isprintable() else "?" for character in safe)
    return f"{place}.{safe}"[:PLACE_LIMIT_CHARACTERS]
