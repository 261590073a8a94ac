"""Every rule that the simulator holds a request to, over real TLS; reasons as in docs/apns.md#answers."""

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtensionOID

from bench.simulators.apns import ApnsSimulatorOptions, ChannelOptions, open_apns_simulator
from bench.simulators.apns.answers import STATUS_BY_REASON
from tests.support.apns_client import DEVICE, client_tls, open_apns_client

CHANNEL = "dHN0LXNyY2gtY2hubA=="
QUIET_CHANNEL = "c3RvcmVzLW5vdGhpbmc="
BROADCAST = {
    "path": "/4/broadcasts/apps/com.example.shop",
    "body": b'{"aps":{"event":"update","timestamp":1,"content-state":{}}}',
    "apns_topic": None,
    "apns_push_type": "liveactivity",
    "apns_channel_id": CHANNEL,
    "apns_expiration": "0",
    "apns_priority": "5",
}


def payload_of(size: int) -> bytes:
    """Return a JSON body of exactly so many bytes."""
    frame = b'{"aps":{"alert":""}}'
    return frame[:-3] + b"x" * (size - len(frame)) + frame[-3:]


REFUSED = [
    ("GET", {"method": "GET", "body": b""}, 405, "MethodNotAllowed"),
    ("unknown path", {"path": "/3/devices/00"}, 404, "BadPath"),
    ("further segment", {"path": f"/3/device/{DEVICE}/x"}, 404, "BadPath"),
    ("query", {"path": f"/3/device/{DEVICE}?x=1"}, 404, "BadPath"),
    ("no device token", {"path": "/3/device/"}, 400, "MissingDeviceToken"),
    ("token of odd length", {"path": "/3/device/abc"}, 400, "BadDeviceToken"),
    ("token not hex", {"path": "/3/device/zz"}, 400, "BadDeviceToken"),
    ("token too long", {"path": "/3/device/" + "a" * 402}, 400, "BadDeviceToken"),
    ("upper-case id", {"apns_id": "123E4567-E89B-42D3-A456-426614174000"}, 400, "BadMessageId"),
    ("id without dashes", {"apns_id": "123e4567e89b42d3a456426614174000"}, 400, "BadMessageId"),
    ("no credential", {"authorization": None}, 403, "MissingProviderToken"),
    ("not a bearer token", {"authorization": "basic abc"}, 403, "InvalidProviderToken"),
    ("not a JWT", {"authorization": "bearer abc"}, 403, "InvalidProviderToken"),
    ("no push type, foreign topic", {"apns_push_type": None, "apns_topic": "com.example.bank"}, 400, "TopicDisallowed"),
    ("no push type, 4097 bytes", {"apns_push_type": None, "body": payload_of(4097)}, 413, "PayloadTooLarge"),
    ("unknown push type", {"apns_push_type": "shout"}, 400, "InvalidPushType"),
    ("push type in capitals", {"apns_push_type": "Alert"}, 400, "InvalidPushType"),
    ("MDM by token", {"apns_push_type": "mdm"}, 403, "Forbidden"),
    ("no topic", {"apns_topic": None}, 400, "MissingTopic"),
    ("suffix missing", {"apns_push_type": "voip"}, 400, "BadTopic"),
    ("suffix of another type", {"apns_topic": "com.example.shop.voip"}, 400, "BadTopic"),
    ("foreign topic", {"apns_topic": "com.example.bank"}, 400, "TopicDisallowed"),
    ("expiration with sign", {"apns_expiration": "-1"}, 400, "BadExpirationDate"),
    ("expiration as text", {"apns_expiration": "tomorrow"}, 400, "BadExpirationDate"),
    ("expiration in ms", {"apns_expiration": "1780000000000"}, 400, "BadExpirationDate"),
    ("unknown priority", {"apns_priority": "7"}, 400, "BadPriority"),
    ("background at 10", {"apns_push_type": "background", "apns_priority": "10"}, 400, "BadPriority"),
    ("background at the default", {"apns_push_type": "background"}, 400, "BadPriority"),
    ("collapse id of 65 bytes", {"apns_collapse_id": "x" * 65}, 400, "BadCollapseId"),
    ("collapse id of 33 characters", {"apns_collapse_id": "ü" * 33}, 400, "BadCollapseId"),
    ("no body", {"body": b""}, 400, "PayloadEmpty"),
    ("body not JSON", {"body": b"{"}, 400, "PayloadEmpty"),
    ("body not an object", {"body": b"[]"}, 400, "PayloadEmpty"),
    ("4097 bytes", {"body": payload_of(4097)}, 413, "PayloadTooLarge"),
    ("60000 bytes", {"body": payload_of(60_000)}, 413, "PayloadTooLarge"),
    (
        "voip of 5121 bytes",
        {"body": payload_of(5121), "apns_push_type": "voip", "apns_topic": "com.example.shop.voip"},
        413,
        "PayloadTooLarge",
    ),
    ("broadcast: suffix", BROADCAST | {"path": BROADCAST["path"] + ".push-type.liveactivity"}, 400, "TopicDisallowed"),
    ("broadcast: foreign app", BROADCAST | {"path": "/4/broadcasts/apps/com.example.bank"}, 403, "TopicMismatch"),
    ("broadcast: no app", BROADCAST | {"path": "/4/broadcasts/apps/"}, 404, "BadPath"),
    ("broadcast: no push type", BROADCAST | {"apns_push_type": None}, 400, "MissingPushType"),
    ("broadcast: push type", BROADCAST | {"apns_push_type": "alert"}, 400, "InvalidPushType"),
    ("broadcast: no channel", BROADCAST | {"apns_channel_id": None}, 400, "MissingChannelId"),
    ("broadcast: channel not base64", BROADCAST | {"apns_channel_id": "a b"}, 400, "BadChannelId"),
    ("broadcast: unknown channel", BROADCAST | {"apns_channel_id": "AAAA"}, 400, "ChannelNotRegistered"),
    ("broadcast: no expiration", BROADCAST | {"apns_expiration": None}, 400, "BadRequestParams"),
    ("broadcast: no priority", BROADCAST | {"apns_priority": None}, 400, "BadRequestParams"),
    ("broadcast: priority", BROADCAST | {"apns_priority": "3"}, 400, "BadPriority"),
    ("broadcast: request id", BROADCAST | {"apns_request_id": "1"}, 400, "BadRequestParams"),
    (
        "broadcast: stored by a channel that stores nothing",
        BROADCAST | {"apns_channel_id": QUIET_CHANNEL, "apns_expiration": "1780000000"},
        400,
        "BadExpirationDate",
    ),
    ("broadcast: start", BROADCAST | {"body": b'{"aps":{"event":"start"}}'}, 400, "BadRequestPayload"),
    ("broadcast: no body", BROADCAST | {"body": b""}, 400, "PayloadEmpty"),
    ("broadcast: 5121 bytes", BROADCAST | {"body": payload_of(5121)}, 413, "PayloadTooLarge"),
    ("broadcast: no credential", BROADCAST | {"authorization": None}, 403, "MissingProviderToken"),
]

