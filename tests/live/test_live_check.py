"""`pushmill check-config --live` at strict simulators: right and wrong credentials, and what is said of them."""

import json
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import orjson
import pytest
import trio
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from typer import Typer
from typer.testing import CliRunner

from bench.simulators.apns import (
    ApnsAnswerEvent,
    ApnsScenario,
    ApnsSimulatorOptions,
    ProviderKeyOptions,
    open_apns_simulator,
)
from bench.simulators.fcm import ExchangeEvent, FcmAnswerEvent, FcmScenario, FcmSimulatorOptions, open_fcm_simulator
from bench.simulators.server import GoawayEvent, SilenceEvent
from bench.simulators.webpush import open_webpush_simulator
from gateway.cli.check_config import check_config
from gateway.clock import SystemClock
from gateway.config import load_config
from gateway.delivery.credentials import create_vapid_key_file, load_credentials
from gateway.live import Choice, Finding, UnknownChoiceError, check_live, probes
from tests.support.clocks import HandClock, LeapingClock
from tests.support.connect_proxy import LOGIN, open_connect_proxy
from tests.support.gateway import apns_sections, fcm_sections, webpush_sections, write_config
from tests.support.patience import HANG_SECONDS
from tests.support.service_accounts import account_pem

command = Typer()
command.command()(check_config)


async def check(path, *, timeout_seconds=HANG_SECONDS, **choice):
    clock = SystemClock()
    config = load_config(path, {})
    with trio.fail_after(2 * HANG_SECONDS):
        return await check_live(
            config, load_credentials(config, clock), Choice(**choice), clock, timeout_seconds=timeout_seconds
        )


async def check_apns(folder, simulator, **app):
    sections = apns_sections(simulator)
    sections["apps.shop.apns"] |= app
    (answer,) = await check(write_config(folder, None, **sections))
    return answer


async def check_fcm(folder, simulator, file=None):
    sections = fcm_sections(simulator)
    if file is not None:
        sections["apps.shop.fcm"] = {"service_account_file": str(file)}
    (answer,) = await check(write_config(folder, None, **sections))
    return answer


def answering(*events):
    return ApnsSimulatorOptions(scenario=ApnsScenario(events=events))


def saying(status, reason):
    return ApnsAnswerEvent(every=1, status=status, reason=reason)


def leaving(reason):
    return GoawayEvent(on_connect=True, reason=reason, close="at_once")


def write_p8(path):
    key = ec.generate_private_key(ec.SECP256R1())
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return str(path)


# --- APNs ---


@pytest.mark.parametrize(
    ("events", "came_back"),
    [
        ((), "200"),
        ((ApnsAnswerEvent(every=1, status=400, reason="BadDeviceToken"),), "400 BadDeviceToken"),
        ((ApnsAnswerEvent(every=1, status=400, reason="DeviceTokenNotForTopic"),), "400 DeviceTokenNotForTopic"),
        ((ApnsAnswerEvent(every=1, status=410, reason="Unregistered"),), "410 Unregistered"),
    ],
)
async def test_apns_proves_a_key_by_complaining_of_the_token_alone(tmp_path, events, came_back):
    async with open_apns_simulator(answering(*events)) as simulator:
        answer = await check_apns(tmp_path, simulator)
        (entry,) = simulator.ledger.entries
    assert (answer.finding, answer.came_back, answer.through) == (Finding.PROVEN, came_back, None)
    assert (answer.setting, answer.to) == ("apps.shop.apns", f"localhost:{simulator.port}")
    assert entry.destination == "0" * 64
    assert "com.example.shop" in answer.sent
    assert "production" in answer.sent


