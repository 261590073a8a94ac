import itertools

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from gateway.delivery.credentials import ProviderTokenSource, SigningKey

HALF_HOUR = 1800
START = 1_780_000_200 - 1_780_000_200 % HALF_HOUR  # on the half hour


@pytest.fixture(scope="module")
def private_key():
    return ec.generate_private_key(ec.SECP256R1())


def make_source(private_key):
    return ProviderTokenSource("TEAM123456", SigningKey("KEY1234567", private_key))


def issued_at(authorization):
    return jwt.decode(authorization.removeprefix(b"bearer "), options={"verify_signature": False})["iat"]


def test_a_token_is_what_apple_asks_for(private_key):
    authorization = make_source(private_key).current(START + 700)
    token = authorization.removeprefix(b"bearer ")
    assert jwt.get_unverified_header(token) == {"alg": "ES256", "kid": "KEY1234567"}
    claims = jwt.decode(token, private_key.public_key(), algorithms=["ES256"], options={"verify_iat": False})
    assert claims == {"iss": "TEAM123456", "iat": START}


def test_all_processes_make_the_same_token_byte_for_byte(private_key):
    first = make_source(private_key).current(START + 5)
    second = make_source(private_key).current(START + 1790)
    assert issued_at(first) == START
    assert first == second


def test_one_token_is_given_to_all_until_the_half_hour_changes(private_key):
    source = make_source(private_key)
    token = source.current(START)
    assert all(source.current(START + second) is token for second in range(0, HALF_HOUR, 100))
    assert source.generation == 1
    assert issued_at(source.current(START + HALF_HOUR)) == START + HALF_HOUR
    assert source.generation == 2


def test_a_young_process_changes_its_token_when_the_others_do(private_key):
    old, young = make_source(private_key), make_source(private_key)
    old.current(START)
    young.current(START + 1799)
    assert old.current(START + HALF_HOUR) == young.current(START + HALF_HOUR)


def test_after_a_renewal_the_next_half_hour_waits_for_twenty_minutes(private_key):
    source = make_source(private_key)
    source.current(START)
    assert source.on_expired(START + 1700)
    renewed = source.current(START + 1700)
    assert source.current(START + 1700 + 1199) is renewed
    assert issued_at(source.current(START + 1700 + 1200)) == START + HALF_HOUR


@given(steps=st.lists(st.integers(0, 4000), min_size=1, max_size=40))
def test_no_token_is_an_hour_old_and_none_follows_within_twenty_minutes(private_key, steps):
    source = make_source(private_key)
    now = START
    born_at = []
    for step in steps:
        now += step
        generation = source.generation
        age = now - issued_at(source.current(now))
        assert 0 <= age < 3600
        if source.generation != generation:
            born_at.append(issued_at(source.current(now)))
    assert all(later - earlier >= 1200 for earlier, later in itertools.pairwise(born_at))


def test_an_expired_token_older_than_twenty_minutes_is_renewed_once(private_key):
    source = make_source(private_key)
    old = source.current(START)
    assert source.on_expired(START + 1300)
    fresh = source.current(START + 1300)
    assert fresh != old
    assert issued_at(fresh) == START + 1300
    assert source.on_expired(START + 1330)
    assert source.generation == 2


def test_a_young_token_called_expired_is_an_alarm_and_never_a_new_token(private_key):
    source = make_source(private_key)
    token = source.current(START)
    assert not any(source.on_expired(START + second) for second in range(0, 1200, 60))
    assert source.current(START + 1199) is token


def test_a_renewed_token_that_expires_as_well_is_an_alarm(private_key):
    source = make_source(private_key)
    source.current(START)
    assert source.on_expired(START + 1300)
    assert not source.on_expired(START + 1300 + 61)
    assert source.generation == 2


def test_too_many_updates_keep_the_token_for_twenty_minutes(private_key):
    source = make_source(private_key)
    token = source.current(START)
    assert source.on_too_many_updates(START + 1790) == START + 1790 + 1200
    assert source.current(START + 1790 + 1199) is token
    assert not source.on_expired(START + 1790 + 1199)
    assert source.current(START + 1790 + 1200) is not token


def test_a_token_is_never_kept_to_its_hour(private_key):
    source = make_source(private_key)
    token = source.current(START + 1799)
    source.on_too_many_updates(START + 2990)
    assert source.current(START + 3539) is token
    assert issued_at(source.current(START + 3540)) == START + HALF_HOUR


def test_a_clock_set_back_by_hours_gets_a_token_of_its_time(private_key):
    source = make_source(private_key)
    source.current(START)
    assert issued_at(source.current(START - 5 * 3600)) == START - 5 * 3600
