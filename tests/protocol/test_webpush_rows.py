"""Web Push rows: lanes, stored headers, VAPID keys, what rows share, and mixed batches."""

from pathlib import Path

import msgspec
import pytest

from protocol.chunks import Variant
from protocol.preparation import AppFacts, Preparation, Rejection
from protocol.providers.webpush import EndpointPolicy, Service, WebPushFacts
from protocol.reasons import Reason
from protocol.refusals import RequestError
from protocol.send import Fingerprint, decode_rows
from tests.support.sends import ACCEPTED_AT_MS, TOKEN, PreparedRow, headers_of, open_send, prepare, read_rows
from tests.support.webpush_sends import (
    OLDER_VAPID_KEY,
    VAPID_KEY,
    WEB_SHOP,
    WEBPUSH,
    prepare_webpush,
    subscription,
)

CONTENT = {"title": "Sale"}
DEVICE = {"apns": {"token": TOKEN}}


def rejected(facts: AppFacts = WEB_SHOP, **notification) -> tuple[Reason, str | None]:
    rejection = prepare_webpush(facts, **{"content": CONTENT} | notification)
    assert isinstance(rejection, Rejection), rejection
    return rejection.reason, rejection.field


def web_shop(**facts) -> AppFacts:
    return AppFacts(name="shop", webpush=msgspec.structs.replace(WEBPUSH, **facts))


def test_a_row_carries_what_its_chunk_needs():
    row = prepare_webpush(content=CONTENT, id="n1", track=b"t", cancel_keys=["k"], ttl=60, queue="bulk", collapse="c")
    assert isinstance(row, PreparedRow)
    assert (row.index, row.queue, row.id, row.track, row.cancel_keys) == (0, 2, "n1", b"t", ["k"])
    assert row.lane == "shop/webpush/https://updates.push.services.mozilla.com"
    assert row.variant == Variant(
        expires_at_ms=ACCEPTED_AT_MS + 60_000,
        headers=(
            (b"authorization", b"vapid k=" + VAPID_KEY.encode()),
            (b"content-encoding", b"aes128gcm"),
            (b"content-type", b"application/octet-stream"),
            (b"urgency", b"normal"),
            (b"topic", b"c"),
        ),
        account=VAPID_KEY,
    )


def test_each_origin_is_a_lane_of_its_own():
    policy = EndpointPolicy({"push.example.org:8443": Service.OTHER})
    urls = ["https://FCM.googleapis.com:443/x", "https://fcm.googleapis.com/y", "https://push.example.org:8443/z"]
    rows, rejections = prepare(web_shop(endpoints=policy), content=CONTENT, targets=[subscription(url) for url in urls])
    assert not rejections
    assert [row.lane for row in rows] == [
        "shop/webpush/https://fcm.googleapis.com",
        "shop/webpush/https://fcm.googleapis.com",
        "shop/webpush/https://push.example.org:8443",
    ]
    assert rows[0].lane is rows[1].lane


def test_rows_that_ask_for_the_same_share_the_very_same_objects_across_slices():
    envelope = open_send(content=CONTENT, targets=[subscription()] * 4)
    preparation = Preparation(envelope, WEB_SHOP, ACCEPTED_AT_MS)
    rows = [
        row
        for start in (0, 2)
        for row in read_rows(preparation.prepare_slice(decode_rows(envelope, start, start + 2), start)[0])
    ]
    assert [row.index for row in rows] == list(range(4))
    for name in ("lane", "body", "variant"):
        assert len({id(getattr(row, name)) for row in rows}) == 1


def test_more_distinct_options_than_are_remembered_are_prepared_all_the_same():
    notifications = [{"to": subscription(), "content": CONTENT, "collapse": f"c{number}"} for number in range(1001)]
    rows, rejections = prepare(WEB_SHOP, notifications=notifications)
    assert not rejections
    assert len({row.variant for row in rows}) == 1001


@pytest.mark.parametrize(
    ("named", "key"),
    [
        (None, VAPID_KEY),
        ("now", VAPID_KEY),
        ("older", OLDER_VAPID_KEY),
        (OLDER_VAPID_KEY, OLDER_VAPID_KEY),
        (OLDER_VAPID_KEY.replace("-", "+").replace("_", "/") + "=", OLDER_VAPID_KEY),
    ],
)
def test_a_subscription_names_its_key_by_id_or_by_itself(named, key):
    row = prepare_webpush(content=CONTENT, to=subscription(vapid_key=named))
    assert headers_of(row)["authorization"] == f"vapid k={key}"


