"""Stored rows as FCM requests: the time that is left, and how rows pick their body and variant."""

import msgspec
import pytest

from protocol.chunks import Chunk, Variant, decode_chunk, encode_chunk
from protocol.providers.fcm import FcmFacts, build_requests

FACTS = FcmFacts(project_id="shop-1")
NOW_MS = 1_780_000_000_000
TAIL = b'"android":{"ttl":"s","priority":"HIGH"},"data":{"n":"%d"}}}'
DESTINATIONS = [b"token:a:b", b"fid:c", b"topic:news"]


def chunk(**columns) -> Chunk:
    shared = {
        "lane": "shop/fcm/shop-1",
        "queue": 1,
        "indexes": [4, 7],
        "destinations": DESTINATIONS,
        "bodies": [TAIL % 0],
        "variants": [Variant(expires_at_ms=NOW_MS + 60_000)],
    }
    return decode_chunk(encode_chunk(Chunk(**shared | columns)))


def messages(**columns) -> list[dict]:
    return [msgspec.json.decode(body)["message"] for body in build_requests(chunk(**columns), FACTS, NOW_MS).bodies]


def test_rows_become_requests_of_one_path_and_one_header_set():
    columns = build_requests(chunk(), FACTS, NOW_MS)
    assert columns.paths == [b"/v1/projects/shop-1/messages:send"] * 3
    assert columns.header_sets == [((b"content-type", b"application/json; charset=utf-8", True),)]
    assert (columns.body_of_row, columns.header_set_of_row, columns.uuid_header_name) == (None, None, None)
    assert columns.bodies == [
        b'{"message":{%b,"android":{"ttl":"60s","priority":"HIGH"},"data":{"n":"0"}}}' % target
        for target in (b'"token":"a:b"', b'"fid":"c"', b'"topic":"news"')
    ]


def test_bodies_and_variants_may_be_one_a_row_or_picked():
    bodies = [TAIL % number for number in range(3)]
    assert [message["data"]["n"] for message in messages(bodies=bodies)] == ["0", "1", "2"]
    picked = messages(bodies=bodies[:2], body_of_row=[1, 0, 1])
    assert [message["data"]["n"] for message in picked] == ["1", "0", "1"]
    variants = [Variant(expires_at_ms=NOW_MS + 5000), Variant(expires_at_ms=NOW_MS + 9000)]
    timed = messages(variants=variants, variant_of_row=[1, 0, 1])
    assert [message["android"]["ttl"] for message in timed] == ["9s", "5s", "9s"]


@pytest.mark.parametrize(
    ("left_ms", "ttl"),
    [(60_000, "60s"), (59_001, "60s"), (1, "1s"), (0, "1s"), (-5000, "1s"), (28 * 24 * 3600 * 1000 + 5, "2419200s")],
)
def test_the_time_left_is_rounded_up_and_stays_inside_what_fcm_takes(left_ms, ttl):
    variants = [Variant(expires_at_ms=NOW_MS + left_ms)]
    assert {message["android"]["ttl"] for message in messages(variants=variants)} == {ttl}


def test_one_try_now_is_stored_by_nobody():
    variants = [Variant(expires_at_ms=NOW_MS + 30_000, single_try=True)]
    assert {message["android"]["ttl"] for message in messages(variants=variants)} == {"0s"}


def test_a_body_that_speaks_of_a_ttl_itself_keeps_its_words():
    body = b'"android":{"ttl":"s"},"data":{"ttl":"s"}}}'
    assert messages(bodies=[body])[0]["data"] == {"ttl": "s"}