ACCEPTED = [
    ("alert", {}),
    ("no push type", {"apns_push_type": None}),
    ("no push type, suffix", {"apns_push_type": None, "apns_topic": "com.example.shop.voip", "body": payload_of(5120)}),
    ("percent-encoded path", {"path": f"/3/%64evice/%30{DEVICE[1:]}"}),
    ("upper-case token", {"path": f"/3/device/{DEVICE.upper()}"}),
    ("token of 200 bytes", {"path": "/3/device/" + "a" * 400}),
    ("all headers", {"apns_id": "123e4567-e89b-42d3-a456-426614174000", "apns_expiration": "0", "apns_priority": "1"}),
    ("background", {"apns_push_type": "background", "apns_priority": "5"}),
    ("collapse id of 64 bytes", {"apns_collapse_id": "ü" * 32}),
    ("4096 bytes", {"body": payload_of(4096)}),
    (
        "voip of 5120 bytes",
        {"body": payload_of(5120), "apns_push_type": "voip", "apns_topic": "com.example.shop.voip"},
    ),
    ("complication", {"apns_push_type": "complication", "apns_topic": "com.example.shop.complication"}),
    ("file provider", {"apns_push_type": "fileprovider", "apns_topic": "com.example.shop.pushkit.fileprovider"}),
    ("live activity", {"apns_push_type": "liveactivity", "apns_topic": "com.example.shop.push-type.liveactivity"}),
    ("location", {"apns_push_type": "location", "apns_topic": "com.example.shop.location-query"}),
    ("push to talk", {"apns_push_type": "pushtotalk", "apns_topic": "com.example.shop.voip-ptt"}),
    ("controls", {"apns_push_type": "controls", "apns_topic": "com.example.shop.push-type.controls"}),
    ("widgets", {"apns_push_type": "widgets", "apns_topic": "com.example.shop.push-type.widgets"}),
    ("broadcast", BROADCAST),
    ("broadcast to a channel that stores nothing", BROADCAST | {"apns_channel_id": QUIET_CHANNEL}),
    ("broadcast kept", BROADCAST | {"apns_expiration": "1780000000"}),
]

OPTIONS = ApnsSimulatorOptions(
    channels=(ChannelOptions(channel_id=CHANNEL), ChannelOptions(channel_id=QUIET_CHANNEL, stores_messages=False))
)


