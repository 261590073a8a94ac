"""The OAuth exchange without I/O, and the service-account file it starts from."""

from urllib.parse import parse_qs

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.providers.fcm import (
    TOKEN_URI,
    AccessToken,
    ExchangeFailure,
    ServiceAccountError,
    assertion_claims,
    assertion_header,
    exchange_form,
    parse_service_account,
    read_exchange,
)

NOW = 1_780_000_000.5
FILE = {
    "type": "service_account",
    "project_id": "shop-1",
    "private_key_id": "kid1",
    "private_key": "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n",
    "client_email": "push@shop-1.iam.gserviceaccount.com",
    "client_id": "1",
    "auth_uri": "https://accounts.google.com/o/oauth2/auth",
    "token_uri": "https://oauth2.googleapis.com/token",
}
ACCOUNT = parse_service_account(msgspec.json.encode(FILE))
TOKEN = {"access_token": "ya29.c-x", "expires_in": 3599, "token_type": "Bearer"}


def exchange(status, **answer):
    return read_exchange(status, msgspec.json.encode(answer), NOW)


def test_the_assertion_says_who_asks_for_what_and_for_an_hour():
    assert assertion_header(ACCOUNT) == {"alg": "RS256", "typ": "JWT", "kid": "kid1"}
    assert assertion_claims(ACCOUNT, NOW) == {
        "iss": "push@shop-1.iam.gserviceaccount.com",
        "scope": "https://www.googleapis.com/auth/firebase.messaging",
        "aud": "https://oauth2.googleapis.com/token",
        "iat": 1_780_000_000,
        "exp": 1_780_003_600,
    }


def test_the_form_carries_grant_and_assertion():
    assert parse_qs(exchange_form("a.b-_c").decode()) == {
        "grant_type": ["urn:ietf:params:oauth:grant-type:jwt-bearer"],
        "assertion": ["a.b-_c"],
    }


def test_a_token_counts_from_when_it_was_asked_for_and_is_due_five_minutes_early():
    token = exchange(200, **TOKEN)
    assert isinstance(token, AccessToken)
    assert (token.authorization, token.expires_at_seconds) == (b"Bearer ya29.c-x", NOW + 3599)
    assert not token.is_due(NOW + 3298)
    assert token.is_due(NOW + 3299)
    assert "ya29" not in repr(token)


@pytest.mark.parametrize(
    "change",
    [
        {"access_token": None},
        {"access_token": ""},
        {"access_token": "a\r\nb"},
        {"access_token": "é"},
        {"token_type": "mac"},
        {"token_type": None},
        {"expires_in": 0},
        {"expires_in": "3599"},
        {"expires_in": True},
        {"expires_in": 10**9},
    ],
)
def test_a_200_without_a_usable_token_is_tried_again(change):
    assert exchange(200, **TOKEN | change) == ExchangeFailure(can_retry=True, error=None)


@pytest.mark.parametrize(
    ("status", "error", "can_retry"),
    [
        (400, "invalid_grant", False),
        (400, "invalid_scope", False),
        (401, "invalid_client", False),
        (401, None, False),
        (403, None, False),
        (404, None, False),
        (408, None, True),
        (429, None, True),
        (500, None, True),
        (502, None, True),
        (503, None, True),
        (504, None, True),
        (400, "internal_failure", True),
        (400, "server_error", True),
        (403, "temporarily_unavailable", True),
        (302, None, False),
    ],
)
def test_an_exchange_is_tried_again_only_where_the_credential_may_be_good(status, error, can_retry):
    assert exchange(status, error=error, error_description="x") == ExchangeFailure(can_retry=can_retry, error=error)


@pytest.mark.parametrize("error", [7, "has blank", "x\n", {"code": 1}])
def test_an_error_that_is_no_word_is_not_repeated(error):
    assert exchange(400, error=error) == ExchangeFailure(can_retry=False, error=None)


@given(st.integers(100, 599), st.binary(max_size=40))
def test_whatever_is_answered_is_a_token_or_a_failure(status, body):
    assert isinstance(read_exchange(status, body, NOW), AccessToken | ExchangeFailure)


def test_a_service_account_shows_no_secret():
    assert (ACCOUNT.project_id, ACCOUNT.private_key_id) == ("shop-1", "kid1")
    assert repr(ACCOUNT) == "<ServiceAccount of the project shop-1>"


@pytest.mark.parametrize("uri", ["https://accounts.google.com/o/oauth2/token", TOKEN_URI])
def test_googles_own_addresses_in_the_file_are_taken_and_the_assertion_goes_to_the_official_one(uri):
    account = parse_service_account(msgspec.json.encode(FILE | {"token_uri": uri}))
    assert assertion_claims(account, NOW)["aud"] == TOKEN_URI


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"token_uri": "https://169.254.169.254/token"}, "token_uri"),
        ({"token_uri": "http://oauth2.googleapis.com/token"}, "token_uri"),
        ({"token_uri": "https://oauth2.googleapis.com.evil.example/token"}, "token_uri"),
        ({"type": "authorized_user"}, "type"),
        ({"project_id": "Shop/.."}, "project_id"),
        ({"project_id": 7}, "project_id"),
        ({"private_key": "secret"}, "private_key"),
        ({"private_key_id": ""}, "private_key_id"),
        ({"client_email": "nobody"}, "client_email"),
    ],
)
def test_a_fault_of_the_file_is_named_and_its_value_is_not(change, words):
    with pytest.raises(ServiceAccountError, match=words) as caught:
        parse_service_account(msgspec.json.encode(FILE | change))
    assert str(next(iter(change.values())) or "?") not in str(caught.value).removeprefix("type is not service_account")


@pytest.mark.parametrize("name", ["type", "project_id", "private_key_id", "private_key", "client_email"])
def test_a_missing_field_is_named(name):
    with pytest.raises(ServiceAccountError, match=name):
        parse_service_account(msgspec.json.encode({key: value for key, value in FILE.items() if key != name}))


@pytest.mark.parametrize("data", [b"", b"-----BEGIN PRIVATE KEY-----", b"\xff", b"{"])
def test_a_file_that_is_no_json_is_told_apart(data):
    with pytest.raises(ServiceAccountError, match="not JSON"):
        parse_service_account(data)
