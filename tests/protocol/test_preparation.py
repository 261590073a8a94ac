"""What is rejected alone, and what the rows that go on share."""

import pytest

from protocol.chunks import Variant
from protocol.preparation import ApnsFacts, AppFacts, Preparation, Rejection
from protocol.reasons import Reason
from protocol.send import decode_rows
from tests.support.sends import ACCEPTED_AT_MS, SHOP, TOKEN, PreparedRow, open_send, prepare, prepare_one, read_rows
from tests.support.webpush_sends import WEB_SHOP

CONTENT = {"title": "Sale"}
TARGET = {"apns": {"token": TOKEN}}
NO_DEFAULT = AppFacts(name="shop", apns=ApnsFacts(topic="com.example.shop", environment=None, token_auth=True))


def rejected(facts: AppFacts = SHOP, **notification) -> tuple[Reason, str | None]:
    rejection = prepare_one(facts, **{"content": CONTENT} | notification)
    assert isinstance(rejection, Rejection), rejection
    return rejection.reason, rejection.field


def test_a_row_carries_what_its_chunk_needs():
    row = prepare_one(content=CONTENT, id="n1", track=b"t", cancel_keys=["k"], ttl=60, queue="bulk")
    assert isinstance(row, PreparedRow)
    assert (row.index, row.lane, row.queue, row.destination) == (0, "shop/apns/production", 2, bytes.fromhex(TOKEN))
    assert (row.body, row.id, row.track, row.cancel_keys) == (b'{"aps":{"alert":{"title":"Sale"}}}', "n1", b"t", ["k"])
    assert row.variant == Variant(
        expires_at_ms=ACCEPTED_AT_MS + 60_000,
        headers=(
            (b"apns-topic", b"com.example.shop"),
            (b"apns-push-type", b"alert"),
            (b"apns-priority", b"10"),
            (b"apns-expiration", b"1780000060"),
        ),
        account="/com.example.shop",
    )


def test_rows_that_ask_for_the_same_share_the_very_same_objects_across_slices():
    envelope = open_send(content=CONTENT, targets=[TARGET] * 6)
    preparation = Preparation(envelope, SHOP, ACCEPTED_AT_MS)
    rows = [
        row
        for start in (0, 3)
        for row in read_rows(preparation.prepare_slice(decode_rows(envelope, start, start + 3), start)[0])
    ]
    assert [row.index for row in rows] == list(range(6))
    for name in ("lane", "body", "variant"):
        assert len({id(getattr(row, name)) for row in rows}) == 1


def test_rows_with_the_same_options_share_their_variant_though_their_bodies_differ():
    notifications = [{"to": TARGET, "content": {"body": text}, "ttl": 9} for text in ("one", "two")]
    (first, second), _ = prepare(notifications=notifications)
    assert first.variant is second.variant
    assert first.body != second.body


def test_more_distinct_options_than_are_remembered_are_prepared_all_the_same():
    notifications = [{"to": TARGET, "content": CONTENT, "collapse": f"c{number}"} for number in range(1001)]
    prepared, rejections = prepare(notifications=notifications)
    assert not rejections
    assert len({row.variant for row in prepared}) == 1001


def test_a_bad_row_is_rejected_alone_with_its_own_position_and_id():
    bad = {"apns": {"token": "xyz"}, "id": "n2"}
    prepared, rejections = prepare(content=CONTENT, targets=[TARGET, bad, TARGET])
    assert [row.index for row in prepared] == [0, 2]
    assert [(row.index, row.id, row.reason, row.field) for row in rejections] == [
        (1, "n2", Reason.INVALID_TOKEN, "to.apns.token")
    ]


@pytest.mark.parametrize("token", ["x", "abc", "zz", "ab cd", " abcd", "ab" * 201, "éé", "0x12"])
def test_a_token_that_is_no_hex_is_invalid_and_never_repeated(token):
    rejection = prepare_one(content=CONTENT, to={"apns": {"token": token}})
    assert isinstance(rejection, Rejection)
    assert (rejection.reason, rejection.field) == (Reason.INVALID_TOKEN, "to.apns.token")
    assert token not in rejection.detail or token == "x"


@pytest.mark.parametrize("token", ["ab", "AB" * 32, "0123456789abcdef" * 5, "ab" * 200])
def test_tokens_of_any_sane_length_and_case_are_taken(token):
    row = prepare_one(content=CONTENT, to={"apns": {"token": token}})
    assert isinstance(row, PreparedRow)
    assert row.destination.hex() == token.lower()


