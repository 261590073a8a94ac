"""Provider tokens at the simulator: form, age, how often they change, and what they tie a connection to."""

import base64

import jwt
import pytest
import trio
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from bench.simulators.apns import ApnsSimulatorOptions, ProviderKeyOptions, open_apns_simulator
from gateway.clock import TrioClock
from tests.support.apns_client import ApnsClient, make_token, open_apns_client, open_memory_client

TEAM = ProviderKeyOptions()
SISTER = ProviderKeyOptions(key_id="SISTERKEY1")
STRANGER = ProviderKeyOptions(team_id="STRANGER12", key_id="STRANGEKEY")
SANDBOX = ProviderKeyOptions(key_id="SANDBOXKEY", environments=("sandbox",))
NARROW = ProviderKeyOptions(key_id="NARROWKEY1", topics=("com.example.bank",))
OPTIONS = ApnsSimulatorOptions(
    keys=(TEAM, SISTER, STRANGER, SANDBOX, NARROW), topics=("com.example.shop", "com.example.bank")
)
MINUTE = 60


async def reason_of(client: ApnsClient, authorization: str) -> str | None:
    return (await client.push(authorization=authorization)).reason


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({}, None),
        ({"iss": "STRANGER12"}, "InvalidProviderToken"),
        ({"iat": 1_780_000_000.5}, "InvalidProviderToken"),
        ({"iat": "1780000000"}, "InvalidProviderToken"),
        ({"iat": True}, "InvalidProviderToken"),
    ],
)
async def test_claims_must_be_the_team_and_whole_seconds(claims, reason, autojump_clock):
    async with (
        open_apns_simulator(ApnsSimulatorOptions(clock=TrioClock())) as simulator,
        open_memory_client(simulator) as client,
    ):
        token = make_token(simulator, issued_at=simulator.options.clock.wall(), **claims)
        assert await reason_of(client, token) == reason


@pytest.mark.parametrize(
    ("age", "reason"),
    [
        (0, None),
        (60 * MINUTE, None),
        (60 * MINUTE + 1, "ExpiredProviderToken"),
        (-60 * MINUTE, None),
        (-60 * MINUTE - 1, "InvalidProviderToken"),
    ],
)
async def test_token_is_good_within_an_hour_of_its_issue(age, reason, autojump_clock):
    clock = TrioClock()
    async with (
        open_apns_simulator(ApnsSimulatorOptions(clock=clock)) as simulator,
        open_memory_client(simulator) as client,
    ):
        assert await reason_of(client, make_token(simulator, issued_at=clock.wall() - age)) == reason


async def test_accepted_token_expires_while_it_is_used(autojump_clock):
    async with (
        open_apns_simulator(ApnsSimulatorOptions(clock=TrioClock())) as simulator,
        open_memory_client(simulator) as client,
    ):
        assert (await client.push()).status == 200
        await trio.sleep(60 * MINUTE + 1)
        assert (await client.push()).reason == "ExpiredProviderToken"


async def test_signature_of_another_key_is_invalid():
    async with open_apns_simulator() as simulator, open_apns_client(simulator) as client:
        foreign = ec.generate_private_key(ec.SECP256R1())
        forged = jwt.encode({"iss": TEAM.team_id, "iat": 0}, foreign, "ES256", headers={"kid": TEAM.key_id})
        assert await reason_of(client, f"bearer {forged}") == "InvalidProviderToken"


@pytest.mark.parametrize("headers", [{"kid": "UNKNOWNKEY"}, {}])
async def test_key_must_be_named_and_known(headers):
    async with open_apns_simulator() as simulator, open_apns_client(simulator) as client:
        key = simulator.credentials.key_file.read_bytes()
        token = jwt.encode({"iss": TEAM.team_id, "iat": 0}, key, "ES256", headers=headers)
        assert await reason_of(client, f"bearer {token}") == "InvalidProviderToken"


async def test_only_es256_is_taken():
    async with open_apns_simulator() as simulator, open_apns_client(simulator) as client:
        token = jwt.encode({"iss": TEAM.team_id, "iat": 0}, "x" * 32, "HS256", headers={"kid": TEAM.key_id})
        assert await reason_of(client, f"bearer {token}") == "InvalidProviderToken"