def test_a_key_that_is_none_of_the_apps_is_rejected():
    for named in ("other", "QQ", "é"):
        assert rejected(to=subscription(vapid_key=named)) == (Reason.INVALID_OPTION, "to.webpush.vapid_key")
    without_default = web_shop(default_vapid_key=None)
    assert rejected(without_default) == (Reason.INVALID_OPTION, "to.webpush.vapid_key")
    assert isinstance(prepare_webpush(without_default, content=CONTENT, to=subscription(vapid_key="now")), PreparedRow)


@pytest.mark.parametrize(
    ("wishes", "urgency"),
    [
        ({}, "normal"),
        ({"urgency": "high"}, "high"),
        ({"urgency": "low"}, "low"),
        ({"urgency": "high", "webpush": {"urgency": "very-low"}}, "very-low"),
    ],
)
def test_urgency_is_the_portable_one_unless_web_push_has_its_own(wishes, urgency):
    assert headers_of(prepare_webpush(content=CONTENT, **wishes))["urgency"] == urgency


@pytest.mark.parametrize(
    ("wishes", "topic"),
    [
        ({}, None),
        ({"collapse": "A-z_09"}, "A-z_09"),
        ({"collapse": "x" * 32}, "x" * 32),
        ({"collapse": "x" * 33}, "4rMneo0bAN3GOTyWDdD45w"),
        ({"collapse": "order 7"}, "dIEtQShfyRCT_A41aN4Vgg"),
        ({"collapse": "ä"}, "y004ktLLXmsb1j9-QkegLg"),
        ({"collapse": "c", "webpush": {"topic": "own"}}, "own"),
    ],
)
def test_the_topic_is_the_collapse_text_or_its_hash(wishes, topic):
    assert headers_of(prepare_webpush(content=CONTENT, **wishes)).get("topic") == topic


@pytest.mark.parametrize("topic", ["x" * 33, "a b", "ä", "a\n", "a="])
def test_an_own_topic_that_services_refuse_is_rejected(topic):
    assert rejected(webpush={"topic": topic}) == (Reason.INVALID_OPTION, "webpush.topic")


def test_own_options_go_before_the_defaults_and_each_fills_what_the_other_leaves_out():
    defaults = {"ttl": 60, "track": b"t", "webpush": {"urgency": "low", "topic": "all", "declarative": False}}
    content = {"title": "t", "link": "https://shop.example/"}
    (shared, own), rejections = prepare(
        WEB_SHOP,
        content=content,
        defaults=defaults,
        notifications=[
            {"to": subscription()},
            {"to": subscription(), "webpush": {"topic": "own", "declarative": True}},
        ],
    )
    assert not rejections
    assert (headers_of(shared)["urgency"], headers_of(shared)["topic"], shared.track) == ("low", "all", b"t")
    assert (headers_of(own)["urgency"], headers_of(own)["topic"]) == ("low", "own")
    assert headers_of(shared)["content-type"] == "application/octet-stream"
    assert headers_of(own)["content-type"] == "application/notification+json"


@pytest.mark.parametrize(
    "option",
    [
        {"ttl": 60},
        {"expires_at": ACCEPTED_AT_MS + 1000},
        {"not_before": ACCEPTED_AT_MS + 1000},
        {"urgency": "high"},
        {"queue": "bulk"},
        {"collapse": "c"},
        {"on_unknown": "report"},
        {"webpush": {"topic": "x"}},
        {"webpush": {"topic": "not a topic"}},
        {"to": subscription(vapid_key="older")},
        {"payload_json": b'{"web_push":8030,"notification":{"title":"","navigate":""}}'},
        {"ttl": 1, "expires_at": 1},
    ],
)
def test_a_row_that_asks_for_something_else_never_gets_the_plan_of_its_neighbours(option):
    plain = {"to": subscription(), "payload_json": b"{}"}
    prepared, rejections = prepare(WEB_SHOP, notifications=[plain, plain | option, plain, plain | option])
    alone = prepare_webpush(**plain | option)
    second, fourth = (row for row in [*prepared, *rejections] if row.index in {1, 3})
    if isinstance(alone, PreparedRow):
        assert (second.variant, second.queue) == (alone.variant, alone.queue)
        assert second.variant is fourth.variant
        assert (second.variant, second.queue) != (prepared[0].variant, prepared[0].queue)
    else:
        assert (second.reason, second.field) == (fourth.reason, fourth.field) == (alone.reason, alone.field)
    assert next(row for row in prepared if row.index == 2).variant is prepared[0].variant


def test_a_problem_of_the_batch_rejects_each_row_that_has_it():
    _, rejections = prepare(WEB_SHOP, targets=[subscription(), subscription()])
    assert [(row.reason, row.field) for row in rejections] == [(Reason.INVALID_PAYLOAD, "content")] * 2
    _, rejections = prepare(WEB_SHOP, payload_json=b"{", targets=[subscription(), subscription()])
    assert [(row.reason, row.field) for row in rejections] == [(Reason.INVALID_PAYLOAD, "payload_json")] * 2


