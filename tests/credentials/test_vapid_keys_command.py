from base64 import urlsafe_b64decode

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from typer import Typer
from typer.testing import CliRunner

from gateway.cli.vapid_keys import vapid_keys
from gateway.config import load_config

command = Typer()
command.command()(vapid_keys)


def run(path, option="--out"):
    return CliRunner().invoke(command, [option, str(path)])


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


@pytest.mark.parametrize("options", [[], ["--out", "a.pem", "--public", "b.pem"]])
def test_one_thing_is_done_at_a_time(options):
    result = CliRunner().invoke(command, options)
    assert result.exit_code == 2
    assert "name one of them" in result.stderr


def test_the_help_teaches_how_keys_are_changed():
    text = CliRunner().invoke(command, ["--help"]).stdout
    assert 'vapid_key_files = { "default" = "old.pem", "2026" = "new.pem" }' in text
