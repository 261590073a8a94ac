"""APNs requests from stored rows; which headers enter the HPACK table: docs/apns.md#header-compression."""

from collections.abc import Iterable, Sequence

from protocol.chunks import Chunk, Variant, expand_ranges
from protocol.lanes import is_broadcast
from protocol.providers.apns.facts import ApnsFacts
from protocol.requests import HeaderFields, RequestColumns

DEVICE_PATH = b"/3/device/"
BROADCAST_PATH = b"/4/broadcasts/apps/"

# What many requests share is worth a place in the server's table. These differ too often, and would push it out.
_NEVER_INDEXED = frozenset({b"apns-expiration", b"apns-collapse-id"})


def build_requests(chunk: Chunk, facts: ApnsFacts) -> RequestColumns:
    """Return the requests of a chunk's rows, in their order. The bearer token is the session's own header.

    Raises ValueError for a broadcast when the app has no topic (any more).
    """
    header_sets, header_set_of_row, collapse_ids = _split_headers(chunk)
    row_fields: list[tuple[bytes, list[bytes | None]]] = []
    if collapse_ids is not None:
        row_fields.append((b"apns-collapse-id", collapse_ids))
    if is_broadcast(chunk.lane):
        row_fields.append((b"apns-channel-id", list(chunk.destinations)))
        paths = [_broadcast_path(facts)] * len(chunk)
        id_header = b"apns-request-id"
    else:
        paths = [DEVICE_PATH + destination.hex().encode() for destination in chunk.destinations]
        id_header = b"apns-id"
    return RequestColumns(
        paths=paths,
        bodies=chunk.bodies,
        body_of_row=_numbers_of_rows(chunk.body_of_row, len(chunk.bodies), len(chunk)),
        header_sets=header_sets,
        header_set_of_row=header_set_of_row,
        uuid_header_name=id_header,
        uuid_numbers=list(expand_ranges(chunk.indexes)),
        row_fields=row_fields,
    )


def _broadcast_path(facts: ApnsFacts) -> bytes:
    if facts.topic is None:
        raise ValueError("a broadcast needs the app's topic, and it has none configured")
    return BROADCAST_PATH + facts.topic.encode()


def _numbers_of_rows(column: list[int] | None, distinct: int, rows: int) -> list[int] | None:
    """Return which of the distinct values each row takes; None where there is one a row."""
    if column is not None:
        return column
    return None if distinct == rows else [0] * rows


def _split_headers(chunk: Chunk) -> tuple[list[HeaderFields], list[int] | None, list[bytes | None] | None]:
    """Return distinct header sets, which one each row takes, and the rows' collapse ids where those differ."""
    if chunk.variant_of_row is None or len(chunk.variants) == 1:
        return [_mark(chunk.variants[0].headers)], None, None
    numbers: dict[HeaderFields, int] = {}
    set_of_variant: list[int] = []
    for variant in chunk.variants:
        shared = _mark(field for field in variant.headers if field[0] != b"apns-collapse-id")
        set_of_variant.append(numbers.setdefault(shared, len(numbers)))
    return (
        list(numbers),
        [set_of_variant[number] for number in chunk.variant_of_row],
        _collapse_ids(chunk.variants, chunk.variant_of_row),
    )


def _collapse_ids(variants: Sequence[Variant], variant_of_row: Sequence[int]) -> list[bytes | None] | None:
    of_variant = [dict(variant.headers).get(b"apns-collapse-id") for variant in variants]
    if not any(of_variant):
        return None
    return [of_variant[number] for number in variant_of_row]


def _mark(fields: Iterable[tuple[bytes, bytes]]) -> HeaderFields:
    return tuple((name, value, name not in _NEVER_INDEXED) for name, value in fields)
