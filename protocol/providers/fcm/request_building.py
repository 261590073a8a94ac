"""FCM requests from stored rows: the path of the project, and a body with the row's target and the time it has left."""

import msgspec

from protocol.chunks import Chunk, Variant, spread
from protocol.providers.fcm.addresses import split_destination
from protocol.providers.fcm.facts import FcmFacts
from protocol.providers.fcm.message import TTL_GAP
from protocol.requests import HeaderFields, RequestColumns
from protocol.timing import count_seconds_left

HEADERS: HeaderFields = ((b"content-type", b"application/json; charset=utf-8", True),)


def build_requests(chunk: Chunk, facts: FcmFacts, now_ms: int) -> RequestColumns:
    """Return the requests of a chunk's rows, in their order. The bearer token is the session's own header.

    ``now_ms`` is UNIX time: the TTL that FCM gets is what is left of the notification's at this attempt.
    """
    seconds_of_variant = [_choose_ttl(variant, now_ms) for variant in chunk.variants]
    bodies = [body.partition(TTL_GAP) for body in chunk.bodies]
    body_of_row = spread(chunk.body_of_row, len(bodies), len(chunk))
    variant_of_row = spread(chunk.variant_of_row, len(seconds_of_variant), len(chunk))
    requests = []
    for destination, body, variant in zip(chunk.destinations, body_of_row, variant_of_row, strict=True):
        head, gap, tail = bodies[body]
        kind, value = split_destination(destination)
        seconds = seconds_of_variant[variant]
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


def ask_to_validate_only(columns: RequestColumns) -> RequestColumns:
    """Return requests that FCM is to check as any others, and not to deliver (docs/fcm.md#options)."""
    bodies = [b'{"validate_only":true,' + body.removeprefix(b"{") for body in columns.bodies]
    return msgspec.structs.replace(columns, bodies=bodies)


def _choose_ttl(variant: Variant, now_ms: int) -> int:
    """Return the seconds left; 0 lets FCM try once and store nothing."""
    return 0 if variant.single_try else count_seconds_left(variant.expires_at_ms, now_ms)
