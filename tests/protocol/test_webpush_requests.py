"""Stored Web Push rows as request columns: paths, TTL, tokens, and the habits of single services."""

import pytest

from protocol.chunks import Chunk, Variant, decode_chunk, encode_chunk
from protocol.providers.webpush import Recipient, Service, build_requests, choose_ttl, get_plaintexts, get_recipients

NOW_MS = 1_780_000_000_000
HEADERS = (
    (b"authorization", b"vapid k=BA1"),
    (b"content-encoding", b"aes128gcm"),
    (b"content-type", b"application/octet-stream"),
    (b"urgency", b"normal"),
)
MARKED = (
    (b"authorization", b"vapid t=token-of-BA1, k=BA1", True),
    (b"content-encoding", b"aes128gcm", True),
    (b"content-type", b"application/octet-stream", True),
    (b"urgency", b"normal", True),
)
RECIPIENTS = [
    Recipient(b"\4" + bytes([number]) * 64, bytes([number + 100]) * 16, b"/push/%d?x=%%2b" % number)
    for number in range(3)
]
BODIES = [b"encrypted 0", b"encrypted 1", b"encrypted 2"]


def authorize(public_key: bytes) -> bytes:
    return b"vapid t=token-of-%s, k=%s" % (public_key, public_key)


def variant(*more: tuple[bytes, bytes], lasts_ms: int = 60_000, single_try: bool = False) -> Variant:
    return Variant(expires_at_ms=NOW_MS + lasts_ms, headers=(*HEADERS, *more), single_try=single_try)


def chunk(**columns) -> Chunk:
    shared = {
        "lane": "shop/webpush/https://push.example",
        "queue": 1,
        "indexes": [0, 3],
        "destinations": [b"".join(recipient) for recipient in RECIPIENTS],
        "bodies": [b"{}"],
        "variants": [variant()],
    }
    return decode_chunk(encode_chunk(Chunk(**shared | columns)))


def build(service: Service = Service.OTHER, **columns):
    return build_requests(chunk(**columns), BODIES, service, authorize, NOW_MS)


def test_rows_that_share_everything_share_one_header_set_and_have_bodies_of_their_own():
    columns = build()
    assert columns.paths == [b"/push/0?x=%2b", b"/push/1?x=%2b", b"/push/2?x=%2b"]
    assert (columns.bodies, columns.body_of_row) == (BODIES, None)
    assert (columns.header_sets, columns.header_set_of_row) == ([MARKED], None)
    assert columns.row_fields == [(b"ttl", [b"60"] * 3)]
    assert (columns.uuid_header_name, columns.uuid_numbers) == (None, None)


def test_recipients_and_plaintexts_are_those_of_the_rows():
    assert get_recipients(chunk()) == RECIPIENTS
    assert get_plaintexts(chunk()) == [b"{}"] * 3
    assert get_plaintexts(chunk(bodies=[b"1", b"2", b"3"])) == [b"1", b"2", b"3"]
    assert get_plaintexts(chunk(bodies=[b"1", b"2"], body_of_row=[1, 0, 1])) == [b"2", b"1", b"2"]


def test_topics_and_ttls_are_the_rows_own_and_leave_the_header_set_shared():
    variants = [variant((b"topic", b"a")), variant((b"topic", b"b"), lasts_ms=1), variant()]
    columns = build(variants=variants, variant_of_row=[2, 1, 0])
    assert (columns.header_sets, columns.header_set_of_row) == ([MARKED], None)
    assert columns.row_fields == [(b"ttl", [b"60", b"1", b"60"]), (b"topic", [None, b"b", b"a"])]


def test_rows_of_another_key_have_its_token():
    older = Variant(expires_at_ms=NOW_MS + 1, headers=((b"authorization", b"vapid k=BP4"),))
    columns = build(variants=[variant(), older], variant_of_row=[0, 1, 0])
    assert columns.header_sets == [MARKED, ((b"authorization", b"vapid t=token-of-BP4, k=BP4", True),)]
    assert columns.header_set_of_row == [0, 1, 0]


@pytest.mark.parametrize(
    ("lasts_ms", "ttl"),
    [
        (60_000, 60),
        (59_001, 60),
        (1, 1),
        (0, 1),
        (-5000, 1),
        (28 * 86_400_000, 2_419_200),
        (40 * 86_400_000, 2_419_200),
    ],
)
@pytest.mark.parametrize("service", list(Service))
def test_ttl_is_what_is_left_rounded_up(service, lasts_ms, ttl):
    assert choose_ttl(variant(lasts_ms=lasts_ms), service, NOW_MS) == ttl


@pytest.mark.parametrize("service", list(Service))
def test_one_try_is_not_stored_and_apple_wants_a_second_for_it(service):
    ttl = choose_ttl(variant(single_try=True), service, NOW_MS)
    assert ttl == (1 if service is Service.APPLE else 0)


@pytest.mark.parametrize("service", list(Service))
@pytest.mark.parametrize(("single_try", "policy"), [(True, b"no-cache"), (False, b"cache")])
def test_wns_has_its_cache_policy_agree_with_ttl_and_nobody_else_sees_it(service, single_try, policy):
    (fields,) = build(service, variants=[variant(single_try=single_try)]).header_sets
    expected = policy if service is Service.WNS else None
    assert {name: value for name, value, _ in fields}.get(b"x-wns-cache-policy") == expected
