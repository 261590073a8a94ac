"""Push types, topics, priorities, sizes and the payloads they must agree with, by Apple's own tables."""

import msgspec
import pytest

from protocol.preparation import ApnsFacts, AppFacts, Rejection
from protocol.providers.apns.push_types import PUSH_TYPES
from protocol.reasons import Reason
from tests.support.sends import ACCEPTED_AT_MS, SHOP, TOKEN, PreparedRow, headers_of, prepare_one

CERTIFICATE = AppFacts(
    name="shop", apns=ApnsFacts(topic="com.example.shop", environment="production", token_auth=False)
)
ONE_TOPIC_CERTIFICATE = AppFacts(name="shop", apns=ApnsFacts(topic=None, environment="production", token_auth=False))
TOKEN_WITHOUT_TOPIC = AppFacts(name="shop", apns=ApnsFacts(topic=None, environment="production", token_auth=True))

ALERT = {"aps": {"alert": "hi"}}
SILENT = {"aps": {"content-available": 1}}
STATE = {"timestamp": 1_780_000_000, "content-state": {"score": 1}}
UPDATE = {"aps": {"event": "update", **STATE}}
END = {"aps": {"event": "end", "timestamp": 1_780_000_000}}
START = {
    "aps": {
        "event": "start",
        **STATE,
        "attributes-type": "Game",
        "attributes": {},
        "alert": {"title": "t", "body": "b"},
    }
}

# Push type, what follows the bundle id, priority without an urgency, payload limit: as the table of push types prints.
PAGE = [
    ("alert", "", 10, 4096, ALERT, SHOP),
    ("background", "", 5, 4096, SILENT, SHOP),
    ("voip", ".voip", 10, 5120, ALERT, SHOP),
    ("complication", ".complication", 10, 4096, ALERT, SHOP),
    ("fileprovider", ".pushkit.fileprovider", 10, 4096, ALERT, SHOP),
    ("mdm", "", 10, 4096, {"mdm": "magic"}, CERTIFICATE),
    ("liveactivity", ".push-type.liveactivity", 10, 4096, UPDATE, SHOP),
    ("location", ".location-query", 10, 4096, {"aps": {}}, SHOP),
    ("pushtotalk", ".voip-ptt", 10, 4096, {"aps": {}}, SHOP),
    ("controls", ".push-type.controls", 10, 4096, {"aps": {"content-changed": True}}, SHOP),
    ("widgets", ".push-type.widgets", 10, 4096, {"aps": {"content-changed": True}}, SHOP),
]


def send(payload, facts=SHOP, **notification) -> PreparedRow | Rejection:
    return prepare_one(facts, payload_json=msgspec.json.encode(payload), **notification)


def broadcast(payload, facts=SHOP, channel="dHN0LXNyY2gtY2hubA==", **notification) -> PreparedRow | Rejection:
    return send(payload, facts, to={"apns": {"channel": channel}}, **notification)


def rejected(row: PreparedRow | Rejection) -> tuple[Reason, str | None]:
    assert isinstance(row, Rejection), row
    return row.reason, row.field


def padded(payload, size: int) -> bytes:
    blank = msgspec.json.encode(payload | {"pad": ""})
    return msgspec.json.encode(payload | {"pad": "x" * (size - len(blank))})


def test_every_push_type_of_the_page_is_known_and_no_other():
    assert set(PUSH_TYPES) == {name for name, *_ in PAGE}


@pytest.mark.parametrize("page_row", PAGE, ids=lambda page_row: page_row[0])
def test_topic_priority_and_size_follow_the_push_type(page_row):
    name, suffix, priority, limit, payload, facts = page_row
    headers = headers_of(send(payload, facts, apns={"push_type": name}))
    assert headers["apns-push-type"] == name
    assert headers["apns-topic"] == "com.example.shop" + suffix
    assert headers["apns-priority"] == str(priority)
    at_limit = prepare_one(facts, payload_json=padded(payload, limit), apns={"push_type": name})
    assert isinstance(at_limit, PreparedRow)
    assert len(at_limit.body) == limit
    over = prepare_one(facts, payload_json=padded(payload, limit + 1), apns={"push_type": name})
    assert rejected(over) == (Reason.PAYLOAD_TOO_LARGE, "payload_json")


@pytest.mark.parametrize(
    ("payload", "push_type"),
    [
        (ALERT, "alert"),
        (SILENT, "background"),
        (UPDATE, "liveactivity"),
        ({"aps": {"alert": "x", "content-available": 1}}, "alert"),
        ({"aps": {}}, "alert"),
        ({"x": 1}, "alert"),
    ],
)
def test_without_a_push_type_the_payload_tells_it(payload, push_type):
    assert headers_of(send(payload))["apns-push-type"] == push_type


