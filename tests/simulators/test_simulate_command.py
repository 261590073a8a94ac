"""`pushmill simulate`: what it prints, that this suffices to send, how it ends, what it leaves.

As a process where it runs; what is refused ends by itself, and is called.
"""

import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import jwt
import orjson
import pytest
from py_vapid import Vapid02
from pywebpush import WebPusher
from typer.testing import CliRunner, Result

from bench.cli.simulate import all_providers, apns, fcm, webpush
from bench.simulators.apns import ApnsLedgerEntry, ApnsScenario
from bench.simulators.fcm import FcmLedgerEntry, FcmScenario
from bench.simulators.server import LedgerEntry, parse_scenario, read_ledger
from bench.simulators.together import AllScenarios
from bench.simulators.webpush import WebPushLedgerEntry, WebPushScenario
from gateway.cli.main import app
from tests.support.patience import HANG_SECONDS

COMMAND = (sys.executable, "-c", "from gateway.cli import main; main()", "simulate")
Facts = dict[str, Any]


@contextmanager
def open_client(facts: Facts) -> Iterator[httpx.Client]:
    context = ssl.create_default_context(cafile=facts["ca_file"])
    with httpx.Client(http2=True, verify=context, trust_env=False) as client:
        yield client


def push_to_apns(facts: Facts) -> httpx.Response:
    """Push as a caller would that knows nothing but the announced facts."""
    claims = {"iss": facts["team_id"], "iat": int(time.time())}
    key = Path(facts["key_file"]).read_bytes()
    token = jwt.encode(claims, key, algorithm="ES256", headers={"kid": facts["key_id"]})
    headers = {"authorization": f"bearer {token}", "apns-topic": facts["topic"], "apns-push-type": "alert"}
    with open_client(facts) as client:
        body = b'{"aps":{"alert":"hello"}}'
        return client.post(f"https://{facts['host']}:{facts['port']}/3/device/aa", headers=headers, content=body)


def send_to_fcm(facts: Facts) -> httpx.Response:
    """Exchange an assertion and send, as a caller would that knows nothing but the announced facts."""
    account = orjson.loads(Path(facts["service_account_file"]).read_bytes())
    now = int(time.time())
    claims = {"iss": account["client_email"], "aud": account["token_uri"], "iat": now, "exp": now + 3600}
    claims["scope"] = "https://www.googleapis.com/auth/firebase.messaging"
    kid = {"kid": account["private_key_id"]}
    assertion = jwt.encode(claims, account["private_key"], algorithm="RS256", headers=kid)
    form = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": assertion}
    with open_client(facts) as client:
        token = client.post(facts["token_uri"], data=form).json()["access_token"]
        return client.post(
            f"https://{facts['host']}:{facts['port']}/v1/projects/{facts['project_id']}/messages:send",
            headers={"authorization": f"Bearer {token}"},
            json={"message": {"token": "c8:aa", "data": {"order": "42"}}},
        )


def push_to_browser(facts: Facts) -> httpx.Response:
    """Push to the first subscription, as a caller would that knows nothing but the announced facts."""
    subscription = orjson.loads(Path(facts["subscriptions_file"]).read_bytes().splitlines()[0])["to"]["webpush"]
    origin = "https://" + httpx.URL(subscription["endpoint"]).netloc.decode()
    vapid = Vapid02.from_file(facts["vapid_key_files"][subscription["vapid_key"]])
    signed = vapid.sign({"sub": facts["subject"], "aud": origin, "exp": int(time.time()) + 3600})
    headers = {"authorization": signed["Authorization"], "ttl": "60", "content-encoding": "aes128gcm"}
    content = WebPusher(subscription).encode(b"hello")["body"]
    with open_client(facts) as client:
        return client.post(subscription["endpoint"], headers=headers, content=content)


PROVIDERS = pytest.mark.parametrize(
    ("provider", "send", "entry_type"),
    [
        ("apns", push_to_apns, ApnsLedgerEntry),
        ("fcm", send_to_fcm, FcmLedgerEntry),
        ("webpush", push_to_browser, WebPushLedgerEntry),
    ],
)


