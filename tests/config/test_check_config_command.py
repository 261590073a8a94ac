import json
import re
import sqlite3
from contextlib import closing

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from typer import Typer
from typer.testing import CliRunner

from gateway.cli.check_config import check_config
from gateway.delivery.credentials import create_vapid_key_file
from gateway.journal.sqlite.disk.opening import make_empty
from tests.support.service_accounts import write_service_account

command = Typer()
command.command()(check_config)


@pytest.fixture(autouse=True)
def _without_the_machines_proxy(monkeypatch):
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def path(tmp_path):
    key = ec.generate_private_key(ec.SECP256R1())
    (tmp_path / "key.p8").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    path = tmp_path / "gateway.toml"
    path.write_text(
        '[journal]\ndirectory = "journal"\n'
        '[apps.shop.apns]\nteam_id = "DEF123GHIJ"\nkey_id = "ABC123DEFG"\nkey_file = "key.p8"\n'
        'topic = "com.example.[b]"\n'
    )
    return path


def run(path, *options, **environ):
    return CliRunner().invoke(command, ["--config", str(path), *options], env=environ)


def test_good_settings_are_shown_with_their_values_and_exit_0(path):
    result = run(path, PUSHMILL_LIMITS__CONNECTIONS="64")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert "limits.connections = 64" in lines
    assert "limits.batch_bytes = 8388608" in lines
    assert "apns.ca_file = -" in lines
    assert f'apps.shop.apns.key_file = "{path.parent}/key.p8"' in lines
    assert 'apps.shop.apns.topic = "com.example.[b]"' in lines
    assert lines[-1] == f"{path} is good"


def test_secrets_in_files_never_show(path):
    secret = (path.parent / "key.p8").read_text().splitlines()[1]
    for options in ((), ("--json",)):
        assert secret not in run(path, *options).output


def test_all_faults_of_the_settings_are_listed_and_exit_1(path):
    result = run(path, PUSHMILL_LIMITS__CONNECTIONS="x", PUSHMILL_LOG__LEVEL="loud")
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        "PUSHMILL_LIMITS__CONNECTIONS: expected a whole number from 1 to 1000000000",
        "PUSHMILL_LOG__LEVEL: expected 'debug' or 'info' or 'warning' or 'error'",
        f"2 faults in {path}",
    ]


def test_files_are_really_opened_and_a_bad_one_is_named_with_its_app(path):
    (path.parent / "key.p8").write_text("not a key")
    (path.parent / "tls.pem").write_text("not a certificate")
    files = dict.fromkeys(
        ("PUSHMILL_LISTEN__TLS_CERTIFICATE_FILE", "PUSHMILL_LISTEN__TLS_KEY_FILE"), str(path.parent / "tls.pem")
    )
    result = run(path, PUSHMILL_APNS__CA_FILE="/nowhere/ca.pem", **files)
    assert result.exit_code == 1
    *faults, count = result.stderr.splitlines()
    assert count == f"3 faults in {path}"
    assert faults[0].startswith(
        f"listen.tls_certificate_file: {path.parent}/tls.pem, {path.parent}/tls.pem: can't be used"
    )
    assert faults[1:] == [
        "apns.ca_file: /nowhere/ca.pem: No such file or directory",
        f"apps.shop.apns.key_file: {path.parent}/key.p8: holds no private key in PEM form",
    ]
    assert "limits.connections = 256" in result.stdout


def test_files_are_opened_in_the_same_round_as_settings_are_checked(path):
    (path.parent / "key.p8").write_text("not a key")
    path.write_text(
        path.read_text()
        + """
[apps.news.apns]
team_id = "DEF123GHIJ"
[apps.mail.webpush]
subject = "push@example.org"
vapid_key_file = "never opened: its section contradicts itself"
[apps.mail.fcm]
service_account_file = "absent.json"
[webpush]
padding = "much"
ca_file = "absent.pem"
"""
    )
    result = run(path)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.splitlines() == [
        "webpush.padding: expected 'off' or 'buckets'",
        "apps.news.apns.key_id: missing; a signing key needs team_id, key_id, key_file",
        "apps.news.apns.key_file: missing; a signing key needs team_id, key_id, key_file",
        (
            "apps.mail.webpush.subject: 'push@example.org' is no subject:"
            " write mailto:someone@your.domain or https://your.domain/contact"
        ),
        f"webpush.ca_file: {path.parent}/absent.pem: No such file or directory",
        f"apps.shop.apns.key_file: {path.parent}/key.p8: holds no private key in PEM form",
        f"apps.mail.fcm.service_account_file: {path.parent}/absent.json: No such file or directory",
        f"7 faults in {path}",
    ]


@pytest.mark.parametrize("section", ["apns", "fcm", "webpush"])
def test_authorities_of_every_provider_are_opened_and_told_once(path, section):
    write_service_account(path.parent / "account.json")
    path.write_text(path.read_text() + '[apps.shop.fcm]\nservice_account_file = "account.json"\n')
    result = run(path, **{f"PUSHMILL_{section.upper()}__CA_FILE": str(path)})
    assert result.stderr.splitlines() == [
        f"{section}.ca_file: {path}: can't be used: NO_CERTIFICATE_OR_CRL_FOUND",
        f"1 fault in {path}",
    ]


