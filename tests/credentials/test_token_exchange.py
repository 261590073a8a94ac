"""Access tokens fetched over real TLS from a server that does as a test says."""

import gzip
import logging
import traceback
from contextlib import contextmanager

import jwt
import pytest
import structlog.testing
import trio

from gateway.clock import SystemClock
from gateway.config import AppSettings, Config, FcmAppSettings, FcmSettings
from gateway.delivery.credentials import (
    Unavailable,
    load_authorities,
    load_credentials,
    load_service_account_key,
)
from gateway.delivery.credentials.token_exchange import TokenExchange
from gateway.errors import CredentialUnavailableError
from protocol.providers.fcm import TOKEN_URI, AccessToken
from tests.support.service_accounts import CLIENT_EMAIL, KEY_ID, account_key, account_pem, write_service_account
from tests.support.token_server import SILENCE, open_token_server, token_answer

NOW = 1_780_000_000.0


@pytest.fixture
async def server(tmp_path):
    async with open_token_server(tmp_path) as server:
        yield server


@pytest.fixture
def account(tmp_path):
    return load_service_account_key(write_service_account(tmp_path / "account.json"))


def make_exchange(server, *, timeout_seconds=5.0):
    tls = load_authorities(server.ca_file)
    return TokenExchange(server.token_uri, tls, connect_timeout_seconds=5.0, timeout_seconds=timeout_seconds)


def load_fcm(server, folder, *apps):
    file = str(write_service_account(folder / "account.json"))
    config = Config(
        fcm=FcmSettings(token_uri=server.token_uri, ca_file=str(server.ca_file)),
        apps={app: AppSettings(fcm=FcmAppSettings(service_account_file=file)) for app in apps},
    )
    return load_credentials(config, SystemClock()).fcm


def answering(status, body=b"", **headers):
    async def answer(form):
        return status, headers, body

    return answer


async def test_a_thousand_tasks_that_need_a_token_make_one_exchange(server, tmp_path):
    fcm = load_fcm(server, tmp_path, "shop", "news")
    got = []

    async def acquire(credential):
        got.append(await credential.acquire())

    async with trio.open_nursery() as nursery:
        for number in range(1000):
            nursery.start_soon(acquire, fcm["shop" if number % 2 else "news"])
    assert len(got) == 1000
    assert set(got) == {b"Bearer ya29.token"}
    assert all(each is got[0] for each in got)
    assert len(server.forms) == 1
    assert await fcm["shop"].acquire() is got[0]
    assert fcm["news"].authorization(SystemClock().wall()) is got[0]
    assert len(server.forms) == 1


async def test_an_assertion_says_what_google_asks_for(server, account):
    token = await make_exchange(server).fetch(account, NOW)
    assert token == AccessToken(token="ya29.token", expires_at_seconds=NOW + 3599)
    (form,) = server.forms
    assert form.keys() == {"grant_type", "assertion"}
    assert form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
    assert jwt.get_unverified_header(form["assertion"]) == {"alg": "RS256", "typ": "JWT", "kid": KEY_ID}
    claims = jwt.decode(
        form["assertion"],
        account_key().public_key(),
        algorithms=["RS256"],
        audience=TOKEN_URI,
        options={"verify_exp": False, "verify_iat": False},
    )
    assert claims == {
        "iss": CLIENT_EMAIL,
        "scope": "https://www.googleapis.com/auth/firebase.messaging",
        "aud": TOKEN_URI,
        "iat": int(NOW),
        "exp": int(NOW) + 3600,
    }


async def test_a_redirect_is_not_followed(server, account):
    server.answer = answering(307, location=server.token_uri.replace("/token", "/elsewhere"))
    outcome = await make_exchange(server).fetch(account, NOW)
    assert outcome == Unavailable(
        detail=f"{server.token_uri} answered 307: a redirect, which is never followed; check fcm.token_uri",
        can_retry=False,
    )
    assert server.paths == ["/token"]