@contextmanager
def running(*arguments: str) -> Iterator[tuple[Facts, Callable[[int], tuple[int, str, str]]]]:
    """Start a command; yield what it announced, and a function that ends it by a signal."""
    with subprocess.Popen(  # noqa: S603 (our own words)
        [*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:

        def end(ending: int) -> tuple[int, str, str]:
            process.send_signal(ending)
            rest, summary = process.communicate(timeout=HANG_SECONDS)
            return process.returncode, rest, summary

        try:
            yield orjson.loads(process.stdout.readline()), end
        finally:
            process.kill()


def run(*arguments: str) -> Result:
    """Run a command that ends by itself in this process: a start of its own would cost most of such a test."""
    return CliRunner().invoke(app, ["simulate", *arguments], env={"COLUMNS": "400"})


@PROVIDERS
def test_command_announces_what_a_sender_needs_and_ends_clean(provider, send, entry_type, tmp_path):
    ledger = tmp_path / "ledger.ndjson"
    with running(provider, "--directory", str(tmp_path / "made"), "--ledger", str(ledger)) as (facts, end):
        assert send(facts).is_success
        code, rest, summary = end(signal.SIGINT)
    assert (code, rest) == (0, "")
    assert summary.startswith("1 requests on 1 connections: 1 x 20")
    assert [entry.processed for entry in read_ledger(ledger, entry_type)] == [True]


def test_all_three_run_in_one_process(tmp_path):
    scenario = tmp_path / "faults.toml"
    scenario.write_text(
        '[[apns.events]]\nat_request = 1\ndo = "answer"\nstatus = 410\nreason = "Unregistered"\n'
        '[[fcm.events]]\nat_request = 1\ndo = "answer"\nreason = "UNAVAILABLE"\n'
    )
    files = ("--directory", str(tmp_path / "made"), "--ledger", str(tmp_path / "ledgers"))
    with running("all", *files, "--scenario", str(scenario), "--subscriptions", "8") as (facts, end):
        assert push_to_apns(facts["apns"]).json() == {"reason": "Unregistered"}
        assert send_to_fcm(facts["fcm"]).status_code == 503
        assert push_to_browser(facts["webpush"]).status_code == 201
        assert len(Path(facts["webpush"]["subscriptions_file"]).read_bytes().splitlines()) == 8
        code, rest, summary = end(signal.SIGTERM)
    assert (code, rest) == (0, "")
    named = [line.partition(" on ")[0] for line in summary.splitlines() if not line.startswith(" ")]
    assert named == ["apns: 1 requests", "fcm: 1 requests", "webpush: 1 requests"]
    ledgers = {name: read_ledger(tmp_path / "ledgers" / f"{name}.ndjson", LedgerEntry) for name in facts}
    assert {name: [entry.status for entry in ledgers[name]] for name in facts} == {
        "apns": [410],
        "fcm": [503],
        "webpush": [201],
    }


def test_ctrl_c_before_it_listens_ends_clean(tmp_path):
    file = tmp_path / "subscriptions.ndjson"
    with subprocess.Popen(  # noqa: S603 (our own words)
        [*COMMAND, "webpush", "--directory", str(tmp_path), "--subscriptions", "1000000"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        while not file.exists() or file.stat().st_size == 0:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=HANG_SECONDS) == (b"", b"")
    assert process.returncode == 130


def test_announced_hosts_are_a_setting_of_the_gateway(tmp_path):
    with running("webpush", "--directory", str(tmp_path), "--subscriptions", "0") as (facts, end):
        assert facts["subscriptions_file"] is None
        hosts = {f"https://{host}": service for host, service in facts["allowed_hosts"].items()}
        services = {"mozilla": "mozilla", "fcm": "fcm", "apple": "apple", "wns": "wns", "http1": "other"}
        assert hosts == {facts["origins"][name]: service for name, service in services.items()}
        end(signal.SIGINT)


@pytest.mark.parametrize(
    ("provider", "scenario", "fault"),
    [
        ("apns", "[latency]\nmean = 1\n", ", latency: Object contains unknown field `mean`"),
        ("fcm", '[[events]]\nevery = 1\ndo = "answer"\n', ", events[0]: needs a status: FCM is not known to give"),
        ("webpush", '[[events]]\nevery = 1\norigin = "moz"\ndo = "cut"\n', ": unknown origin 'moz'; known are mozilla"),
        ("all", '[fcm]\n[[fcm.events]]\nevery = 0\ndo = "cut"\n', ", fcm.events[0]: every counts from 1; got 0"),
        ("all", "[gcm]\n", ": Object contains unknown field `gcm`"),
    ],
)
def test_wrong_scenario_is_refused_with_its_place(provider, scenario, fault, tmp_path):
    file = tmp_path / "wrong.toml"
    file.write_text(scenario)
    ended = run(provider, "--directory", str(tmp_path), "--scenario", str(file))
    assert (ended.exit_code, ended.stdout) == (2, "")
    assert ended.stderr.startswith(f"pushmill simulate {provider}: {file}{fault}")
    assert ended.stderr.count("\n") == 1


@pytest.mark.parametrize(("provider", "option"), [("apns", "{}"), ("fcm", "{}"), ("webpush", "apple={}")])
def test_taken_port_is_told_in_one_line(provider, option, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = run(provider, "--directory", str(tmp_path), "--port", option.format(port))
    assert ended.exit_code == 2
    assert ended.stderr.startswith(f"pushmill simulate {provider}: 127.0.0.1:{port}: ")
    assert "ddress already in use" in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_command_without_its_port_leaves_the_files_of_another_as_they_are(tmp_path):
    made, ledger = tmp_path / "made", tmp_path / "ledger"
    options = ("--directory", str(made), "--ledger", str(ledger), "--subscriptions", "2")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        base = taken.getsockname()[1] - 6
        taken_by_last = (*options, "--port", str(base), "--write-config", str(made / "gateway.toml"))
        assert run("all", *taken_by_last).exit_code == 2
        assert list(made.rglob("*")) == list(ledger.rglob("*.ndjson")) == []


def test_ports_of_all_stand_in_a_row_and_a_seed_keeps_the_subscriptions(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        base = free.getsockname()[1] - 10
    seen = []
    for directory in (tmp_path / "1", tmp_path / "2"):
        options = ("--directory", str(directory), "--port", str(base), "--seed", "spring", "--subscriptions", "4")
        with running("all", *options) as (facts, end):
            origins = [httpx.URL(url).port for url in facts["webpush"]["origins"].values()]
            assert [facts["apns"]["port"], facts["fcm"]["port"], *origins] == list(range(base, base + 7))
            seen.append(Path(facts["webpush"]["subscriptions_file"]).read_bytes())
            end(signal.SIGINT)
    assert seen[0] == seen[1]


def test_directory_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").touch()
    command = [*COMMAND, "all", "--directory", str(tmp_path / "file")]
    ended = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False, timeout=HANG_SECONDS)  # noqa: S603
    assert ended.returncode == 2
    assert ended.stderr.startswith(f"pushmill simulate all: {tmp_path / 'file'}")
    assert ended.stderr.count("\n") == 1


def test_seed_brings_the_same_subscriptions_back(tmp_path):
    paths = []
    for directory in (tmp_path / "1", tmp_path / "2"):
        made = ("--directory", str(directory), "--seed", "spring", "--subscriptions", "4")
        with running("webpush", *made) as (facts, end):
            lines = Path(facts["subscriptions_file"]).read_bytes().splitlines()
            paths.append([httpx.URL(orjson.loads(line)["to"]["webpush"]["endpoint"]).raw_path for line in lines])
            end(signal.SIGINT)
    assert paths[0] == paths[1]


def test_two_vapid_keys_of_one_name_are_refused(tmp_path):
    ended = run("webpush", "--directory", str(tmp_path), "--vapid-key", "a", "--vapid-key", "a")
    assert ended.exit_code == 2
    assert "no id twice" in ended.stderr


@pytest.mark.parametrize("assignment", ["mozilla", "mozilla=x", "mozilla=70000", "gcm=1"])
def test_port_of_a_service_must_name_both(assignment, tmp_path):
    ended = run("webpush", "--directory", str(tmp_path), "--port", assignment)
    assert ended.exit_code == 2
    assert "write SERVICE=PORT" in ended.stderr


@pytest.mark.parametrize(
    ("command", "kind"),
    [(apns, ApnsScenario), (fcm, FcmScenario), (webpush, WebPushScenario), (all_providers, AllScenarios)],
    ids=lambda value: value.__name__,
)
def test_scenario_in_the_help_is_one(command, kind):
    example = command.__doc__.split("```")[1]
    assert parse_scenario(example, kind) != kind()
