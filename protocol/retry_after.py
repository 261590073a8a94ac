"""The ``Retry-After`` header (RFC 9110 section 10.2.3): seconds or a date. Garbage counts as absent."""

from collections.abc import Iterable
from datetime import UTC
from email.utils import parsedate_to_datetime

# A provider that asks for more has made a mistake, or wants us gone: either way a day is long enough to look again.
LONGEST_SECONDS = 24 * 3600.0
RETRY_AFTER = b"retry-after"


def read_retry_after(headers: Iterable[tuple[bytes, bytes]], now_seconds: float) -> float | None:
    """Return how many seconds to wait, 0 for a date that has passed; ``now_seconds`` is UNIX time."""
    for name, value in headers:
        if name.lower() == RETRY_AFTER:
            return _parse(value, now_seconds)
    return None


def _parse(value: bytes, now_seconds: float) -> float | None:
    text = value.decode("latin-1").strip()
    if text.isascii() and text.isdigit() and len(text) <= 10:
        return min(float(text), LONGEST_SECONDS)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    if moment.tzinfo is None:  # asctime dates carry no zone; HTTP dates are in UTC
        moment = moment.replace(tzinfo=UTC)
    return min(max(moment.timestamp() - now_seconds, 0.0), LONGEST_SECONDS)