@pytest.mark.parametrize(
    ("push_type", "payload", "by_urgency"),
    [
        ("alert", ALERT, {"high": "10", "normal": "5", "low": "5"}),
        ("background", SILENT, {"high": "5", "normal": "5", "low": "5"}),
        ("voip", ALERT, {"high": "10", "normal": "10", "low": "10"}),
        ("liveactivity", UPDATE, {"high": "10", "normal": "5", "low": "5"}),
    ],
)
def test_urgency_becomes_the_nearest_priority_that_the_type_has(push_type, payload, by_urgency):
    for urgency, priority in by_urgency.items():
        row = send(payload, apns={"push_type": push_type}, urgency=urgency)
        assert headers_of(row)["apns-priority"] == priority


@pytest.mark.parametrize(
    ("push_type", "payload", "priority", "is_allowed"),
    [
        ("alert", ALERT, 1, True),
        ("alert", ALERT, 5, True),
        ("background", SILENT, 5, True),
        ("background", SILENT, 10, False),
        ("background", SILENT, 1, False),
        ("liveactivity", UPDATE, 5, True),
        ("liveactivity", UPDATE, 1, False),
        ("voip", ALERT, 5, True),
    ],
)
def test_a_priority_that_apple_refuses_is_rejected_here(push_type, payload, priority, is_allowed):
    row = send(payload, apns={"push_type": push_type, "priority": priority})
    if is_allowed:
        assert headers_of(row)["apns-priority"] == str(priority)
    else:
        assert rejected(row) == (Reason.INVALID_OPTION, "apns.priority")


@pytest.mark.parametrize(
    "payload",
    [
        ALERT,
        {"aps": {}},
        {"aps": {"content-available": 0}},
        {"aps": {"content-available": 1, "badge": 1}},
        {"aps": {"content-available": 1, "sound": "x"}},
    ],
)
def test_background_has_content_available_and_nothing_to_see_or_hear(payload):
    assert rejected(send(payload, apns={"push_type": "background"})) == (Reason.INVALID_OPTION, "apns.push_type")


def test_authentication_must_fit_the_push_type():
    location = {"apns": {"push_type": "location"}}
    assert rejected(send({"aps": {}}, CERTIFICATE, **location)) == (Reason.INVALID_OPTION, "apns.push_type")
    assert rejected(send({"mdm": "x"}, SHOP, apns={"push_type": "mdm"})) == (Reason.INVALID_OPTION, "apns.push_type")


def test_an_unknown_push_type_passes_with_its_own_topic_only():
    headers = headers_of(
        send({"aps": {}}, apns={"push_type": "hologram", "topic": "com.example.shop.holo", "priority": 1})
    )
    assert (headers["apns-push-type"], headers["apns-topic"]) == ("hologram", "com.example.shop.holo")
    assert rejected(send({"aps": {}}, apns={"push_type": "hologram"})) == (Reason.INVALID_OPTION, "apns.topic")


@pytest.mark.parametrize("push_type", ["LiveActivity", "Liveactivity"])
def test_a_push_type_is_known_however_apples_pages_write_it(push_type):
    headers = headers_of(send(UPDATE, apns={"push_type": push_type}))
    assert (headers["apns-push-type"], headers["apns-topic"][-12:]) == ("liveactivity", "liveactivity")
    assert headers_of(broadcast(UPDATE, apns={"push_type": push_type}))["apns-push-type"] == "liveactivity"


@pytest.mark.parametrize("push_type", ["holo gram", "hölo", "a\nb"])
def test_a_push_type_is_a_word(push_type):
    row = send({"aps": {}}, apns={"push_type": push_type, "topic": "com.example.shop"})
    assert rejected(row) == (Reason.INVALID_OPTION, "apns.push_type")


def test_an_own_topic_goes_as_it_is_when_its_suffix_fits():
    assert headers_of(send(ALERT, apns={"topic": "com.example.other"}))["apns-topic"] == "com.example.other"
    voip = headers_of(send(ALERT, apns={"push_type": "voip", "topic": "com.example.other.voip"}))
    assert voip["apns-topic"] == "com.example.other.voip"
    wrong = send(ALERT, apns={"push_type": "voip", "topic": "com.example.other"})
    assert rejected(wrong) == (Reason.INVALID_OPTION, "apns.topic")
    assert rejected(send(ALERT, apns={"topic": "com. example"})) == (Reason.INVALID_OPTION, "apns.topic")


