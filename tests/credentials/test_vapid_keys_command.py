from base64 import urlsafe_b64decode

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from typer import Typer
from typer.testing import CliRunner

from gateway.cli.vapid_keys import vapid_keys

command = Typer()
command.command()(vapid_keys)


def run(path):
    return CliRunner().invoke(command, ["--out", str(path)])


def test_the_key_pair_is_written_for_its_owner_and_printed_for_browsers(tmp_path):
    path = tmp_path / "vapid.pem"
    result = run(path)
    assert result.exit_code == 0
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_bytes().startswith(b"-----BEGIN PRIVATE KEY-----\n")
    key = load_pem_private_key(path.read_bytes(), password=None)
    assert isinstance(key.curve, ec.SECP256R1)
    (printed,) = (line for line in result.stdout.splitlines() if line.startswith("applicationServerKey: "))
    point = urlsafe_b64decode(printed.removeprefix("applicationServerKey: ") + "=")
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
