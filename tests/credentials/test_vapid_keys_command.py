import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from typer import Typer
from typer.testing import CliRunner

from gateway.cli.vapid_keys import vapid_keys
from gateway.config import load_config

RAW = json.loads((Path(__file__).parent.parent / "protocol" / "data" / "vapid_raw.json").read_text())
command = Typer()
command.command()(vapid_keys)


def run(path, option="--out", *more, given=None):
    return CliRunner().invoke(command, [option, str(path), *more], input=given)


def printed_key(result):
    (line,) = (line for line in result.stdout.splitlines() if line.startswith("applicationServerKey: "))
    return line.removeprefix("applicationServerKey: ")


def test_the_key_pair_is_written_for_its_owner_and_printed_for_browsers(tmp_path):
    path = tmp_path / "vapid.pem"
    result = run(path)
    assert result.exit_code == 0
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_bytes().startswith(b"-----BEGIN PRIVATE KEY-----\n")
    key = load_pem_private_key(path.read_bytes(), password=None)
    assert isinstance(key.curve, ec.SECP256R1)
    point = urlsafe_b64decode(printed_key(result) + "=")
    assert point == key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    assert len(point) == 65
    assert path.read_text().splitlines()[1] not in result.output


def test_an_existing_key_is_never_overwritten(tmp_path):
    path = tmp_path / "vapid.pem"
    run(path)
    before = path.read_bytes()
    result = run(path)
    assert result.exit_code == 1
    assert "exists; a VAPID key is never overwritten" in result.stderr
    assert path.read_bytes() == before


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    result = run(tmp_path / "nowhere" / "vapid.pem")
    assert result.exit_code == 1
    assert "vapid.pem: No such file or directory" in result.stderr


def test_the_printed_lines_are_settings(tmp_path):
    result = run(tmp_path / "my key.pem")
    settings = tmp_path / "gateway.toml"
    settings.write_text(result.stdout[result.stdout.index("[apps") :])
    app = load_config(settings, {}).apps["shop"].webpush
    assert app.key_files == {"default": f"{tmp_path}/my key.pem"}


def test_the_public_key_of_an_existing_file_is_shown_and_nothing_is_written(tmp_path):
    path = tmp_path / "vapid.pem"
    made = printed_key(run(path))
    before = path.read_bytes()
    result = run(path, "--public")
    assert result.exit_code == 0
    assert result.stdout == f"applicationServerKey: {made}\n"
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_without_a_key_is_named(tmp_path):
    result = run(tmp_path / "absent.pem", "--public")
    assert result.exit_code == 1
    assert result.stderr == f"pushmill: {tmp_path}/absent.pem: No such file or directory\n"
    (tmp_path / "text.pem").write_text("c4n4ry")
    result = run(tmp_path / "text.pem", "--public")
    assert (result.exit_code, "holds no private key in PEM form" in result.stderr) == (1, True)
    assert "c4n4ry" not in result.output


@pytest.mark.parametrize(
    "options", [[], ["--out", "a.pem", "--public", "b.pem"], ["--import", "a.pem", "--public", "b.pem"]]
)
def test_one_thing_is_done_at_a_time(options):
    result = CliRunner().invoke(command, options)
    assert result.exit_code == 2
    assert "name one of them" in result.stderr


@pytest.mark.parametrize("form", ["json", "text", "pem", "stdin"])
def test_a_pair_of_another_tool_is_imported_and_never_shown(tmp_path, form):
    line = "=" * 39
    text = f"\n{line}\n\nPublic Key:\n{RAW['publicKey']}\n\nPrivate Key:\n{RAW['privateKey']}\n\n{line}\n"
    source, path = tmp_path / "source", tmp_path / "vapid.pem"
    source.write_text(text if form == "text" else json.dumps(RAW))
    if form == "pem":
        run(source, "--import", "--out", str(tmp_path / "first.pem"))
        source = tmp_path / "first.pem"
    given = json.dumps(RAW) if form == "stdin" else None
    result = run("-" if form == "stdin" else source, "--import", "--out", str(path), given=given)
    assert (result.exit_code, printed_key(result)) == (0, RAW["publicKey"])
    assert path.stat().st_mode & 0o777 == 0o600
    key = load_pem_private_key(path.read_bytes(), password=None)
    number = key.private_numbers().private_value.to_bytes(32, "big")
    assert urlsafe_b64encode(number).decode().rstrip("=") == RAW["privateKey"]
    assert RAW["privateKey"] not in result.output
    assert path.read_text().splitlines()[1] not in result.output
    assert run(path, "--public").stdout == f"applicationServerKey: {RAW['publicKey']}\n"


def test_an_import_goes_to_vapid_pem_where_no_file_is_named_and_overwrites_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pair.json").write_text(json.dumps(RAW))
    assert run("pair.json", "--import").exit_code == 0
    assert load_pem_private_key((tmp_path / "vapid.pem").read_bytes(), password=None)
    again = run("pair.json", "--import")
    assert (again.exit_code, "vapid.pem exists" in again.stderr) == (1, True)


def test_a_pair_that_does_not_belong_together_is_not_imported(tmp_path):
    stranger = printed_key(run(tmp_path / "other.pem"))
    result = run("-", "--import", "--out", str(tmp_path / "a.pem"), given=json.dumps(RAW | {"publicKey": stranger}))
    assert result.exit_code == 1
    assert result.stderr == "pushmill: standard input: holds a public key that doesn't belong to the private one\n"
    assert not (tmp_path / "a.pem").exists()


def test_the_help_teaches_how_keys_are_changed():
    text = CliRunner().invoke(command, ["--help"]).stdout
    assert 'vapid_key_files = { "default" = "old.pem", "2026" = "new.pem" }' in text