def test_only_a_certificate_of_one_topic_may_go_without():
    assert "apns-topic" not in headers_of(send(ALERT, ONE_TOPIC_CERTIFICATE))
    voip = send(ALERT, ONE_TOPIC_CERTIFICATE, apns={"push_type": "voip"})
    assert rejected(voip) == (Reason.INVALID_OPTION, "apns.topic")
    assert rejected(send(ALERT, TOKEN_WITHOUT_TOPIC)) == (Reason.INVALID_OPTION, "apns.topic")


def certificate_for(*topics, topic=None):
    apns = ApnsFacts(topic=topic, environment="production", token_auth=False, certificate_topics=frozenset(topics))
    return AppFacts(name="shop", apns=apns)


VOIP_TOPIC = "com.example.shop.voip"
UNIVERSAL = certificate_for("com.example.shop", VOIP_TOPIC, "com.example.shop.complication")


@pytest.mark.parametrize(
    ("facts", "options", "topic", "push_type"),
    [
        (certificate_for(VOIP_TOPIC), {}, VOIP_TOPIC, "voip"),
        (certificate_for(VOIP_TOPIC), {"push_type": "voip"}, VOIP_TOPIC, "voip"),
        (certificate_for(VOIP_TOPIC, topic="com.example.shop"), {}, VOIP_TOPIC, "voip"),
        (certificate_for(VOIP_TOPIC, topic=VOIP_TOPIC), {}, VOIP_TOPIC, "voip"),
        (UNIVERSAL, {}, "com.example.shop", "alert"),
        (UNIVERSAL, {"push_type": "voip"}, VOIP_TOPIC, "voip"),
        (UNIVERSAL, {"push_type": "complication"}, "com.example.shop.complication", "complication"),
        (certificate_for("com.example.shop"), {}, "com.example.shop", "alert"),
    ],
)
def test_a_certificate_brings_its_topic(facts, options, topic, push_type):
    headers = headers_of(send(ALERT, facts, apns=options))
    assert (headers["apns-topic"], headers["apns-push-type"]) == (topic, push_type)


def test_a_payload_for_calls_has_the_room_of_a_call_with_the_certificate_of_a_voip_service():
    payload = {"aps": {"alert": "x" * 5000}}
    assert isinstance(send(payload, certificate_for(VOIP_TOPIC)), PreparedRow)


@pytest.mark.parametrize(
    ("facts", "options", "field"),
    [
        (certificate_for(VOIP_TOPIC), {"push_type": "alert"}, "apns.push_type"),
        (certificate_for("com.example.shop"), {"push_type": "voip"}, "apns.push_type"),
        (certificate_for("com.example.shop", topic="com.example.shop"), {"push_type": "voip"}, "apns.push_type"),
        (certificate_for("a.b", "c.d"), {"push_type": "voip"}, "apns.topic"),
    ],
)
def test_a_topic_that_the_certificate_does_not_cover_costs_no_request(facts, options, field):
    assert rejected(send(ALERT, facts, apns=options)) == (Reason.INVALID_OPTION, field)


def test_a_topic_that_is_configured_with_its_suffix_gets_no_second_one():
    facts = AppFacts(name="shop", apns=ApnsFacts(topic=VOIP_TOPIC, environment="production", token_auth=True))
    assert headers_of(send(ALERT, facts, apns={"push_type": "voip"}))["apns-topic"] == VOIP_TOPIC


@pytest.mark.parametrize(
    ("options", "expiration"),
    [
        ({"ttl": 60}, "1780000060"),
        ({"expires_at": ACCEPTED_AT_MS + 1}, "1780000001"),
        ({"expires_at": ACCEPTED_AT_MS + 1000}, "1780000001"),
        ({"ttl": 0}, "0"),
        ({}, "1780086400"),
        ({"apns": {"expiration": 0}}, "0"),
        ({"apns": {"expiration": 1_790_000_000}}, "1790000000"),
    ],
)
def test_expiration_is_in_seconds_rounded_up_and_0_is_one_attempt(options, expiration):
    assert headers_of(send(ALERT, **options))["apns-expiration"] == expiration


@pytest.mark.parametrize("text", ["sale", "x" * 64, "é" * 32, "with blank", "\U0001f468\u200d\U0001f469", "a\u00adb"])
def test_a_collapse_text_that_apns_can_carry_goes_unchanged(text):
    assert headers_of(send(ALERT, collapse=text))["apns-collapse-id"] == text
    assert headers_of(send(ALERT, apns={"collapse_id": text}))["apns-collapse-id"] == text


