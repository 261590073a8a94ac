"""Stored rows as request columns: paths, which headers are shared, which never enter the header table."""

import uuid

import msgspec
import pytest

from protocol.chunks import Chunk, Variant, decode_chunk, encode_chunk
from protocol.providers.apns import ApnsFacts, build_requests, provider_id

FACTS = ApnsFacts(topic="com.example.shop", environment="production", token_auth=True)
HEADERS = (
    (b"apns-topic", b"com.example.shop"),
    (b"apns-push-type", b"alert"),
    (b"apns-priority", b"10"),
    (b"apns-expiration", b"1780000060"),
)
INDEXED = (
    (b"apns-topic", b"com.example.shop", True),
    (b"apns-push-type", b"alert", True),
    (b"apns-priority", b"10", True),
    (b"apns-expiration", b"1780000060", False),
)
TOKENS = [bytes([number]) * 32 for number in range(3)]


def variant(*more: tuple[bytes, bytes]) -> Variant:
    return Variant(expires_at_ms=1, headers=(*HEADERS, *more))


def chunk(**columns) -> Chunk:
    shared = {
        "lane": "shop/apns/production",
        "queue": 1,
        "indexes": [4, 6, 9, 10],
        "destinations": TOKENS,
        "bodies": [b"{}"],
        "variants": [variant()],
    }
    return decode_chunk(encode_chunk(Chunk(**shared | columns)))


def test_rows_that_share_everything_share_one_body_and_one_header_set():
    columns = build_requests(chunk(), FACTS)
    assert columns.paths == [b"/3/device/" + token.hex().encode() for token in TOKENS]
    assert (columns.bodies, columns.body_of_row) == ([b"{}"], [0, 0, 0])
    assert (columns.header_sets, columns.header_set_of_row) == ([INDEXED], None)
    assert (columns.uuid_header_name, columns.uuid_numbers) == (b"apns-id", [4, 5, 9])
    assert columns.row_fields == []


def test_header_sets_can_be_remembered_by_their_value():
    first, second = build_requests(chunk(), FACTS), build_requests(chunk(), FACTS)
    assert hash(first.header_sets[0]) == hash(second.header_sets[0])


def test_bodies_may_be_one_a_row_or_picked():
    own = build_requests(chunk(bodies=[b"1", b"2", b"3"]), FACTS)
    assert (own.bodies, own.body_of_row) == ([b"1", b"2", b"3"], None)
    picked = build_requests(chunk(bodies=[b"1", b"2"], body_of_row=[1, 0, 1]), FACTS)
    assert (picked.bodies, picked.body_of_row) == ([b"1", b"2"], [1, 0, 1])


def test_a_shared_collapse_id_is_in_the_header_set_and_never_indexed():
    columns = build_requests(chunk(variants=[variant((b"apns-collapse-id", b"sale"))]), FACTS)
    assert columns.header_sets == [(*INDEXED, (b"apns-collapse-id", b"sale", False))]
    assert columns.row_fields == []


def test_collapse_ids_that_differ_by_row_leave_the_header_set_shared():
    variants = [variant((b"apns-collapse-id", b"a")), variant((b"apns-collapse-id", b"b")), variant()]
    columns = build_requests(chunk(variants=variants, variant_of_row=[0, 1, 2]), FACTS)
    assert (columns.header_sets, columns.header_set_of_row) == ([INDEXED], [0, 0, 0])
    assert columns.row_fields == [(b"apns-collapse-id", [b"a", b"b", None])]


def test_rows_with_other_headers_name_their_own_set():
    urgent = Variant(expires_at_ms=1, headers=((b"apns-priority", b"5"),))
    columns = build_requests(chunk(variants=[variant(), urgent], variant_of_row=[1, 0, 1]), FACTS)
    assert columns.header_sets == [INDEXED, ((b"apns-priority", b"5", True),)]
    assert columns.header_set_of_row == [1, 0, 1]
    assert columns.row_fields == []


def test_a_broadcast_has_one_path_and_the_channel_in_a_header():
    columns = build_requests(
        chunk(lane="shop/apns/production/broadcast", destinations=[b"a=", b"b="], indexes=[0, 2]), FACTS
    )
    assert columns.paths == [b"/4/broadcasts/apps/com.example.shop"] * 2
    assert columns.row_fields == [(b"apns-channel-id", [b"a=", b"b="])]
    assert columns.uuid_header_name == b"apns-request-id"


def test_a_broadcast_of_an_app_that_lost_its_topic_says_so():
    broadcast = chunk(lane="shop/apns/sandbox/broadcast", destinations=[b"a="], indexes=[0, 1])
    with pytest.raises(ValueError, match="topic"):
        build_requests(broadcast, msgspec.structs.replace(FACTS, topic=None))


def test_provider_ids_are_lower_case_uuids_that_differ_by_row():
    prefix = bytes.fromhex("EC1BF194AAAA8BBB8CCC0102")
    assert provider_id(prefix, 0) == "ec1bf194-aaaa-8bbb-8ccc-010200000000"
    assert provider_id(prefix, 2**32 - 1) == "ec1bf194-aaaa-8bbb-8ccc-0102ffffffff"
    assert uuid.UUID(provider_id(prefix, 7)).version == 8