@pytest.mark.parametrize(
    ("to", "reason", "field"),
    [
        ({}, Reason.INVALID_TOKEN, "to"),
        ({"apns": {"token": TOKEN}, "fcm": {"token": "c"}}, Reason.INVALID_TOKEN, "to"),
        (
            {"fcm": {"token": "c"}, "webpush": {"endpoint": "https://x", "keys": {"p256dh": "B", "auth": "x"}}},
            Reason.INVALID_TOKEN,
            "to",
        ),
        ({"fcm": {"token": "c8"}}, Reason.NOT_SUPPORTED, "to.fcm"),
        (
            {"webpush": {"endpoint": "https://x", "keys": {"p256dh": "B", "auth": "x"}}},
            Reason.NOT_SUPPORTED,
            "to.webpush",
        ),
        ({"apns": {}}, Reason.INVALID_TOKEN, "to.apns"),
        ({"apns": {"token": TOKEN, "channel": "abc="}}, Reason.INVALID_TOKEN, "to.apns"),
        ({"apns": {"token": TOKEN, "environment": "sandbox"}}, None, None),
    ],
)
def test_an_address_is_exactly_one_of_what_there_is(to, reason, field):
    if reason is None:
        assert isinstance(prepare_one(content=CONTENT, to=to), PreparedRow)
    else:
        assert rejected(to=to) == (reason, field)


def test_the_environment_is_the_rows_own_or_the_apps_or_a_rejection():
    assert prepare_one(content=CONTENT).lane == "shop/apns/production"
    sandbox = {"apns": {"token": TOKEN, "environment": "sandbox"}}
    assert prepare_one(content=CONTENT, to=sandbox).lane == "shop/apns/sandbox"
    assert prepare_one(NO_DEFAULT, content=CONTENT, to=sandbox).lane == "shop/apns/sandbox"
    assert rejected(NO_DEFAULT) == (Reason.INVALID_OPTION, "to.apns.environment")


def test_an_app_without_apns_cannot_send_to_it():
    assert rejected(AppFacts(name="shop")) == (Reason.NOT_SUPPORTED, "to.apns")


def test_options_of_a_provider_that_a_row_does_not_go_to_change_nothing_whether_the_app_has_it_or_not():
    others = {"fcm": {}, "webpush": {"topic": "not a topic"}}
    for facts in (SHOP, WEB_SHOP):
        assert prepare_one(facts, content=CONTENT, **others) == prepare_one(facts, content=CONTENT)


def test_a_repeated_id_is_rejected_even_after_a_row_that_was_rejected_itself():
    bad = {"apns": {"token": "x"}, "id": "n1"}
    _, rejections = prepare(content=CONTENT, targets=[bad, TARGET | {"id": "n1"}, TARGET | {"id": "n2"}])
    assert [(row.index, row.reason) for row in rejections] == [(0, Reason.INVALID_TOKEN), (1, Reason.DUPLICATE_ID)]


def test_ids_repeat_across_slices_too():
    envelope = open_send(content=CONTENT, targets=[TARGET | {"id": "n1"}] * 2)
    preparation = Preparation(envelope, SHOP, ACCEPTED_AT_MS)
    assert preparation.prepare_slice(decode_rows(envelope, 0, 1), 0)[1] == []
    (rejection,) = preparation.prepare_slice(decode_rows(envelope, 1, 2), 1)[1]
    assert rejection.reason is Reason.DUPLICATE_ID


@pytest.mark.parametrize(
    ("notification", "reason", "field"),
    [
        ({"id": "é" * 33}, Reason.INVALID_OPTION, "id"),
        ({"cancel_keys": ["é" * 33]}, Reason.INVALID_OPTION, "cancel_keys"),
        ({"payload_json": b"{}"}, Reason.INVALID_PAYLOAD, "payload_json"),
        ({"content": None}, Reason.INVALID_PAYLOAD, "content"),
        ({"content": {}}, Reason.INVALID_PAYLOAD, "content"),
        ({"content": {"data": {"aps": "x"}}}, Reason.INVALID_PAYLOAD, "content.data"),
        ({"content": {"body": "x" * 5000}}, Reason.PAYLOAD_TOO_LARGE, "content"),
        ({"ttl": 5, "expires_at": ACCEPTED_AT_MS + 1}, Reason.INVALID_OPTION, "expires_at"),
        ({"expires_at": ACCEPTED_AT_MS}, Reason.EXPIRED, "expires_at"),
        ({"apns": {"priority": 10, "push_type": "background"}}, Reason.INVALID_OPTION, "apns.push_type"),
    ],
)
def test_what_is_right_by_the_schema_and_cannot_be_sent_is_rejected_alone(notification, reason, field):
    assert rejected(**notification) == (reason, field)


def test_a_problem_of_the_batch_rejects_each_row_that_has_it():
    prepared, rejections = prepare(targets=[TARGET, TARGET])
    assert not prepared
    assert [(row.reason, row.field) for row in rejections] == [(Reason.INVALID_PAYLOAD, "content")] * 2
    own = {"to": TARGET, "content": CONTENT}
    prepared, rejections = prepare(payload_json=b"[]", notifications=[{"to": TARGET}, own])
    assert ([row.index for row in prepared], [row.index for row in rejections]) == ([1], [0])


