"""Credentials read again: what is new is taken, what is the same is left alone, what can't be used changes nothing."""

import ssl
from datetime import UTC, datetime
from pathlib import Path

import pytest
import structlog.testing
import trio
import trustme
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gateway.config import (
    ApnsAppSettings,
    AppSettings,
    Config,
    EgressSettings,
    FcmAppSettings,
    LimitSettings,
    TcpAddress,
    WebPushAppSettings,
    find_changes,
)
from gateway.delivery.credentials import (
    AccessTokenSource,
    SigningKey,
    Unavailable,
    create_vapid_key_file,
    load_credentials,
    service_account_key,
)
from gateway.delivery.credentials.provider_token import ProviderTokenSource
from gateway.delivery.egress.client_tls import ClientTls
from gateway.delivery.egress.dialer import Dialer
from gateway.delivery.egress.lookups import Lookups
from gateway.delivery.pacing.backoff import Backoff
from gateway.delivery.providers.assembly import Providers
from gateway.errors import CredentialUnavailableError, UnusableFileError
from protocol.providers.fcm import AccessToken
from tests.support.clocks import HandClock
from tests.support.service_accounts import account_pem, write_service_account

NOW = 1_780_000_000.0
CLOCK = HandClock(NOW)


def make_key() -> SigningKey:
    return SigningKey("KEY1234567", ec.generate_private_key(ec.SECP256R1()))