def test_one_batch_mixes_providers_and_each_takes_its_own_options():
    defaults = {"apns": {"priority": 5}, "webpush": {"topic": "t"}}
    rows, rejections = prepare(
        WEB_SHOP, content=CONTENT, defaults=defaults, targets=[DEVICE, subscription(), DEVICE | {"id": "d"}]
    )
    assert not rejections
    assert [row.lane for row in rows] == [
        "shop/apns/production",
        "shop/webpush/https://updates.push.services.mozilla.com",
        "shop/apns/production",
    ]
    assert headers_of(rows[0])["apns-priority"] == "5"
    assert headers_of(rows[1])["topic"] == "t"


def test_two_addresses_are_none():
    assert rejected(to=subscription() | DEVICE) == (Reason.INVALID_TOKEN, "to")


def test_an_app_without_web_push_cannot_send_to_it():
    without = msgspec.structs.replace(WEB_SHOP, webpush=None)
    assert rejected(without) == (Reason.NOT_SUPPORTED, "to.webpush")
    assert rejected(web_shop(), to=DEVICE) == (Reason.NOT_SUPPORTED, "to.apns")


def test_a_row_keeps_the_rules_that_hold_for_all_providers():
    rows, rejections = prepare(WEB_SHOP, content=CONTENT, targets=[subscription() | {"id": "n"}] * 2)
    assert (len(rows), rejections[0].reason) == (1, Reason.DUPLICATE_ID)
    assert rejected(cancel_keys=["é" * 33]) == (Reason.INVALID_OPTION, "cancel_keys")


def test_bytes_are_a_payload_of_the_batch_too_and_part_of_what_it_is():
    for other in ({"content": CONTENT}, {"payload_json": b"{}"}):
        with pytest.raises(RequestError) as refusal:
            open_send(payload_bytes=b"x", targets=[DEVICE], **other)
        assert (refusal.value.reason, refusal.value.field) == (Reason.MALFORMED, "payload_bytes")
    prints = {Fingerprint(open_send(payload_bytes=data, targets=[DEVICE])).digest() for data in (b"x", b"y")}
    assert len(prints) == 2


def test_facts_name_keys_by_any_spelling():
    facts = WebPushFacts(vapid_keys={"a": VAPID_KEY}, default_vapid_key=None, endpoints=EndpointPolicy())
    assert facts.get_vapid_key(VAPID_KEY + "=") == VAPID_KEY


COLLAPSE_CASES = [
    msgspec.json.decode(line)
    for line in (Path(__file__).parent / "data" / "webpush_collapse.ndjson").read_bytes().splitlines()
]
APPLE, MOZILLA = "https://web.push.apple.com/x", "https://updates.push.services.mozilla.com/wpush/v2/x"


def topic_of(url: str, **notification) -> str:
    return headers_of(prepare_webpush(content=CONTENT, to=subscription(url), **notification))["topic"]


@pytest.mark.parametrize("case", COLLAPSE_CASES, ids=lambda case: case["collapse"])
def test_a_collapse_that_apple_cannot_decode_is_hashed_for_apple_alone(case):
    collapse = case["collapse"]
    sent = topic_of(APPLE, collapse=collapse)
    assert (sent == collapse) is case["expect"].startswith("sent as it is")
    assert len(sent) % 4 != 1
    assert topic_of(APPLE, collapse=collapse) == sent, "the same one each time, or it would replace nothing"
    assert topic_of(MOZILLA, collapse=collapse) == collapse


@pytest.mark.parametrize("length", range(1, 33))
def test_an_own_topic_that_apple_cannot_decode_is_rejected_for_apple_alone(length):
    own = {"content": CONTENT, "webpush": {"topic": "t" * length}}
    row = prepare_webpush(to=subscription(APPLE), **own)
    if length % 4 == 1:
        assert isinstance(row, Rejection)
        assert (row.reason, row.field) == (Reason.INVALID_OPTION, "webpush.topic")
    else:
        assert headers_of(row)["topic"] == "t" * length
    assert headers_of(prepare_webpush(to=subscription(MOZILLA), **own))["topic"] == "t" * length


def test_one_batch_may_go_to_apple_and_to_others_with_one_collapse():
    rows, rejections = prepare(
        WEB_SHOP,
        content=CONTENT,
        defaults={"collapse": "order"},
        targets=[subscription(url) for url in (APPLE, MOZILLA)],
    )
    assert not rejections
    hashed, plain = (headers_of(row)["topic"] for row in rows)
    assert (len(hashed), plain) == (22, "order")