def test_own_options_go_before_the_defaults_and_each_fills_what_the_other_leaves_out():
    defaults = {
        "ttl": 60,
        "urgency": "low",
        "collapse": "all",
        "on_unknown": "report",
        "track": b"shared",
        "cancel_keys": ["shared"],
        "apns": {"push_type": "alert", "priority": 1},
    }
    rows, rejections = prepare(
        content=CONTENT,
        defaults=defaults,
        notifications=[
            {"to": TARGET},
            {
                "to": TARGET,
                "expires_at": ACCEPTED_AT_MS + 5000,
                "urgency": "high",
                "collapse": "own",
                "on_unknown": "retry",
                "track": b"own",
                "cancel_keys": [],
                "apns": {"priority": 5},
            },
        ],
    )
    assert not rejections
    shared, own = rows
    assert (shared.queue, shared.track, shared.cancel_keys) == (2, b"shared", ["shared"])
    assert (shared.variant.report_unknown, shared.variant.expires_at_ms) == (True, ACCEPTED_AT_MS + 60_000)
    assert {(b"apns-priority", b"1"), (b"apns-collapse-id", b"all")} <= set(shared.variant.headers)
    assert (own.queue, own.track, own.cancel_keys) == (0, b"own", None)
    assert (own.variant.report_unknown, own.variant.expires_at_ms) == (False, ACCEPTED_AT_MS + 5000)
    assert {(b"apns-priority", b"5"), (b"apns-collapse-id", b"own")} <= set(own.variant.headers)


def test_targets_take_the_defaults_of_the_batch():
    (row,), _ = prepare(content=CONTENT, defaults={"ttl": 0, "track": b"t"}, targets=[TARGET])
    assert (row.variant.single_try, row.track) == (True, b"t")
    assert (b"apns-expiration", b"0") in row.variant.headers


@pytest.mark.parametrize(
    ("options", "queue"),
    [
        ({}, 1),
        ({"urgency": "high"}, 0),
        ({"urgency": "normal"}, 1),
        ({"urgency": "low"}, 2),
        ({"urgency": "low", "queue": "urgent"}, 0),
    ],
)
def test_the_queue_follows_urgency_unless_it_is_named(options, queue):
    assert prepare_one(content=CONTENT, **options).queue == queue


def test_not_before_ahead_is_kept_and_in_the_past_is_now():
    ahead = prepare_one(content=CONTENT, not_before=ACCEPTED_AT_MS + 1000, ttl=60)
    assert (ahead.variant.not_before_ms, ahead.variant.expires_at_ms) == (
        ACCEPTED_AT_MS + 1000,
        ACCEPTED_AT_MS + 61_000,
    )
    assert prepare_one(content=CONTENT, not_before=ACCEPTED_AT_MS - 1000).variant.not_before_ms == 0


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
        {"apns": {"priority": 5}},
        {"payload_json": b'{"aps":{"content-available":1}}'},
        {"to": {"apns": {"channel": "abc="}}, "payload_json": b'{"aps":{"event":"end","timestamp":1}}'},
        {"payload_json": b'{"aps":{"event":"end","timestamp":1}}'},
    ],
)
def test_a_row_that_asks_for_something_else_never_gets_the_plan_of_its_neighbours(option):
    plain = {"to": TARGET, "payload_json": b'{"aps":{"alert":"hi"}}'}
    neighbours = [
        plain,
        {"to": TARGET, "payload_json": b'{"aps":{"event":"end","timestamp":1}}', "ttl": 7},
        plain | option,
        plain,
    ]
    prepared, rejections = prepare(notifications=neighbours)
    alone = prepare_one(**plain | option)
    together = next(row for row in [*prepared, *rejections] if row.index == 2)
    if isinstance(alone, PreparedRow):
        assert (together.variant, together.queue, together.lane) == (alone.variant, alone.queue, alone.lane)
        assert (together.variant, together.queue) != (prepared[0].variant, prepared[0].queue)
    else:
        assert (together.reason, together.field) == (alone.reason, alone.field)
    assert prepared[0].variant is prepared[-1].variant


def test_one_payload_to_a_device_and_to_a_channel_has_the_headers_of_each():
    payload = b'{"aps":{"event":"end","timestamp":1}}'
    channel = {"apns": {"channel": "abc="}}
    (device, broadcast), _ = prepare(payload_json=payload, targets=[TARGET, channel])
    assert device.variant == prepare_one(payload_json=payload).variant
    assert broadcast.variant == prepare_one(payload_json=payload, to=channel).variant
    assert device.variant != broadcast.variant