@pytest.mark.parametrize(("changes", "status", "reason"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
async def test_request_that_breaks_a_rule_gets_its_reason(changes, status, reason):
    async with open_apns_simulator(OPTIONS) as simulator, open_apns_client(simulator) as client:
        reply = await client.push(**changes)
        assert (reply.status, reply.reason) == (status, reason)
        assert reply.headers["content-type"] == "application/json"
        (entry,) = simulator.ledger.entries
        assert (entry.status, entry.reason, entry.processed) == (status, reason, True)


async def test_valid_requests_are_accepted_with_an_empty_body():
    async with open_apns_simulator(OPTIONS) as simulator, open_apns_client(simulator) as client:
        for name, changes in ACCEPTED:
            reply = await client.push(**changes)
            assert (reply.status, reply.body) == (200, b""), (name, reply.body)


async def test_header_sent_twice_is_refused():
    async with open_apns_simulator() as simulator, open_apns_client(simulator) as client:
        fields = [
            (":method", "POST"),
            (":scheme", "https"),
            (":authority", "localhost"),
            (":path", f"/3/device/{DEVICE}"),
        ]
        stream_id = client.send_fields([*fields, ("apns-priority", "5"), ("apns-priority", "5")], b"{}")
        await client.flush()
        assert (await client.wait_reply(stream_id)).reason == "DuplicateHeaders"


async def test_app_without_the_broadcast_feature_is_told_so():
    options = ApnsSimulatorOptions(broadcast_enabled=False)
    async with open_apns_simulator(options) as simulator, open_apns_client(simulator) as client:
        assert (await client.push(**BROADCAST)).reason == "FeatureNotEnabled"


async def test_ids_are_echoed_or_made_and_the_sandbox_adds_its_own():
    given = "123e4567-e89b-42d3-a456-426614174000"
    options = ApnsSimulatorOptions(environment="sandbox")
    async with open_apns_simulator(options) as simulator, open_apns_client(simulator) as client:
        echoed = await client.push(apns_id=given)
        refused = await client.push(apns_id=given, apns_priority="9")
        made = await client.push()
        broadcast = await client.push(**BROADCAST, apns_request_id=given)
    assert echoed.headers["apns-id"] == refused.headers["apns-id"] == broadcast.headers["apns-request-id"] == given
    assert len(made.headers["apns-id"]) == 36
    assert echoed.headers["apns-unique-id"] != made.headers["apns-unique-id"]
    assert [entry.apns_id for entry in simulator.ledger.entries] == [given, given, made.headers["apns-id"], given]


async def test_production_gives_no_unique_id():
    async with open_apns_simulator() as simulator, open_apns_client(simulator) as client:
        assert "apns-unique-id" not in (await client.push()).headers


async def test_client_certificate_stands_in_for_the_token_and_the_topic():
    options = ApnsSimulatorOptions(client_certificate_topics=("com.example.shop",))
    async with open_apns_simulator(options) as simulator:
        context = client_tls(simulator)
        files = simulator.credentials.client_certificate
        context.load_cert_chain(str(files.certificate_file), str(files.key_file))
        async with open_apns_client(simulator, context=context, authorization="bearer nonsense") as client:
            assert (await client.push(apns_topic=None)).status == 200
            assert (await client.push(apns_topic="com.example.bank")).reason == "TopicDisallowed"
            location = {"apns_push_type": "location", "apns_topic": "com.example.shop.location-query"}
            assert (await client.push(**location)).reason == "Forbidden"
        async with open_apns_client(simulator, authorization=None) as client:
            assert (await client.push()).reason == "MissingProviderToken"


async def test_client_certificate_has_no_empty_extension():
    options = ApnsSimulatorOptions(client_certificate_topics=("com.example.shop",))
    async with open_apns_simulator(options) as simulator:
        file = simulator.credentials.client_certificate.certificate_file
        certificate = x509.load_pem_x509_certificate(file.read_bytes())
        certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(simulator.ca_file.read_bytes()))
    assert {extension.oid for extension in certificate.extensions} == {
        ExtensionOID.BASIC_CONSTRAINTS,
        ExtensionOID.EXTENDED_KEY_USAGE,
        ExtensionOID.AUTHORITY_KEY_IDENTIFIER,
    }
    assert certificate.subject.rfc4514_string() == "CN=Apple Push Services: com.example.shop"


async def test_topic_of_a_certificate_with_several_must_be_named():
    options = ApnsSimulatorOptions(client_certificate_topics=("com.example.shop", "com.example.bank"))
    async with open_apns_simulator(options) as simulator:
        context = client_tls(simulator)
        files = simulator.credentials.client_certificate
        context.load_cert_chain(str(files.certificate_file), str(files.key_file))
        async with open_apns_client(simulator, context=context, authorization=None) as client:
            assert (await client.push(apns_topic=None)).reason == "MissingTopic"
            assert (await client.push(apns_topic="com.example.bank")).status == 200


def test_every_reason_that_a_rule_can_give_is_tested():
    by_token_rules = {
        "BadEnvironmentKeyIdInToken",
        "ExpiredProviderToken",
        "TooManyProviderTokenUpdates",
        "UnrelatedKeyIdInToken",
    }
    tested = {row[3] for row in REFUSED} | {"DuplicateHeaders", "FeatureNotEnabled"} | by_token_rules
    assert tested == set(STATUS_BY_REASON)