@pytest.mark.parametrize(
    ("answer", "can_retry", "words"),
    [
        ((400, b'{"error": "invalid_grant"}'), False, "400 invalid_grant: the key or its account was disabled"),
        ((401, b'{"error": "unauthorized_client"}'), False, "401 unauthorized_client: the account may not send"),
        ((404, b"<html>"), False, "answered 404"),
        ((400, b'{"error": "temporarily_unavailable"}'), True, "400 temporarily_unavailable"),
        ((429, b""), True, "answered 429"),
        ((502, b"<html>oops"), True, "answered 502"),
        ((200, b"{}"), True, "200, but with no bearer token"),
        ((200, b'{"access_token": "a", "expires_in": 0, "token_type": "Bearer"}'), True, "no bearer token"),
        ((200, b" " * 70_000 + token_answer()[2]), True, "no bearer token"),
    ],
)
async def test_a_failure_says_what_happened_and_whether_it_may_mend_itself(server, account, answer, can_retry, words):
    server.answer = answering(*answer)
    outcome = await make_exchange(server).fetch(account, NOW)
    assert isinstance(outcome, Unavailable)
    assert outcome.can_retry is can_retry
    assert words in outcome.detail


async def test_a_compressed_answer_is_not_unpacked(server, account):
    server.answer = answering(200, gzip.compress(token_answer()[2]), **{"content-encoding": "gzip"})
    outcome = await make_exchange(server).fetch(account, NOW)
    assert outcome == Unavailable(detail=f"{server.token_uri} answered 200, but with no bearer token", can_retry=True)


async def test_a_server_that_does_not_answer_is_given_up(server, account):
    async def never(form):
        await trio.sleep_forever()

    server.answer = never
    outcome = await make_exchange(server, timeout_seconds=0.2).fetch(account, NOW)
    assert outcome == Unavailable(detail=f"{server.token_uri}: no answer within 0.2 s", can_retry=True)


async def test_an_answer_that_is_cut_off_is_a_failure(server, account):
    async def cut(form):
        return SILENCE

    server.answer = cut
    outcome = await make_exchange(server).fetch(account, NOW)
    assert outcome == Unavailable(detail=f"{server.token_uri}: the answer was cut off, or was not HTTP", can_retry=True)


async def test_a_server_of_an_unknown_authority_gets_nothing(server, account):
    exchange = TokenExchange(server.token_uri, load_authorities(None), connect_timeout_seconds=5, timeout_seconds=5)
    outcome = await exchange.fetch(account, NOW)
    assert outcome.can_retry
    assert "CERTIFICATE_VERIFY_FAILED" in outcome.detail
    assert server.forms == []


@pytest.mark.parametrize("host", ["localhost:1", "name..with-an-empty-label"])
async def test_a_server_that_is_not_there_is_a_failure_and_no_crash(host, account):
    exchange = TokenExchange(
        f"https://{host}/token", load_authorities(None), connect_timeout_seconds=5, timeout_seconds=5
    )
    outcome = await exchange.fetch(account, NOW)
    assert outcome.can_retry
    assert outcome.detail.startswith(f"https://{host}/token: ")
    assert len(outcome.detail) > len(f"https://{host}/token: ")


async def test_no_proxy_is_taken_from_the_environment(server, account, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://localhost:1")
    monkeypatch.setenv("ALL_PROXY", "http://localhost:1")
    assert isinstance(await make_exchange(server).fetch(account, NOW), AccessToken)


@contextmanager
def listening(caplog, told):
    """Collect what the gateway and its libraries log at any level."""
    with caplog.at_level(logging.DEBUG), structlog.testing.capture_logs() as events:
        yield
    told += [str(events), caplog.text]


async def test_no_secret_is_told_in_logs_names_or_tracebacks(server, tmp_path, caplog):
    told = []
    with listening(caplog, told):
        server.answer = answering(400, b'{"error": "invalid_grant", "error_description": "c4n4ry"}')
        with pytest.raises(CredentialUnavailableError) as raised:
            await load_fcm(server, tmp_path, "shop")["shop"].acquire()
        told += traceback.TracebackException.from_exception(raised.value, capture_locals=True).format()
    credential = load_fcm(server, tmp_path, "shop")["shop"]
    with listening(caplog, told):
        server.answer = answering(200, token_answer("ya29.c4n4ry")[2])
        assert await credential.acquire() == b"Bearer ya29.c4n4ry"
    text = "".join([*told, repr(credential), repr(vars(credential))])
    # Everybody was heard: the failure, the success, and the libraries below.
    assert all(word in text for word in ("invalid_grant", "access_token_fetched", "send_request_body"))
    secrets = ["c4n4ry", *(form["assertion"] for form in server.forms), *account_pem().splitlines()[1:-1]]
    assert len(secrets) > 20
    assert [secret for secret in secrets if secret in text] == []