@pytest.mark.parametrize(
    ("app", "came_back", "to_do"),
    [
        ({"key_file": "wrong"}, "403 InvalidProviderToken", "check team_id, key_id and key_file"),
        ({"key_id": "WRONGKEYID"}, "403 InvalidProviderToken", "check team_id, key_id and key_file"),
        ({"team_id": "WRONGTEAMI"}, "403 InvalidProviderToken", "check team_id, key_id and key_file"),
        ({"topic": "com.example.other"}, "400 TopicDisallowed", "check topic"),
    ],
)
async def test_apns_refuses_what_is_wrong_and_it_is_said_what_to_do(tmp_path, app, came_back, to_do):
    if "key_file" in app:
        app = {"key_file": write_p8(tmp_path / "wrong.p8")}
    async with open_apns_simulator() as simulator:
        answer = await check_apns(tmp_path, simulator, **app)
    assert (answer.finding, answer.came_back) == (Finding.REFUSED, came_back)
    assert answer.to_do.startswith(to_do)


async def test_apns_refuses_a_token_of_a_clock_that_is_wrong(tmp_path):
    clock = LeapingClock()
    clock.leap(7200)
    async with open_apns_simulator(ApnsSimulatorOptions(clock=clock)) as simulator:
        answer = await check_apns(tmp_path, simulator)
    assert (answer.finding, answer.came_back) == (Finding.REFUSED, "403 ExpiredProviderToken")
    assert answer.to_do == "check this machine's clock"


@pytest.mark.parametrize(
    ("event", "came_back", "finding"),
    [
        (leaving("BadCertificate"), "GOAWAY BadCertificate", Finding.REFUSED),
        (saying(403, "BadCertificateEnvironment"), "403 BadCertificateEnvironment", Finding.REFUSED),
        (saying(403, "SomethingNew"), "403 SomethingNew", Finding.REFUSED),
        (saying(429, "TooManyProviderTokenUpdates"), "429 TooManyProviderTokenUpdates", Finding.UNTOLD),
        (saying(503, "ServiceUnavailable"), "503 ServiceUnavailable", Finding.UNTOLD),
        (saying(418, "Teapot"), "418 Teapot", Finding.UNTOLD),
        (leaving(""), None, Finding.UNTOLD),
    ],
)
async def test_other_answers_of_apns_are_told_for_what_they_are(tmp_path, event, came_back, finding):
    async with open_apns_simulator(answering(event)) as simulator:
        answer = await check_apns(tmp_path, simulator)
    assert (answer.came_back, answer.finding) == (came_back, finding)


async def test_an_app_without_an_environment_is_tried_in_both_and_one_without_a_topic_in_none(tmp_path):
    async with open_apns_simulator(ApnsSimulatorOptions(keys=(ProviderKeyOptions(),))) as simulator:
        sections = apns_sections(simulator)
        sections["apns"]["sandbox_address"] = f"localhost:{simulator.port}"
        del sections["apps.shop.apns"]["environment"]
        answers = await check(write_config(tmp_path, None, **sections))
        assert [answer.finding for answer in answers] == [Finding.PROVEN] * 2
        assert [answer.sent.rpartition(" ")[2] for answer in answers] == ["production", "sandbox"]
        del sections["apps.shop.apns"]["topic"]
        answers = await check(write_config(tmp_path, None, **sections))
        assert [(answer.finding, answer.meaning) for answer in answers] == [(Finding.UNTOLD, "nothing was sent")] * 2
        assert len(simulator.ledger.entries) == 2


async def test_a_client_certificate_is_tried_too(tmp_path):
    async with open_apns_simulator(ApnsSimulatorOptions(client_certificate_topics=("com.example.shop",))) as simulator:
        sections = apns_sections(simulator)
        sections["apps.shop.apns"] = {
            "certificate_file": str(simulator.credentials.client_certificate.certificate_file),
            "certificate_key_file": str(simulator.credentials.client_certificate.key_file),
            # No topic: the certificate names it.
            "environment": "production",
        }
        (answer,) = await check(write_config(tmp_path, None, **sections))
    assert answer.finding is Finding.PROVEN, answer


# --- FCM ---


async def test_fcm_proves_an_account_with_a_message_that_is_validated_only(tmp_path):
    async with open_fcm_simulator() as simulator:
        answer = await check_fcm(tmp_path, simulator)
        (entry,) = simulator.ledger.entries
    assert (answer.finding, answer.came_back) == (Finding.PROVEN, "200")
    assert entry.validate_only is True
    assert entry.destination == probes.REGISTRATION_TOKEN
    assert simulator.token_uri in answer.sent


