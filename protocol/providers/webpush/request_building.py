"""Web Push requests from stored rows and their encrypted bodies (docs/web-push.md#services)."""

from collections.abc import Callable, Sequence

from protocol.chunks import Chunk, Variant, spread
from protocol.providers.webpush.destinations import Recipient, unpack_destination
from protocol.providers.webpush.headers import AUTHORIZATION_PREFIX
from protocol.providers.webpush.services import Service
from protocol.requests import HeaderFields, RequestColumns
from protocol.timing import count_seconds_left


def get_recipients(chunk: Chunk) -> list[Recipient]:
    """Return whom each row is encrypted for, in the rows' order. Raises ValueError on a damaged destination."""
    return [unpack_destination(destination) for destination in chunk.destinations]


def get_plaintexts(chunk: Chunk) -> list[bytes]:
    """Return what each row says, before encryption; rows that share it share the object."""
    return [chunk.bodies[number] for number in spread(chunk.body_of_row, len(chunk.bodies), len(chunk))]


def get_public_key(variant: Variant) -> bytes:
    """Return which of the app's VAPID keys the requests of a variant are signed with, in base64url."""
    return dict(variant.headers)[b"authorization"].removeprefix(AUTHORIZATION_PREFIX)


def build_requests(
    chunk: Chunk,
    bodies: Sequence[bytes],
    service: Service,
    authorize: Callable[[bytes], bytes],
    now_ms: int,
) -> RequestColumns:
    """Return the requests of a chunk's rows, in their order.

    ``bodies`` are the rows' encrypted ones. ``authorize`` returns the value of ``authorization`` to the lane's origin
    for a public key, the same object until the token was renewed.
    """
    numbers: dict[HeaderFields, int] = {}
    sets = [numbers.setdefault(_complete(variant, service, authorize), len(numbers)) for variant in chunk.variants]
    ttls: list[bytes | None] = [b"%d" % choose_ttl(variant, service, now_ms) for variant in chunk.variants]
    topics = [dict(variant.headers).get(b"topic") for variant in chunk.variants]
    variant_of_row = spread(chunk.variant_of_row, len(chunk.variants), len(chunk))
    row_fields = [(b"ttl", [ttls[number] for number in variant_of_row])]
    if any(topics):
        row_fields.append((b"topic", [topics[number] for number in variant_of_row]))
    return RequestColumns(
        paths=[recipient.path for recipient in get_recipients(chunk)],
        bodies=list(bodies),
        body_of_row=None,
        header_sets=list(numbers),
        header_set_of_row=None if len(numbers) == 1 else [sets[number] for number in variant_of_row],
        uuid_header_name=None,
        uuid_numbers=None,
        row_fields=row_fields,
    )


def choose_ttl(variant: Variant, service: Service, now_ms: int) -> int:
    """Return ``TTL`` in seconds: what is left, rounded up; 0 for one try that the service doesn't store.

    Apple's TTL is a positive number (docs/web-push.md#services), so one try has a second there.
    """
    if variant.single_try:
        return 1 if service is Service.APPLE else 0
    return count_seconds_left(variant.expires_at_ms, now_ms)


def _complete(variant: Variant, service: Service, authorize: Callable[[bytes], bytes]) -> HeaderFields:
    """Return what a variant's requests have in common for as long as the token lasts.

    TTL and topic are the rows' own: they change too often for a header table, and for a set that is encoded once.
    """
    fields = [
        (name, authorize(value.removeprefix(AUTHORIZATION_PREFIX)) if name == b"authorization" else value, True)
        for name, value in variant.headers
        if name != b"topic"
    ]
    if service is Service.WNS:
        # Without it WNS refuses TTL 0: it "conflicts with X-WNS-Cache-Policy".
        fields.append((b"x-wns-cache-policy", b"no-cache" if variant.single_try else b"cache", True))
    return tuple(fields)
