"""What `pushmill serve` says when it cannot start."""

import subprocess
import sys
from pathlib import Path

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