@pytest.mark.parametrize(
    ("reason", "finding"),
    [
        ("INVALID_ARGUMENT", Finding.PROVEN),
        ("UNREGISTERED", Finding.PROVEN),
        ("SENDER_ID_MISMATCH", Finding.PROVEN),
        ("THIRD_PARTY_AUTH_ERROR", Finding.PROVEN),
        ("PERMISSION_DENIED", Finding.REFUSED),
        ("UNAUTHENTICATED", Finding.REFUSED),
        ("NOT_FOUND", Finding.REFUSED),
        ("QUOTA_EXCEEDED", Finding.UNTOLD),
        ("UNAVAILABLE", Finding.UNTOLD),
    ],
)
async def test_what_fcm_answers_says_whether_it_accepts_the_account(tmp_path, reason, finding):
    scenario = FcmScenario(events=(FcmAnswerEvent(every=1, reason=reason),))
    async with open_fcm_simulator(FcmSimulatorOptions(scenario=scenario)) as simulator:
        answer = await check_fcm(tmp_path, simulator)
    assert answer.finding is finding
    assert answer.to_do is None if finding is Finding.PROVEN and reason != "THIRD_PARTY_AUTH_ERROR" else answer.to_do


async def test_an_account_whose_key_google_does_not_know_is_refused(tmp_path):
    async with open_fcm_simulator() as simulator:
        account = orjson.loads(simulator.account.file.read_bytes())
        wrong = account | {"private_key": account_pem(rsa.generate_private_key(65537, 2048))}
        (tmp_path / "wrong.json").write_bytes(orjson.dumps(wrong))
        answer = await check_fcm(tmp_path, simulator, tmp_path / "wrong.json")
    assert answer.finding is Finding.REFUSED
    assert "400 invalid_grant" in answer.came_back
    assert answer.to_do.startswith("check service_account_file")


async def test_an_account_of_another_project_is_refused_by_fcm(tmp_path):
    async with open_fcm_simulator() as simulator:
        account = orjson.loads(simulator.account.file.read_bytes())
        (tmp_path / "wrong.json").write_bytes(orjson.dumps(account | {"project_id": "shop-2"}))
        answer = await check_fcm(tmp_path, simulator, tmp_path / "wrong.json")
    assert answer.finding is Finding.REFUSED
    assert "may not send for this project" in answer.meaning


async def test_a_token_endpoint_in_trouble_says_nothing_of_the_account(tmp_path):
    scenario = FcmScenario(exchanges=(ExchangeEvent(status=503),))
    async with open_fcm_simulator(FcmSimulatorOptions(scenario=scenario)) as simulator:
        answer = await check_fcm(tmp_path, simulator)
    assert (answer.finding, answer.meaning) == (
        Finding.UNTOLD,
        "no access token could be had, and that may mend itself",
    )


# --- Web Push ---


async def test_each_key_is_tried_at_each_service_with_an_endpoint_of_nobody(tmp_path):
    async with open_webpush_simulator() as simulator:
        origins = [origin.removeprefix("https://") for origin in simulator.origins.values()]
        answers = await check(write_config(tmp_path, None, **webpush_sections(simulator)), services=origins)
        entries = simulator.ledger.entries
    assert len(answers) == 2 * 5
    assert {answer.finding for answer in answers} == {Finding.NOT_REFUSED}
    assert {answer.to for answer in answers} == set(origins)
    assert {answer.came_back[:3] for answer in answers} <= {"404", "410"}
    assert len({entry.destination for entry in entries}) == 10


