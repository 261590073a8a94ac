"""What a service says of a message that it took: where it is, and for how long (RFC 8030 sections 5 and 5.2)."""

import re
from collections.abc import Iterable

import msgspec

LOCATION_LIMIT_BYTES = 2048

_LOCATION = re.compile(rb"(?:https://|/)[!-~]+")


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """``location`` is the message's own URL, as the service wrote it: whoever has it may delete the message.

    ``ttl_seconds`` is how long the service keeps it, which may be less than was asked for. None: it didn't say.
    """

    location: str | None = None
    ttl_seconds: int | None = None


def read_receipt(headers: Iterable[tuple[bytes, bytes]]) -> Receipt:
    """Return what the headers of a success say; what can't be read counts as not said."""
    by_name = {name.lower(): value.strip() for name, value in headers}
    location = by_name.get(b"location", b"")
    ttl = by_name.get(b"ttl", b"")
    return Receipt(
        location=location.decode() if len(location) <= LOCATION_LIMIT_BYTES and _LOCATION.fullmatch(location) else None,
        ttl_seconds=int(ttl) if ttl.isdigit() and len(ttl) <= 10 else None,
    )
