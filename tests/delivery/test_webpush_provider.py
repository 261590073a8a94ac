"""Web Push as a lane sees it: what goes into requests, what is refused beforehand, what is read from answers."""

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.config import WebPushSettings
from gateway.delivery.credentials import WebPushCredential
from gateway.delivery.credentials.vapid_key import VapidKey
from gateway.delivery.egress.client_tls import ClientTls
from gateway.delivery.egress.dialer import HTTP1, HTTP2
from gateway.delivery.lanes.work import Work
from gateway.delivery.providers.encryption import Encryptor
from gateway.delivery.providers.webpush import WebPushProviders
from gateway.journal.engine import BatchRecord, ChunkRef
from gateway.journal.leases import SOLE_LEASE
from native import Exchange
from protocol.chunks import Chunk, Variant
from protocol.exchanges import Cause, Ending
from protocol.outcomes import Advice, AttemptOutcome
from protocol.providers.webpush import EndpointPolicy, Service, WebPushFacts
from protocol.reasons import Reason
from tests.support.clocks import HandClock
from tests.support.webpush import make_receiver

NOW = 1_780_000_000.0
MOZILLA = "https://updates.push.services.mozilla.com"
WNS = "https://wns2-db5p.notify.windows.com"
KEYS = {
    "old": VapidKey(ec.generate_private_key(ec.SECP256R1())),
    "new": VapidKey(ec.generate_private_key(ec.SECP256R1())),
}
STRANGER = VapidKey(ec.generate_private_key(ec.SECP256R1()))
BATCH = BatchRecord(
    principal="default",
    batch_id="b",
    app="shop",
    labels=(),
    accepted_at_ms=int(NOW * 1000),
    provider_id_prefix=bytes(12),
    rows=3,
)


class Shop:
    """An app with two VAPID keys; its clock is moved by hand."""

    def __init__(self, *, keeps_locations=False, policy=None):
        self.clock = HandClock(NOW)
        self.credential = WebPushCredential("mailto:push@shop.example", KEYS, "new", self.clock)
        facts = WebPushFacts(
            vapid_keys=self.credential.public_keys, default_vapid_key="new", endpoints=policy or EndpointPolicy()
        )
        self.providers = WebPushProviders(
            WebPushSettings(),
            {"shop": facts},
            {"shop": self.credential},
            self.clock,
            tls=ClientTls("webpush.ca_file", None, protocols=(HTTP2, HTTP1)),
            encryptor=Encryptor(threads=1, ready_keys=0, padding="off"),
            keeps_locations=frozenset(["shop"] if keeps_locations else []),
        )

    def provider(self, origin=MOZILLA):
        return self.providers.provider_of_lane(f"shop/webpush/{origin}")[0]


def variant(key="new", seconds=3600, **options):
    headers = (
        (b"authorization", b"vapid k=" + (STRANGER if key == "stranger" else KEYS[key]).public_key.encode()),
        (b"content-encoding", b"aes128gcm"),
        (b"content-type", b"application/octet-stream"),
        (b"urgency", b"normal"),
    )
    return Variant(expires_at_ms=int(NOW * 1000) + seconds * 1000, headers=headers, **options)


def make_chunk(receivers, variants=None, **columns):
    return Chunk(
        lane="any",
        queue=1,
        indexes=[0, len(receivers)],
        destinations=[r.public + r.auth_secret + b"/push/%d" % row for row, r in enumerate(receivers)],
        bodies=[b"hello"],
        variants=variants or [variant()],
        **columns,
    )


@pytest.fixture(scope="module")
def receivers():
    return [make_receiver() for _ in range(3)]


def headers_of(built, row):
    columns = built.columns
    number = columns.header_set_of_row[row] if columns.header_set_of_row else 0
    fields = {name: value for name, value, _ in columns.header_sets[number]}
    return fields | {name: values[row] for name, values in columns.row_fields}


def claims_of(authorization):
    token = authorization.decode().removeprefix("vapid t=").partition(",")[0]
    return jwt.decode(token, options={"verify_signature": False})


def exchange_of(built, status, *headers, row=0, body=b""):
    return Exchange(built.requests, row, Ending.ANSWERED, Cause.NONE, 0, status, headers, body, 0.0, 0.0)


async def test_each_row_is_encrypted_for_its_receiver_and_goes_to_its_path(receivers):
    built = await Shop().provider().build_requests(make_chunk(receivers), BATCH)
    assert [r.decrypt(body) for r, body in zip(receivers, built.columns.bodies, strict=True)] == [b"hello"] * 3
    assert built.columns.paths == [b"/push/0", b"/push/1", b"/push/2"]
    assert (len(built.requests), built.refused) == (3, {})


async def test_each_row_is_signed_with_the_key_of_its_subscription_for_the_origin_alone(receivers):
    chunk = make_chunk(receivers, [variant("old"), variant("new")], variant_of_row=[0, 1, 0])
    built = await Shop().provider().build_requests(chunk, BATCH)
    signed = [headers_of(built, row)[b"authorization"] for row in range(3)]
    assert [value.partition(b"k=")[2].decode() for value in signed] == [
        KEYS[name].public_key for name in ("old", "new", "old")
    ]
    assert {claims_of(value)["aud"] for value in signed} == {MOZILLA}
    assert signed[0] is signed[2]