@pytest.fixture
def all_providers(path):
    """Settings of an app at all three providers, and its public keys."""
    write_service_account(path.parent / "account.json")
    keys = {name: create_vapid_key_file(path.parent / f"{name}.pem").public_key for name in ("2025", "2026")}
    path.write_text(
        path.read_text()
        + """
[apps.shop.fcm]
service_account_file = "account.json"
[apps.shop.webpush]
subject = "mailto:push@example.org"
vapid_key_files = { "2025" = "2025.pem", "2026" = "2026.pem" }
default_vapid_key = "2025"
"""
    )
    return keys


def test_what_providers_and_browsers_know_the_apps_by_is_shown(path, all_providers):
    result = run(path)
    assert result.exit_code == 0
    assert result.stderr == ""
    assert result.stdout.splitlines()[-6:] == [
        "",
        "shop sends to the FCM project shop-1",
        f"shop has the VAPID key 2025, the default; applicationServerKey: {all_providers['2025']}",
        f"shop has the VAPID key 2026; applicationServerKey: {all_providers['2026']}",
        "",
        f"{path} is good",
    ]
    assert json.loads(run(path, "--json").stdout)["apps"] == {
        "shop": {"fcm_project_id": "shop-1", "vapid_public_keys": all_providers, "default_vapid_key": "2025"}
    }


def test_no_private_key_shows(path, all_providers):
    secrets = [
        line
        for name in ("2025.pem", "2026.pem", "key.p8")
        for line in (path.parent / name).read_text().splitlines()
        if "-----" not in line
    ]
    secrets += json.loads((path.parent / "account.json").read_text())["private_key"].splitlines()[1:-1]
    for options in ((), ("--json",)):
        output = run(path, *options).output
        assert [secret for secret in secrets if secret in output] == []


def test_settings_that_widen_the_reach_are_warned_of(path):
    widened = {
        "PUSHMILL_WEBPUSH__ALLOWED_HOSTS": "push.example.org=other, localhost:4711=mozilla",
        "PUSHMILL_WEBPUSH__ALLOWED_NETWORKS": "127.0.0.0/8,10.1.0.0/16",
        "PUSHMILL_FCM__TOKEN_URI": "https://localhost:4712/token",
    }
    result = run(path, **widened)
    assert result.exit_code == 0
    assert result.stderr.splitlines() == [
        (
            "warning: webpush.allowed_hosts: endpoints from strangers may also lead to"
            " push.example.org (other), localhost:4711 (mozilla)"
        ),
        "warning: webpush.allowed_networks: hosts of endpoints may also have addresses in 127.0.0.0/8, 10.1.0.0/16",
        "warning: fcm.token_uri: assertions of service accounts go to https://localhost:4712/token, not to Google",
    ]
    warnings = json.loads(run(path, "--json", **widened).stdout)["warnings"]
    assert [warning["place"] for warning in warnings] == [
        "webpush.allowed_hosts",
        "webpush.allowed_networks",
        "fcm.token_uri",
    ]


def test_json_is_one_object_for_good_and_bad(path):
    good = json.loads(run(path, "--json").stdout)
    assert (good["ok"], good["faults"], good["settings"]["log"]["level"]) == (True, [], "info")
    result = run(path, "--json", PUSHMILL_LOG__LEVEL="loud")
    assert result.exit_code == 1
    bad = json.loads(result.stdout)
    assert [fault["place"] for fault in bad["faults"]] == ["PUSHMILL_LOG__LEVEL"]


def test_a_missing_file_is_a_fault_and_not_a_traceback(tmp_path):
    result = run(tmp_path / "absent.toml")
    assert result.exit_code == 1
    assert "absent.toml: No such file or directory" in result.stderr


def test_a_folder_that_cannot_have_the_journal_is_a_fault_and_nothing_is_made(path):
    result = run(path)
    assert f'journal.directory = "{path.parent}/journal"' in result.stdout.splitlines()
    assert not (path.parent / "journal").exists()
    (path.parent / "journal").write_text("")
    result = run(path)
    assert result.exit_code == 1
    assert f"journal.directory: {path.parent}/journal: is not a folder; change journal.directory" in result.stderr
    assert run(path, PUSHMILL_JOURNAL__ENGINE="memory").exit_code == 0


def test_a_journal_of_another_version_is_a_fault_before_the_start(path):
    (path.parent / "journal").mkdir()
    make_empty(path.parent / "journal" / "journal.db")
    assert run(path).exit_code == 0
    with closing(sqlite3.connect(path.parent / "journal" / "journal.db")) as connection:
        connection.execute("PRAGMA user_version = 7")
    assert "has version 7, this gateway reads" in run(path).stderr


def test_a_bound_of_the_journal_that_its_disk_does_not_have_is_a_warning(path):
    assert json.loads(run(path, "--json").stdout)["warnings"] == []
    result = run(path, PUSHMILL_JOURNAL__MOST_BYTES="17592186044416")
    assert result.exit_code == 0
    (line,) = result.stderr.splitlines()
    assert re.fullmatch(
        r"warning: journal\.most_bytes: 17592186044416 bytes, but the disk of \S+/journal has room for \d+, .*", line
    )
