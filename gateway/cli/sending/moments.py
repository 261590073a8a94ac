"""Moments as people write them: UNIX milliseconds, or ISO 8601 with a time zone."""

from datetime import UTC, datetime, timedelta
from typing import Any

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_SECOND = timedelta(seconds=1)

EXPECTED = "UNIX milliseconds, or ISO 8601 with a zone as in 2026-12-01T09:00:00Z or 2026-12-01T10:00:00+01:00"


def parse_moment(text: str) -> int:
    """Return a moment in UNIX milliseconds. Raises ValueError, in words that say what is missing."""
    if text.strip().lstrip("+-").isdecimal():
        return int(text)
    return (_parse_iso(text) - _EPOCH) // _MILLISECOND


def convert_moments(fields: dict[str, Any]) -> None:
    """Turn moments that are texts, in a notification in the fields of the API, into numbers, in place.

    ``apns.expiration`` is in UNIX seconds, as APNs has it. Raises ValueError naming the field.
    """
    for name in ("expires_at", "not_before"):
        if isinstance(fields.get(name), str):
            fields[name] = _convert(name, fields[name])
    options = fields.get("apns")
    if isinstance(options, dict) and isinstance(options.get("expiration"), str):
        text = options["expiration"]
        try:
            fields["apns"] = options | {"expiration": -((_EPOCH - _parse_iso(text)) // _SECOND)}
        except ValueError as error:
            raise ValueError(f"apns.expiration: {error}") from None


def _convert(name: str, text: str) -> int:
    try:
        return parse_moment(text)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def _parse_iso(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValueError(f"not a moment: expected {EXPECTED}") from None
    if moment.tzinfo is None:
        raise ValueError("a time without a zone could be any of 38 moments: add Z for UTC, or an offset as in +01:00")
    return moment