@pytest.mark.parametrize("service", ["mozilla", "fcm", "apple", "wns"])
async def test_a_service_that_looks_at_the_signature_first_refuses_a_wrong_clock(tmp_path, monkeypatch, service):
    async with open_webpush_simulator() as simulator:
        host = simulator.origins[service].removeprefix("https://")
        endpoint = simulator.make_subscription(service, 0)["subscription"]["endpoint"]
        monkeypatch.setattr(probes, "make_endpoint", lambda *_: endpoint)
        path = write_config(tmp_path, None, **webpush_sections(simulator))
        config = load_config(path, {})
        ages = HandClock(SystemClock().wall() - 2 * 86_400)
        credentials = load_credentials(config, ages)
        choice = Choice(services=[host])
        answers = await check_live(config, credentials, choice, SystemClock(), timeout_seconds=HANG_SECONDS)
    assert {answer.finding for answer in answers} <= {Finding.REFUSED, Finding.UNTOLD}
    if service in {"fcm", "apple"}:
        assert {answer.finding for answer in answers} == {Finding.REFUSED}
        assert all("check subject" in answer.to_do for answer in answers)


async def test_a_service_that_takes_the_message_proves_the_key_and_one_of_another_key_can_not(tmp_path, monkeypatch):
    async with open_webpush_simulator() as simulator:
        line = simulator.make_subscription("mozilla", 0)
        monkeypatch.setattr(probes, "make_endpoint", lambda *_: line["subscription"]["endpoint"])
        host = simulator.origins["mozilla"].removeprefix("https://")
        path = write_config(tmp_path, None, **webpush_sections(simulator))
        answers = {answer.sent.split()[7]: answer for answer in await check(path, services=[host])}
    other = next(name for name in answers if name != line["vapid_key"])
    assert answers[line["vapid_key"]].finding is Finding.PROVEN
    assert answers[other].finding is Finding.UNTOLD
    assert "doesn't say which" in answers[other].meaning


def test_every_known_service_is_asked_where_its_endpoints_stand():
    from protocol.providers.webpush import EndpointPolicy  # noqa: PLC0415 - for this test alone

    policy = EndpointPolicy()
    for authority, service in probes.SERVICE_HOSTS.values():
        endpoints = {probes.make_endpoint(authority, service) for _ in range(2)}
        assert len(endpoints) == 2
        assert {policy.find_service(policy.read_endpoint(url).origin) for url in endpoints} == {service}


# --- All ---


async def test_what_can_not_be_reached_is_said_and_nobody_waits_for_ever(tmp_path):
    async with open_apns_simulator(answering(SilenceEvent(every=1))) as silent, open_fcm_simulator() as fcm:
        sections = apns_sections(silent) | fcm_sections(fcm)
        sections["fcm"]["address"] = "localhost:1"
        apns, unreachable = await check(write_config(tmp_path, None, **sections), timeout_seconds=1.0)
    assert (apns.finding, apns.meaning) == (Finding.UNTOLD, "nothing came back within 1 s")
    assert unreachable.finding is Finding.UNTOLD
    assert "it could not be reached: localhost:1" in unreachable.meaning
    assert (apns.came_back, unreachable.came_back) == (None, None)


async def test_only_what_is_chosen_is_tried(tmp_path):
    async with open_apns_simulator() as apns, open_fcm_simulator() as fcm:
        path = write_config(tmp_path, None, **(apns_sections(apns) | fcm_sections(fcm)))
        assert [answer.provider for answer in await check(path, providers=["fcm"])] == ["fcm"]
        assert await check(path, apps=["shop"], providers=["webpush"]) == []
        for choice in ({"apps": ["x"]}, {"providers": ["x"]}, {"services": ["x"]}):
            with pytest.raises(UnknownChoiceError, match="'x' to try; there is"):
                await check(path, **choice)
        assert len(apns.ledger.entries) == 0


