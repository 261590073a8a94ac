"""A gateway from a wheel alone, without the extra `bench`: it does its job, and names what its other commands need."""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
import trio

from bench.judging.processes import start_child, wait_for_socket
from bench.simulators.apns import open_apns_simulator
from tests.support.gateway import device_tokens, write_config
from tests.support.patience import HANG_SECONDS
from tests.support.wheel import install_wheel

pytestmark = pytest.mark.long

NEEDING_MORE = [
    "demo",
    *(f"simulate {provider}" for provider in ("apns", "fcm", "webpush", "all")),
    *(f"bench {name}" for name in ("session", "queued", "journal", "recovery", "encrypt", "gateway", "soak", "idle")),
    "bench compare one-tree another-tree journal",
]


@pytest.fixture(scope="module")
def pushmill(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the command, of an environment that has the wheel and what it requires."""
    return install_wheel(wheel, tmp_path_factory.mktemp("installed") / "environment") / "pushmill"


async def run(folder: Path, command: Sequence[str | Path]) -> subprocess.CompletedProcess[bytes]:
    """Run a command in ``folder``, which is not the tree: what is imported is what was installed."""
    with trio.fail_after(HANG_SECONDS):
        return await trio.run_process(command, cwd=folder, check=False, capture_stdout=True, capture_stderr=True)


async def test_help_names_every_command(pushmill: Path, tmp_path: Path):
    done = await run(tmp_path, [pushmill, "--help"])
    assert done.returncode == 0
    words = done.stdout.decode().split()
    assert {"serve", "send", "check-config", "health", "journal", "demo", "simulate", "bench"} <= set(words)


async def test_the_gateway_does_its_job(pushmill: Path, tmp_path: Path):
    async with open_apns_simulator() as simulator:
        settings = ["--config", str(write_config(tmp_path, simulator))]
        assert (await run(tmp_path, [pushmill, "check-config", *settings])).returncode == 0
        command = [str(pushmill), "serve", *settings]
        async with start_child("gateway", command, tmp_path / "gateway.log", has_output=False) as gateway:
            await wait_for_socket(tmp_path / "gateway.sock", gateway, patience_seconds=HANG_SECONDS)
            assert (await run(tmp_path, [pushmill, "health", *settings])).returncode == 0
            (token,) = device_tokens(1)
            where = ["--address", f"unix:{tmp_path / 'gateway.sock'}", "--app", "shop", "--apns-token", token]
            sent = await run(tmp_path, [pushmill, "send", *where, "--title", "Sale", "--json"])
            assert json.loads(sent.stdout)["outcome"] == "provider_accepted", sent.stderr
            await gateway.stop()
            assert not gateway.has_ended_badly, gateway.last_words()
        checked = await run(tmp_path, [pushmill, "journal", "check", *settings])
        assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize("words", NEEDING_MORE)
async def test_a_command_that_needs_more_says_in_one_line_what_to_install(pushmill: Path, tmp_path: Path, words: str):
    done = await run(tmp_path, [pushmill, *words.split()])
    assert done.returncode == 1
    assert done.stdout == b""
    (line,) = done.stderr.decode().splitlines()
    assert line.startswith(f"pushmill {' '.join(words.split()[:2])}: ")
    assert line.endswith("; install with: pip install 'pushmill[bench]'")


@pytest.mark.parametrize("words", ["demo", "simulate apns", "bench session"])
async def test_its_help_is_there_all_the_same(pushmill: Path, tmp_path: Path, words: str):
    assert (await run(tmp_path, [pushmill, *words.split(), "--help"])).returncode == 0
