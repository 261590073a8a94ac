import json

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from typer import Typer
from typer.testing import CliRunner

from gateway.cli.check_config import check_config

command = Typer()
command.command()(check_config)


@pytest.fixture
def path(tmp_path):
    key = ec.generate_private_key(ec.SECP256R1())
    (tmp_path / "key.p8").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    path = tmp_path / "gateway.toml"
    path.write_text(
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
