"""FCM requests from stored rows: the path of the project, and a body with the row's target and the time it has left."""

from protocol.chunks import Chunk, Variant
from protocol.providers.fcm.addresses import split_destination
from protocol.providers.fcm.facts import FcmFacts
from protocol.providers.fcm.message import TTL_GAP
from protocol.providers.fcm.message_fields import TTL_LIMIT_SECONDS
from protocol.requests import HeaderFields, RequestColumns

HEADERS: HeaderFields = ((b"content-type", b"application/json; charset=utf-8", True),)


def build_requests(chunk: Chunk, facts: FcmFacts, now_ms: int) -> RequestColumns:
    """Return the requests of a chunk's rows, in their order. The bearer token is the session's own header.

    ``now_ms`` is UNIX time: the TTL that FCM gets is what is left of the notification's at this attempt.
    """
    variants = [_seconds_left(variant, now_ms) for variant in chunk.variants]
    bodies = [body.partition(TTL_GAP) for body in chunk.bodies]
    requests = []
    for row, destination in enumerate(chunk.destinations):
        head, gap, tail = bodies[_number(chunk.body_of_row, len(bodies), row)]
        kind, value = split_destination(destination)
        seconds = variants[_number(chunk.variant_of_row, len(variants), row)]
        requests.append(b'{"message":{"%b":"%b",%b%b%d%b' % (kind, value, head, gap, seconds, tail))
    return RequestColumns(
        paths=[b"/v1/projects/%b/messages:send" % facts.project_id.encode()] * len(chunk),
        bodies=requests,
        body_of_row=None,
        header_sets=[HEADERS],
        header_set_of_row=None,
        uuid_header_name=None,
        uuid_numbers=None,
        row_fields=[],
    )


def _seconds_left(variant: Variant, now_ms: int) -> int:
    """Return whole seconds, rounded up; 0 lets FCM try once and store nothing."""
    if variant.single_try:
        return 0
    return min(max(-(-(variant.expires_at_ms - now_ms) // 1000), 1), TTL_LIMIT_SECONDS)


def _number(column: list[int] | None, distinct: int, row: int) -> int:
    """Return which of the distinct values a row takes: its own, the only one, or the one in its place."""
    if column is not None:
        return column[row]
    return 0 if distinct == 1 else row
