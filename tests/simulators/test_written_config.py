"""`pushmill simulate all --write-config`: settings and notifications that work as they are, tried with processes."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
import pytest

from bench.simulators.apns import ApnsSimulatorOptions
from bench.simulators.fcm import FcmSimulatorOptions
from bench.simulators.gateway_config import APP
from bench.simulators.server import LedgerEntry, read_ledger
from bench.simulators.together import AllOptions, open_all_simulators
from gateway.cli.sending import SourceLine, read_ndjson
from gateway.config import load_config
from tests.support.patience import HANG_SECONDS

PUSHMILL = (sys.executable, "-m", "gateway.cli")


@contextmanager
def running(*arguments: str, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Run a command until the block ends."""
    with subprocess.Popen(  # noqa: S603 (our own words)
        [*PUSHMILL, *arguments], stdout=subprocess.PIPE, text=True, cwd=folder
    ) as process:
        try:
            yield process
        finally:
            process.terminate()
            process.wait(HANG_SECONDS)


def wait_for_door(path: Path, gateway: subprocess.Popen[str]) -> None:
    """Return once the gateway takes connections; fail when it ends instead."""
    while gateway.poll() is None:
        with socket.socket(socket.AF_UNIX) as door:
            try:
                door.connect(str(path))
            except OSError:
                time.sleep(0.05)
            else:
                return
    pytest.fail(f"the gateway ended with exit code {gateway.returncode}")


def send(facts, file: str) -> list[dict]:
    words = ("send", "--app", facts["gateway"]["app"], "--address", facts["gateway"]["address"])
    sent = subprocess.run(  # noqa: S603 (our own words)
        [*PUSHMILL, *words, "--file", file, "--title", "Hello", "--json"],
        capture_output=True,
        text=True,
        check=False,
        timeout=HANG_SECONDS,
    )
    assert sent.returncode == 0, sent.stdout + sent.stderr
    return [orjson.loads(line) for line in sent.stdout.splitlines()]


@pytest.mark.long
def test_written_settings_and_notifications_work_as_they_are(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    made = ("--directory", "made", "--ledger", "ledgers", "--subscriptions", "8", "--write-config", "gateway.toml")
    with running("simulate", "all", *made, folder=tmp_path) as simulators:
        facts = orjson.loads(simulators.stdout.readline())
        with running("serve", "--config", "gateway.toml", folder=tmp_path) as gateway:
            wait_for_door(Path(facts["gateway"]["address"].removeprefix("unix:")), gateway)
            examples = send(facts, facts["gateway"]["notifications_file"])
            browsers = send(facts, str(tmp_path / facts["webpush"]["subscriptions_file"]))
    assert {row["outcome"] for row in examples + browsers} == {"provider_accepted"}
    counts = {
        name: len(read_ledger(tmp_path / f"ledgers/{name}.ndjson", LedgerEntry)) for name in ("apns", "fcm", "webpush")
    }
    assert counts == {"apns": 1, "fcm": 2, "webpush": 4 + 8}


async def test_written_settings_are_good_for_other_options(tmp_path):
    options = AllOptions(
        apns=ApnsSimulatorOptions(environment="sandbox"),
        fcm=FcmSimulatorOptions(host="0.0.0.0"),  # noqa: S104 - a test's own port
        config_file=tmp_path / "new" / "gateway.toml",
        directory=tmp_path / "m\u00fc\U0001f4ee",
    )
    async with open_all_simulators(options) as simulators:
        config = load_config(tmp_path / "new" / "gateway.toml", {})
        assert config.apns.sandbox_address == f"127.0.0.1:{simulators.apns.port}"
        assert config.fcm.address == f"127.0.0.1:{simulators.fcm.port}"
        assert set(config.apps) == {APP}
        with simulators.gateway.notifications_file.open() as lines:
            assert all(isinstance(line, SourceLine) for line in read_ndjson(lines, "notifications"))


async def test_folder_too_deep_for_a_socket_is_named(tmp_path):
    options = AllOptions(config_file=tmp_path / "gateway.toml", directory=tmp_path / ("d" * 100))
    with pytest.raises(OSError, match="too long a path for a Unix socket"):
        async with open_all_simulators(options):
            pytest.fail("it runs")
    assert not (tmp_path / "gateway.toml").exists()