async def test_it_goes_through_the_proxy_as_the_gateway_does(tmp_path):
    (tmp_path / "login").write_text(LOGIN)
    async with (
        open_connect_proxy() as proxy,
        open_apns_simulator() as apns,
        open_fcm_simulator() as fcm,
        open_webpush_simulator() as webpush,
    ):
        proxy.login = LOGIN
        egress = {"proxy": proxy.url, "proxy_login_file": str(tmp_path / "login")}
        sections = apns_sections(apns) | fcm_sections(fcm) | webpush_sections(webpush) | {"egress": egress}
        path = write_config(tmp_path, None, **sections)
        hosts = [origin.removeprefix("https://") for origin in webpush.origins.values()]
        answers = await check(path, services=hosts)
        assert {answer.through for answer in answers} == {proxy.url}
        assert {answer.finding for answer in answers} == {Finding.PROVEN, Finding.NOT_REFUSED}
        servers = {f"localhost:{port}" for port in (apns.port, fcm.port, *webpush.ports.values())}
        assert set(proxy.targets) == {*servers, urlsplit(fcm.token_uri).netloc}
        (tmp_path / "login").write_text("gateway:wrong")
        answers = await check(path, providers=["apns", "fcm"])
    assert [answer.finding for answer in answers] == [Finding.UNTOLD] * 2
    assert all("407: it refuses user or password" in (answer.came_back or answer.meaning) for answer in answers)


def find_secrets(key_file, account_file):
    """Return the lines of private keys, and how tokens begin."""
    keys = Path(key_file).read_text() + json.loads(account_file.read_text())["private_key"]
    return [*(line for line in keys.splitlines() if line and "-----" not in line), "eyJ", "ya29", "earer "]


def run(path, *options):
    return CliRunner().invoke(command, ["--config", str(path), "--live", *options])


async def run_beside(path, *options):
    return await trio.to_thread.run_sync(partial(run, path, *options))


@pytest.mark.parametrize(("is_right", "exit_code"), [(True, 0), (False, 1)])
async def test_the_command_says_it_in_text_and_json_without_secrets(tmp_path, is_right, exit_code):
    async with open_apns_simulator() as apns, open_fcm_simulator() as fcm:
        sections = apns_sections(apns) | fcm_sections(fcm)
        if not is_right:
            sections["apps.shop.apns"]["key_file"] = write_p8(tmp_path / "wrong.p8")
        path = write_config(tmp_path, None, **sections)
        text, as_json = await run_beside(path), await run_beside(path, "--json")
        secrets = find_secrets(sections["apps.shop.apns"]["key_file"], fcm.account.file)
    assert (text.exit_code, as_json.exit_code) == (exit_code, exit_code), text.output
    report = json.loads(as_json.stdout)
    assert report["ok"]
    words = ["proven" if is_right else "refused", "proven"]
    assert [answer["finding"] for answer in report["live"]] == words
    assert "  proven: FCM accepts the credential" in text.stdout
    assert ("  REFUSED: APNs doesn't accept the provider token" in text.stdout) is not is_right
    assert ("  to do: check team_id, key_id and key_file" in text.stdout) is not is_right
    assert [secret for secret in secrets if secret in text.output + as_json.output] == []


async def test_what_can_not_be_told_has_an_exit_code_of_its_own(tmp_path):
    async with open_apns_simulator() as apns:
        sections = apns_sections(apns)
        sections["apns"]["production_address"] = "localhost:1"
        result = await run_beside(write_config(tmp_path, None, **sections))
    assert result.exit_code == 3
    assert "  can't be told: it could not be reached: localhost:1" in result.stdout


def test_nothing_is_sent_with_settings_that_have_a_fault(tmp_path):
    path = tmp_path / "gateway.toml"
    path.write_text("[log]\nlevel = 'loud'\n")
    result = run(path)
    assert result.exit_code == 1
    assert "nothing was sent: mend the faults first" in result.stderr


def test_a_choice_that_there_is_not_is_said(tmp_path):
    create_vapid_key_file(tmp_path / "vapid.pem")
    app = {"subject": "mailto:push@example.org", "vapid_key_file": str(tmp_path / "vapid.pem")}
    path = write_config(tmp_path, None, **{"apps.shop.webpush": app})
    result = run(path, "--service", "opera")
    assert result.exit_code == 2
    assert "'opera'" in result.output
    assert msgspec.json.encode(Finding.PROVEN) == b'"proven"'