async def test_signature_may_be_raw_or_in_der():
    async with open_apns_simulator() as simulator, open_apns_client(simulator) as client:
        signed, _, raw = make_token(simulator).rpartition(".")
        numbers = base64.urlsafe_b64decode(raw + "==")
        r, s = (int.from_bytes(half, "big") for half in (numbers[:32], numbers[32:]))
        for other, reason in ((s, None), (s ^ 1, "InvalidProviderToken"), (2**300, "InvalidProviderToken")):
            der = base64.urlsafe_b64encode(encode_dss_signature(r, other)).rstrip(b"=").decode()
            assert await reason_of(client, f"{signed}.{der}") == reason


async def test_padded_base64_is_invalid():
    async with open_apns_simulator() as simulator, open_apns_client(simulator) as client:
        assert await reason_of(client, make_token(simulator) + "=") == "InvalidProviderToken"


async def test_token_may_change_once_in_twenty_minutes(autojump_clock):
    clock = TrioClock()
    async with (
        open_apns_simulator(ApnsSimulatorOptions(clock=clock)) as simulator,
        open_memory_client(simulator) as client,
    ):
        first, second, third = (make_token(simulator, issued_at=clock.wall()) for _ in range(3))
        assert [await reason_of(client, token) for token in (first, second)] == [None, None]
        assert await reason_of(client, third) == "TooManyProviderTokenUpdates"
        assert [await reason_of(client, token) for token in (second, first)] == [None, None]
        await trio.sleep(20 * MINUTE)
        assert await reason_of(client, third) is None


async def test_updates_can_be_counted_by_time_of_issue(autojump_clock):
    clock = TrioClock()
    options = ApnsSimulatorOptions(clock=clock, token_updates_by="iat")
    async with open_apns_simulator(options) as simulator, open_memory_client(simulator) as client:
        issued_at = clock.wall()
        for _ in range(5):
            assert await reason_of(client, make_token(simulator, issued_at=issued_at)) is None


async def test_updates_are_counted_for_each_key_and_over_all_connections():
    async with open_apns_simulator(OPTIONS) as simulator:
        for expected in (None, None, "TooManyProviderTokenUpdates"):
            async with open_apns_client(simulator) as client:
                assert (await client.push()).reason == expected
        async with open_apns_client(simulator, authorization=make_token(simulator, key=1)) as client:
            assert (await client.push()).reason is None


@pytest.mark.parametrize(
    ("key", "reason"),
    [(SISTER, "UnrelatedKeyIdInToken"), (STRANGER, "Forbidden"), (SANDBOX, "BadEnvironmentKeyIdInToken")],
)
async def test_first_push_binds_the_connection(key, reason):
    async with open_apns_simulator(OPTIONS) as simulator, open_apns_client(simulator) as client:
        assert (await client.push()).status == 200
        other = make_token(simulator, key=OPTIONS.keys.index(key))
        assert await reason_of(client, other) == reason
        assert (await client.push()).status == 200


async def test_refused_push_binds_nothing():
    async with open_apns_simulator(OPTIONS) as simulator, open_apns_client(simulator) as client:
        expired = make_token(simulator, issued_at=0)
        assert await reason_of(client, expired) == "ExpiredProviderToken"
        assert await reason_of(client, make_token(simulator, key=1)) is None


async def test_key_of_the_other_environment_is_refused_at_once():
    async with open_apns_simulator(OPTIONS) as simulator, open_apns_client(simulator) as client:
        assert await reason_of(client, make_token(simulator, key=3)) == "BadEnvironmentKeyIdInToken"


async def test_topic_specific_key_covers_its_topics_alone():
    async with (
        open_apns_simulator(OPTIONS) as simulator,
        open_apns_client(simulator, authorization=make_token(simulator, key=4)) as client,
    ):
        assert (await client.push()).reason == "TopicDisallowed"
        assert (await client.push(apns_topic="com.example.bank")).status == 200