def write_key(path: Path) -> None:
    path.write_bytes(make_key().private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def open_providers(config: Config) -> Providers:
    return Providers(config, load_credentials(config, CLOCK), CLOCK, lambda encryptor: encryptor)


def apns_app(path: Path, key_id: str = "KEY1234567") -> AppSettings:
    return AppSettings(apns=ApnsAppSettings(team_id="TEAM123456", key_id=key_id, key_file=str(path)))


def test_another_signing_key_makes_a_new_token_at_once_and_the_same_one_none():
    key = make_key()
    source = ProviderTokenSource("TEAM123456", key)
    first = source.current(NOW)
    source.on_too_many_updates(NOW)
    assert not source.take_key(SigningKey(key.key_id, key.private_key))
    assert source.current(NOW + 1) is first
    assert source.take_key(make_key())
    assert source.current(NOW + 1) != first


def make_source(fetch, public_bytes: bytes) -> AccessTokenSource:
    return AccessTokenSource(
        "shop-1",
        fetch,
        retry=Backoff(1.0, 60.0, min),
        clock=CLOCK,
        uniform=min,
        public_bytes=public_bytes,
    )


async def refuse(now: float) -> Unavailable:
    await trio.lowlevel.checkpoint()
    return Unavailable(detail="answered 400 invalid_grant", can_retry=False)


async def give(now: float) -> AccessToken:
    await trio.lowlevel.checkpoint()
    return AccessToken(token="t1", expires_at_seconds=now + 3600)


async def test_another_account_key_ends_the_wait_after_a_refusal():
    source = make_source(refuse, b"old")
    with pytest.raises(CredentialUnavailableError):
        await source.acquire()
    assert not source.adopt(make_source(give, b"old"))
    with pytest.raises(CredentialUnavailableError):
        await source.acquire()
    assert source.adopt(make_source(give, b"new"))
    assert await source.acquire() == b"Bearer t1"


async def test_what_comes_of_a_replaced_key_says_nothing():
    source = make_source(refuse, b"old")

    async def replace_meanwhile(now: float) -> Unavailable:
        source.adopt(make_source(give, b"new"))
        return await refuse(now)

    source.exchange = replace_meanwhile
    assert await source.acquire() == b"Bearer t1"


async def test_each_file_that_can_be_used_is_taken_though_another_cannot(tmp_path):
    write_key(tmp_path / "shop.p8")
    write_key(tmp_path / "news.p8")
    apps = {"shop": apns_app(tmp_path / "shop.p8"), "news": apns_app(tmp_path / "news.p8", "KEY7654321")}
    config = Config(apps=apps)
    credentials = load_credentials(config, CLOCK)
    providers = Providers(config, credentials, CLOCK, lambda encryptor: encryptor)
    before = {app: credentials.apns[app].authorization(NOW) for app in apps}
    (tmp_path / "shop.p8").write_text("half a key")
    write_key(tmp_path / "news.p8")
    with structlog.testing.capture_logs() as log:
        found = await providers.reread()
    assert found.changed == ["apps.news.apns.key_file"]
    assert [fault.place for fault in found.faults] == ["apps.shop.apns.key_file"]
    assert [event["event"] for event in log] == ["credentials_changed", "credential_files_unusable"]
    assert credentials.apns["shop"].authorization(NOW) is before["shop"]
    assert credentials.apns["news"].authorization(NOW) != before["news"]


async def test_the_login_of_a_proxy_is_taken_for_sessions_and_for_access_tokens(tmp_path):
    login, account = tmp_path / "login", write_service_account(tmp_path / "account.json")
    login.write_text("gateway:old")
    config = Config(
        egress=EgressSettings(proxy="http://localhost:1", proxy_login_file=str(login)),
        apps={"shop": AppSettings(fcm=FcmAppSettings(service_account_file=str(account)))},
    )
    credentials = load_credentials(config, CLOCK)
    providers = Providers(config, credentials, CLOCK, lambda encryptor: encryptor)
    old = credentials.proxy.login.authorization
    login.write_text("no login")
    assert [fault.place for fault in (await providers.reread()).faults] == ["egress.proxy_login_file"]
    assert credentials.proxy.login.authorization == old
    login.write_text("gateway:new")
    write_service_account(account, private_key=account_pem(rsa.generate_private_key(65537, 2048)))
    found = await providers.reread()
    assert found.changed == ["apps.shop.fcm.service_account_file", "egress.proxy_login_file"]
    assert credentials.proxy.login.authorization != old
    # What fetches access tokens now is new, and its proxy the one that everything goes through.
    exchange = credentials.fcm["shop"].source.exchange.func.__self__
    assert exchange._network._proxy is credentials.proxy


async def test_no_key_is_made_of_a_file_that_is_the_same(tmp_path, monkeypatch):
    path = write_service_account(tmp_path / "account.json")
    providers = open_providers(Config(apps={"shop": AppSettings(fcm=FcmAppSettings(service_account_file=str(path)))}))
    made = []
    monkeypatch.setattr(service_account_key, "_load_key", lambda *arguments: made.append(arguments))
    await providers.reread()
    assert made == []


async def test_a_certificate_that_was_not_valid_yet_is_taken_when_it_is(tmp_path):
    path = tmp_path / "client.pem"
    clock = HandClock(datetime(2026, 6, 1, tzinfo=UTC).timestamp())
    authority = trustme.CA()

    def write(begins: datetime) -> None:
        issued = authority.issue_cert("shop", not_before=begins, not_after=datetime(2027, 6, 1, tzinfo=UTC))
        issued.private_key_and_cert_chain_pem.write_to_path(path)

    write(datetime(2026, 1, 1, tzinfo=UTC))
    config = Config(apps={"shop": AppSettings(apns=ApnsAppSettings(certificate_file=str(path)))})
    providers = Providers(config, load_credentials(config, clock), clock, lambda encryptor: encryptor)
    write(datetime(2026, 6, 2, tzinfo=UTC))
    found = await providers.reread()
    assert (list(found.changed), len(found.faults)) == ([], 1)
    clock.now += 2 * 86_400
    found = await providers.reread()
    assert (list(found.changed), list(found.faults)) == (["apps.shop.apns.certificate_file"], [])


async def test_nothing_new_is_nothing_to_tell(tmp_path):
    write_key(tmp_path / "shop.p8")
    providers = open_providers(Config(apps={"shop": apns_app(tmp_path / "shop.p8")}))
    with structlog.testing.capture_logs() as log:
        found = await providers.reread()
    assert (list(found.changed), list(found.faults), log) == ([], [], [])


async def test_another_vapid_key_is_what_preparation_knows_of_the_app(tmp_path):
    create_vapid_key_file(tmp_path / "vapid.pem")
    app = AppSettings(
        webpush=WebPushAppSettings(subject="mailto:push@example.org", vapid_key_file=str(tmp_path / "vapid.pem"))
    )
    providers = open_providers(Config(apps={"shop": app}))
    (tmp_path / "vapid.pem").unlink()
    key = create_vapid_key_file(tmp_path / "vapid.pem")
    assert (await providers.reread()).changed == ["apps.shop.webpush"]
    facts = providers.facts["shop"].webpush
    assert facts is not None
    assert list(facts.vapid_keys.values()) == [key.public_key]


async def test_an_account_of_the_same_project_is_taken_and_one_of_another_waits_for_a_restart(tmp_path):
    path = write_service_account(tmp_path / "account.json")
    config = Config(apps={"shop": AppSettings(fcm=FcmAppSettings(service_account_file=str(path)))})
    providers = open_providers(config)
    write_service_account(path, private_key=account_pem(rsa.generate_private_key(65537, 2048)))
    assert (await providers.reread()).changed == ["apps.shop.fcm.service_account_file"]
    write_service_account(path, project_id="shop-2")
    found = await providers.reread()
    assert list(found.changed) == []
    assert ["restart" in str(fault) for fault in found.faults] == [True]


def test_new_authorities_reach_dialers_that_exist_and_bad_ones_do_not(tmp_path):
    ca_file = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(ca_file)
    tls = ClientTls("apns.ca_file", ca_file)
    contexts: list[ssl.SSLContext] = []

    class Watched(Dialer):
        def replace_tls(self, tls: ssl.SSLContext) -> None:
            contexts.append(tls)

    resolver = Lookups(threads=1, clock=CLOCK).resolve
    dialer = tls.dress(
        lambda context: Watched(TcpAddress("localhost", 1), context, timeout_seconds=1.0, resolver=resolver)
    )
    assert tls.read() is None
    trustme.CA().cert_pem.write_to_path(ca_file)
    found = tls.read()
    assert found is not None
    tls.take(found)
    assert contexts == [found[1]]
    ca_file.write_text("no certificate")
    with pytest.raises(UnusableFileError, match=r"ca\.pem"):
        tls.read()
    assert contexts == [found[1]]
    del dialer


def test_a_client_certificate_is_read_again_whole(tmp_path):
    authority = trustme.CA()
    path = tmp_path / "client.pem"
    authority.issue_cert("shop").private_key_and_cert_chain_pem.write_to_path(path)
    tls = ClientTls("apps.shop.apns.certificate_file", None, certificate=lambda: (path, path))
    assert tls.read() is None
    authority.issue_cert("shop").private_key_and_cert_chain_pem.write_to_path(path)
    assert tls.read() is not None
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(UnusableFileError, match=r"client\.pem"):
        tls.read()


def test_changed_settings_are_named_as_they_stand_in_the_file():
    before = Config(apps={"shop": apns_app(Path("/a.p8")), "old": apns_app(Path("/b.p8"))})
    after = Config(
        apps={"shop": apns_app(Path("/c.p8")), "new": apns_app(Path("/b.p8"))}, limits=LimitSettings(connections=7)
    )
    assert find_changes(before, before) == []
    assert find_changes(before, after) == ["limits.connections", "apps.shop.apns.key_file", "apps.old", "apps.new"]
