"""What `pushmill serve` says when it cannot start."""

import subprocess
import sys
from pathlib import Path

import pytest
import trio

from bench.simulators.apns import open_apns_simulator
from tests.support.gateway import write_config


async def test_a_place_that_cannot_be_listened_at_is_named_and_ends_it_with_exit_code_1(tmp_path: Path):
    (tmp_path / "gateway.sock").write_text("not a socket")
    async with open_apns_simulator() as simulator:
        config = write_config(tmp_path, simulator)
        done: subprocess.CompletedProcess[bytes] = await trio.run_process(
            [sys.executable, "-m", "gateway.cli", "serve", "--config", str(config)], check=False, capture_stderr=True
        )
    assert done.returncode == 1
    # The error has come through several nurseries, whose groups would say nothing.
    assert f"pushmill: unix:{tmp_path / 'gateway.sock'}: there is a file that is not a socket" in done.stderr.decode()
    assert (tmp_path / "gateway.sock").read_text() == "not a socket"


def spoil_nothing(folder: Path) -> dict[str, object]:
    return {"apns": {"unheard_of": 1}}


def spoil_signing_key(folder: Path) -> dict[str, object]:
    (folder / "key.p8").write_text("not a key")
    return {"apps.shop.apns": {"key_file": str(folder / "key.p8")}}


def spoil_authorities(folder: Path) -> dict[str, object]:
    (folder / "ca.pem").write_text("not a certificate")
    return {"apns": {"ca_file": str(folder / "ca.pem")}}


def spoil_own_certificate(folder: Path) -> dict[str, object]:
    (folder / "own.pem").write_text("not a certificate")
    files = {"tls_certificate_file": str(folder / "own.pem"), "tls_key_file": str(folder / "own.pem")}
    return {"listen": {"socket": ["tcp:127.0.0.1:0"], **files}}


@pytest.mark.parametrize("spoil", [spoil_nothing, spoil_signing_key, spoil_authorities, spoil_own_certificate])
async def test_settings_and_files_that_cannot_be_used_end_it_with_exit_code_2(tmp_path: Path, spoil):
    sections = spoil(tmp_path)
    async with open_apns_simulator() as simulator:
        config = write_config(tmp_path, simulator, **sections)
        done: subprocess.CompletedProcess[bytes] = await trio.run_process(
            [sys.executable, "-m", "gateway.cli", "serve", "--config", str(config)], check=False, capture_stderr=True
        )
    (place,) = sections
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr
    assert place.encode() in done.stderr or b"ca_file" in done.stderr