@pytest.mark.parametrize("text", ["x" * 65, "é" * 32 + "x", "a\r\nb", " led", "trailed ", "\x00", "\x7f", "\x85x"])
def test_another_collapse_text_is_hashed_and_another_collapse_id_is_rejected(text):
    hashed = headers_of(send(ALERT, collapse=text))["apns-collapse-id"]
    assert len(hashed) == 32
    assert int(hashed, 16)
    assert headers_of(send(ALERT, collapse=text))["apns-collapse-id"] == hashed
    assert rejected(send(ALERT, apns={"collapse_id": text})) == (Reason.INVALID_OPTION, "apns.collapse_id")


@pytest.mark.parametrize("payload", [START, UPDATE, END])
def test_a_live_activity_with_all_its_keys_is_sent(payload):
    headers = headers_of(send(payload))
    assert headers["apns-push-type"] == "liveactivity"
    assert headers["apns-topic"] == "com.example.shop.push-type.liveactivity"


@pytest.mark.parametrize(
    ("payload", "key"),
    [
        *((START, key) for key in ("timestamp", "content-state", "attributes-type", "attributes", "alert")),
        *((UPDATE, key) for key in ("timestamp", "content-state")),
        (END, "timestamp"),
    ],
)
def test_a_live_activity_without_a_required_key_is_rejected_by_its_name(payload, key):
    row = send({"aps": {name: value for name, value in payload["aps"].items() if name != key}})
    assert rejected(row) == (Reason.INVALID_PAYLOAD, "payload_json")
    assert isinstance(row, Rejection)
    assert f"aps.{key}" in row.detail


@pytest.mark.parametrize("payload", [{"aps": {}}, {"aps": {**STATE, "event": "pause"}}, ALERT])
def test_a_live_activity_has_one_of_three_events(payload):
    row = send(payload, apns={"push_type": "liveactivity"})
    assert rejected(row) == (Reason.INVALID_PAYLOAD, "payload_json")


def test_a_broadcast_has_its_own_lane_headers_and_size():
    row = broadcast(UPDATE, ttl=60)
    assert isinstance(row, PreparedRow)
    assert (row.lane, row.destination) == ("shop/apns/production/broadcast", b"dHN0LXNyY2gtY2hubA==")
    assert headers_of(row) == {"apns-push-type": "liveactivity", "apns-priority": "10", "apns-expiration": "1780000060"}
    to = {"apns": {"channel": "abc="}}
    assert isinstance(prepare_one(payload_json=padded(END, 5120), to=to), PreparedRow)
    assert rejected(prepare_one(payload_json=padded(END, 5121), to=to)) == (Reason.PAYLOAD_TOO_LARGE, "payload_json")


def test_a_broadcast_takes_urgency_priority_and_no_collapse():
    assert headers_of(broadcast(UPDATE, urgency="low", collapse="x")) == {
        "apns-push-type": "liveactivity",
        "apns-priority": "5",
        "apns-expiration": "1780086400",
    }
    assert headers_of(broadcast(END, apns={"priority": 1, "topic": "com.example.shop"}))["apns-priority"] == "1"


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"topic": "com.example.shop.push-type.liveactivity"}, "apns.topic"),
        ({"push_type": "alert"}, "apns.push_type"),
        ({"collapse_id": "x"}, "apns.collapse_id"),
    ],
)
def test_options_that_a_broadcast_does_not_have_are_rejected(options, field):
    assert rejected(broadcast(UPDATE, apns=options)) == (Reason.INVALID_OPTION, field)


def test_a_broadcast_cannot_start_an_activity_and_needs_the_apps_topic():
    assert rejected(broadcast(START)) == (Reason.INVALID_PAYLOAD, "payload_json")
    assert rejected(broadcast(ALERT)) == (Reason.INVALID_PAYLOAD, "payload_json")
    assert rejected(broadcast(UPDATE, TOKEN_WITHOUT_TOPIC)) == (Reason.INVALID_OPTION, "to.apns.channel")


@pytest.mark.parametrize("channel", ["a b", "é", "x" * 257, "a\n"])
def test_a_channel_id_is_base64_as_apns_gave_it(channel):
    assert rejected(broadcast(UPDATE, channel=channel)) == (Reason.INVALID_TOKEN, "to.apns.channel")


def test_tokens_of_live_activities_may_be_longer():
    assert isinstance(send(UPDATE, to={"apns": {"token": TOKEN * 5}}), PreparedRow)
