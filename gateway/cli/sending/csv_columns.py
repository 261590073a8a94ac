"""The columns that a CSV file of notifications may have: where the value of each goes, and how it is read."""

import json
from collections.abc import Callable
from typing import Any, NamedTuple

from gateway.cli.sending.moments import parse_moment


class Column(NamedTuple):
    """``path`` is the field in a notification; ``parse`` raises ValueError for what is not ``words``."""

    path: tuple[str, ...]
    parse: Callable[[str], Any] = str
    words: str = "a text"


def _number(*path: str) -> Column:
    return Column(path, int, "a whole number")


def _parse_object(cell: str) -> dict[str, Any]:
    value = json.loads(cell)
    if not isinstance(value, dict):
        raise ValueError("no object")  # noqa: TRY004 - the type of a value in a file, not of an argument
    return value


COLUMNS: dict[str, Column] = {
    "id": Column(("id",)),
    "token": Column(("to", "apns", "token")),
    "apns_token": Column(("to", "apns", "token")),  # as the option of `pushmill send`, beside fcm_token
    "channel": Column(("to", "apns", "channel")),
    "environment": Column(("to", "apns", "environment")),
    "fcm_token": Column(("to", "fcm", "token")),
    "fcm_fid": Column(("to", "fcm", "fid")),
    "fcm_topic": Column(("to", "fcm", "topic")),
    "fcm_condition": Column(("to", "fcm", "condition")),
    "subscription": Column(("to", "webpush"), _parse_object, "a JSON object as browsers print subscriptions"),
    "endpoint": Column(("to", "webpush", "endpoint")),
    "p256dh": Column(("to", "webpush", "keys", "p256dh")),
    "auth": Column(("to", "webpush", "keys", "auth")),
    "vapid_key": Column(("to", "webpush", "vapid_key")),
    "title": Column(("content", "title")),
    "body": Column(("content", "body")),
    "image": Column(("content", "image")),
    "link": Column(("content", "link")),
    "badge": _number("content", "badge"),
    "sound": Column(("content", "sound")),
    "payload": Column(("payload_json",), str.encode),
    "ttl": _number("ttl"),
    "expires_at": Column(("expires_at",), parse_moment, "a moment"),
    "not_before": Column(("not_before",), parse_moment, "a moment"),
    "urgency": Column(("urgency",)),
    "queue": Column(("queue",)),
    "collapse": Column(("collapse",)),
    "on_unknown": Column(("on_unknown",)),
    "push_type": Column(("apns", "push_type")),
    "topic": Column(("apns", "topic")),
    "priority": _number("apns", "priority"),
}

# A file without one of them could be sent to nobody.
ADDRESS_COLUMNS = frozenset(
    {"token", "apns_token", "channel", "fcm_token", "fcm_fid", "fcm_topic", "fcm_condition", "subscription", "endpoint"}
)


def fill_cell(fields: dict[str, Any], column: str, cell: str) -> None:
    """Put a cell's value where it belongs in a notification. Raises ValueError naming the column, never the value."""
    path, parse, words = COLUMNS[column]
    try:
        value = parse(cell)
    except (ValueError, RecursionError) as error:
        detail = str(error) if parse is parse_moment else f"not {words}"  # whose own words repeat no value
        raise ValueError(f"{column}: {detail}") from None
    inner = fields
    for name in path[:-1]:
        inner = inner.setdefault(name, {})
    if isinstance(value, dict):
        inner.setdefault(path[-1], {}).update(value)
    else:
        inner[path[-1]] = value
