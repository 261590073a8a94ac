import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.delivery.credentials import VapidKey, WebPushCredential, webpush_credential
from protocol.providers.webpush import base64url
from tests.support.clocks import HandClock

NOW = 1_780_000_000.0
HOUR = 3600
MOZILLA = "https://updates.push.services.mozilla.com"
APPLE = "https://web.push.apple.com"
PRIVATE_KEY = ec.generate_private_key(ec.SECP256R1())
KEY = VapidKey(PRIVATE_KEY)
OTHER_KEY = VapidKey(ec.generate_private_key(ec.SECP256R1()))
PUBLIC_KEY = KEY.public_key.encode()


@pytest.fixture
def clock():
    return HandClock(NOW)


@pytest.fixture
def credential(clock):
    return WebPushCredential("mailto:push@example.org", {"2025": OTHER_KEY, "2026": KEY}, "2026", clock)


def claims_of(authorization):
    token = authorization.removeprefix(b"vapid t=").partition(b", k=")[0]
    options = {"verify_exp": False, "verify_aud": False}
    return jwt.decode(token, PRIVATE_KEY.public_key(), algorithms=["ES256"], options=options)


def test_requests_carry_a_token_signed_by_the_key_of_the_subscription(credential):
    authorization = credential.authorize(PUBLIC_KEY, MOZILLA)
    assert authorization.endswith(b", k=" + PUBLIC_KEY)
    assert claims_of(authorization) == {"aud": MOZILLA, "exp": int(NOW) + 12 * HOUR, "sub": "mailto:push@example.org"}
    assert len(base64url.decode(authorization.partition(b",")[0].rpartition(b".")[2].decode())) == 64


def test_a_token_is_signed_once_for_each_key_and_origin(credential):
    tokens = {
        (public_key, origin): credential.authorize(public_key, origin)
        for public_key in (PUBLIC_KEY, OTHER_KEY.public_key.encode())
        for origin in (MOZILLA, APPLE)
    }
    assert len(set(tokens.values())) == 4
    assert all(credential.authorize(*pair) is token for pair, token in tokens.items())


def test_a_token_is_renewed_an_hour_before_its_end(credential, clock):
    token = credential.authorize(PUBLIC_KEY, MOZILLA)
    clock.now = NOW + 11 * HOUR - 1
    assert credential.authorize(PUBLIC_KEY, MOZILLA) is token
    clock.now = NOW + 11 * HOUR
    assert claims_of(credential.authorize(PUBLIC_KEY, MOZILLA))["exp"] == int(NOW) + 23 * HOUR


def test_a_refused_token_is_replaced_only_when_it_is_an_hour_old(credential, clock):
    token = credential.authorize(PUBLIC_KEY, APPLE)
    clock.now = NOW + HOUR - 1
    assert not credential.renew(PUBLIC_KEY, APPLE)
    assert credential.authorize(PUBLIC_KEY, APPLE) is token
    clock.now = NOW + HOUR
    assert credential.renew(PUBLIC_KEY, APPLE)
    renewed = credential.authorize(PUBLIC_KEY, APPLE)
    assert claims_of(renewed)["exp"] == int(NOW) + 13 * HOUR
    clock.now += 59
    assert credential.renew(PUBLIC_KEY, APPLE)  # an answer to a request that carried the old one
    assert credential.authorize(PUBLIC_KEY, APPLE) is renewed
    clock.now += 1
    assert not credential.renew(PUBLIC_KEY, APPLE)


def test_a_renewal_leaves_the_tokens_of_other_origins_alone(credential, clock):
    token = credential.authorize(PUBLIC_KEY, MOZILLA)
    credential.authorize(PUBLIC_KEY, APPLE)
    clock.now += HOUR
    assert credential.renew(PUBLIC_KEY, APPLE)
    assert credential.authorize(PUBLIC_KEY, MOZILLA) is token


def test_a_clock_set_back_by_hours_leaves_no_token_that_services_would_refuse(credential, clock):
    token = credential.authorize(PUBLIC_KEY, MOZILLA)
    clock.now = NOW - HOUR + 1
    assert credential.authorize(PUBLIC_KEY, MOZILLA) is token
    clock.now = NOW - 13 * HOUR
    assert claims_of(credential.authorize(PUBLIC_KEY, MOZILLA))["exp"] == int(NOW) - HOUR


def test_the_oldest_tokens_are_forgotten_beyond_a_bound(credential, monkeypatch):
    monkeypatch.setattr(webpush_credential, "REMEMBERED_TOKENS", 3)
    origins = [f"https://{number}.example.org" for number in range(4)]
    first, second, *_ = tokens = [credential.authorize(PUBLIC_KEY, origin) for origin in origins]
    assert credential.authorize(PUBLIC_KEY, origins[1]) is second
    assert credential.authorize(PUBLIC_KEY, origins[3]) is tokens[3]
    assert credential.authorize(PUBLIC_KEY, origins[0]) is not first
    assert "3 tokens" in repr(credential)


def test_a_key_that_the_app_does_not_have_signs_nothing(credential):
    stranger = VapidKey(ec.generate_private_key(ec.SECP256R1()))
    with pytest.raises(KeyError):
        credential.authorize(stranger.public_key.encode(), MOZILLA)


def test_an_app_knows_its_public_keys_by_their_ids_and_shows_nothing_else(credential):
    assert credential.public_keys == {"2025": OTHER_KEY.public_key, "2026": KEY.public_key}
    assert credential.default_key == "2026"
    assert repr(credential) == "<WebPushCredential mailto:push@example.org, keys 2025, 2026, 0 tokens>"
    secret = base64url.encode(PRIVATE_KEY.private_numbers().private_value.to_bytes(32, "big"))
    assert secret not in repr(KEY) + repr(vars(KEY))