async def test_the_time_that_is_left_is_told_as_of_now(receivers):
    shop = Shop()
    provider = shop.provider()
    chunk = make_chunk(receivers, [variant(seconds=100)])
    assert headers_of(await provider.build_requests(chunk, BATCH), 0)[b"ttl"] == b"100"
    shop.clock.now += 40
    assert headers_of(await provider.build_requests(chunk, BATCH), 0)[b"ttl"] == b"60"
    assert provider.requests_lifetime_seconds <= 10


async def test_a_receiver_that_nothing_can_be_encrypted_for_is_refused_alone(receivers):
    chunk = make_chunk(receivers)
    chunk.destinations[1] = b"\x04" + b"\x01" * 64 + b"s" * 16 + b"/push/1"
    built = await Shop().provider().build_requests(chunk, BATCH)
    assert {row: (verdict.outcome, verdict.reason, verdict.advice) for row, verdict in built.refused.items()} == {
        1: (AttemptOutcome.REJECTED, Reason.INVALID_TOKEN, Advice.FIX_TARGET)
    }


async def test_a_payload_that_does_not_fit_is_refused(receivers):
    chunk = make_chunk(receivers)
    chunk.bodies = [b"x" * 3994]
    built = await Shop().provider().build_requests(chunk, BATCH)
    assert {verdict.reason for verdict in built.refused.values()} == {Reason.PAYLOAD_TOO_LARGE}
    assert set(built.refused) == {0, 1, 2}


async def test_a_subscription_made_with_a_key_that_the_app_gave_up_is_refused(receivers):
    chunk = make_chunk(receivers, [variant("stranger"), variant("new")], variant_of_row=[1, 0, 1])
    built = await Shop().provider().build_requests(chunk, BATCH)
    assert {row: verdict.reason for row, verdict in built.refused.items()} == {1: Reason.SUBSCRIPTION_KEY_MISMATCH}


async def test_nothing_is_sent_to_an_origin_that_is_not_allowed_any_more(receivers):
    built = await Shop().provider("https://push.example.org").build_requests(make_chunk(receivers), BATCH)
    assert set(built.refused) == {0, 1, 2}
    assert {verdict.reason for verdict in built.refused.values()} == {Reason.ENDPOINT_NOT_ALLOWED}


# Answers


async def test_wns_may_drop_with_a_status_of_success_and_others_have_no_such_header(receivers):
    provider = Shop().provider(WNS)
    built = await provider.build_requests(make_chunk(receivers), BATCH)
    dropped = exchange_of(built, 201, (b"x-wns-status", b"dropped"))
    assert provider.classify(dropped).outcome is not AttemptOutcome.ACCEPTED
    assert provider.classify(exchange_of(built, 201, (b"x-wns-status", b"received"))).outcome is AttemptOutcome.ACCEPTED


@pytest.mark.parametrize(("keeps_locations", "expected"), [(True, "https://push.example/m/1"), (False, None)])
async def test_the_url_of_a_message_is_its_provider_id_where_the_app_keeps_it(receivers, keeps_locations, expected):
    provider = Shop(keeps_locations=keeps_locations).provider()
    built = await provider.build_requests(make_chunk(receivers), BATCH)
    location = (b"location", b"https://push.example/m/1")
    assert provider.provider_id(exchange_of(built, 201, location)) == expected
    assert provider.provider_id(exchange_of(built, 301, location)) is None


async def test_a_refused_token_is_signed_anew_for_the_key_of_the_row_once_it_is_old_enough(receivers):
    shop = Shop()
    provider = shop.provider()
    chunk = make_chunk(receivers, [variant("old"), variant("new")], variant_of_row=[0, 1, 0])
    built = await provider.build_requests(chunk, BATCH)
    ref = ChunkRef(
        batch=1,
        chunk=0,
        lane="any",
        queue=1,
        lease=SOLE_LEASE,
        record=BATCH,
        start=0,
        stop=3,
        stored_bytes=1,
    )
    work = Work(ref, BATCH, chunk, built=built, provider="webpush", now=0.0)
    refused = exchange_of(work, 401, body=b'{"errno":109,"message":"Invalid VAPID expiry"}', row=1)
    assert not provider.renew_credential(refused)
    shop.clock.now += 2 * 3600
    assert provider.renew_credential(refused)
    again = await provider.build_requests(chunk, BATCH)
    before, after = ([headers_of(each, row)[b"authorization"] for row in (0, 1)] for each in (built, again))
    assert (before[0] is after[0], before[1] is after[1]) == (True, False)


def test_a_lane_is_an_app_at_an_origin_with_the_habits_of_its_service():
    shop = Shop(policy=EndpointPolicy({"push.example.org:8443": Service.APPLE}))
    provider = shop.provider("https://push.example.org:8443")
    assert (provider.dialer.address.host, provider.dialer.address.port) == ("push.example.org", 8443)
    _, limits = shop.providers.provider_of_lane(f"shop/webpush/{MOZILLA}")
    assert (limits.pool.least_sessions, limits.pool.most_sessions, limits.read_ahead_rows) == (0, 4, 100)
    assert limits.session.first_window == limits.session.window
    with pytest.raises(KeyError):
        shop.providers.provider_of_lane(f"stranger/webpush/{MOZILLA}")
