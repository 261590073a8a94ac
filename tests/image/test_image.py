"""The image, built and run: its size, what is in it, its user, its health, and how it stops.

buildah builds and runs it, as it needs no daemon; simulators stand outside. Left out unless it is asked for
(`make test-image`): it installs packages for minutes. The variable IMAGE_ARGUMENTS is handed to the build.
"""

import json
import os
import re
import shlex
import signal
import socket
import struct
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from bench.judging.processes import Child, start_child, wait_for_socket
from bench.simulators.apns import ApnsScenario, ApnsSimulator, ApnsSimulatorOptions, open_apns_simulator
from bench.simulators.server import Latency
from gateway.caller import open_caller
from protocol.results import Result, expand
from tests.support.gateway import alert_batch, apns_sections, device_tokens, write_config
from tests.support.patience import HANG_SECONDS
from tests.support.tree import ROOT

pytestmark = pytest.mark.image

NO_ENGINE = 3  # see scripts/image
NAME = "localhost/pushmill-under-test"
BUILD_SECONDS = 580
MOST_MEGABYTES_OVER_BASE = 130.0
FOLDERS = {"settings": "/etc/pushmill:ro", "run": "/run/pushmill", "journal": "/var/lib/pushmill"}
# So slow that a signal finds requests without an answer.
SLOWLY = ApnsSimulatorOptions(scenario=ApnsScenario(latency=Latency(distribution="fixed", seconds=1.0)))


def buildah(*words: str) -> str:
    """Run buildah and return what it prints."""
    command = ["buildah", *words]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=HANG_SECONDS)  # noqa: S603
    return done.stdout.strip()


@pytest.fixture(scope="module")
def build_output() -> Iterator[str]:
    """Build the image; return what scripts/image printed."""
    command = [ROOT / "scripts" / "image", *shlex.split(os.environ.get("IMAGE_ARGUMENTS", ""))]
    environment = os.environ | {"ENGINE": "buildah", "IMAGE": NAME}
    done = subprocess.run(  # noqa: S603
        command, check=False, capture_output=True, text=True, env=environment, timeout=BUILD_SECONDS
    )
    if done.returncode == NO_ENGINE:
        pytest.skip(done.stderr)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    yield done.stdout
    buildah("rmi", NAME)


@pytest.fixture(scope="module")
def container(build_output: str) -> Iterator[str]:
    """Return a container of the image, in buildah's sense: a root file system with the image's settings."""
    name = buildah("from", "--pull-never", NAME)
    # buildah lays volumes of its own over the image's, on top of those that a run is given.
    buildah("config", *(f"--volume={place}-" for place in FOLDERS.values() if ":" not in place), name)
    yield name
    buildah("rm", name)


@pytest.fixture(scope="module")
def settings(build_output: str) -> dict[str, Any]:
    """Return what the image says of itself: Cmd, User, Healthcheck …"""
    return json.loads(buildah("inspect", "--type", "image", NAME))["Docker"]["config"]


@pytest.fixture
def folders(tmp_path: Path, settings: dict[str, Any]) -> Path:
    """Return a folder with those that the container gets: the user of the image owns the two it writes to."""
    user = int(settings["User"].split(":")[0])
    for name in FOLDERS:
        (tmp_path / name).mkdir(mode=0o750)
        os.chown(tmp_path / name, user, user)
    return tmp_path


def write_settings(folders: Path, simulator: ApnsSimulator) -> None:
    """Write gateway.toml, and put the files that it names beside it."""
    apns = apns_sections(simulator)
    files = {"ca.pem": apns["apns"]["ca_file"], "key.p8": apns["apps.shop.apns"]["key_file"]}
    for name, file in files.items():
        (folders / "settings" / name).write_bytes(Path(file).read_bytes())
    inside = {
        "listen": {"socket": ["unix:/run/pushmill/gateway.sock"]},
        "journal": {"directory": "/var/lib/pushmill"},
        "apns": {"ca_file": "/etc/pushmill/ca.pem"},
        "apps.shop.apns": {"key_file": "/etc/pushmill/key.p8"},
    }
    write_config(folders / "settings", simulator, **inside)


def run_command(container: str, folders: Path, words: list[str]) -> list[str]:
    """Return the command that runs ``words`` in the container, as the image's user."""
    volumes = [f"--volume={folders / name}:{place}" for name, place in FOLDERS.items()]
    return ["buildah", "run", *volumes, container, "--", *words]


@asynccontextmanager
async def start_container(container: str, folders: Path, settings: dict[str, Any]) -> AsyncIterator[Child]:
    """Run the image's own command until the block ends."""
    command = run_command(container, folders, settings["Cmd"])
    async with start_child("container", command, folders / "container.log", has_output=False) as child:
        await wait_for_socket(folders / "run" / "gateway.sock", child, patience_seconds=HANG_SECONDS)
        yield child


async def check_health(container: str, folders: Path, settings: dict[str, Any]) -> tuple[int, str]:
    """Run the image's own health check; return its exit code and what it said."""
    kind, *words = settings["Healthcheck"]["Test"]
    assert kind == "CMD"
    done: subprocess.CompletedProcess[bytes] = await trio.run_process(
        run_command(container, folders, words), check=False, capture_stdout=True, capture_stderr=True
    )
    return done.returncode, (done.stdout + done.stderr).decode()


def find_server(path: Path) -> tuple[int, int]:
    """Return process id and user id of who listens at a Unix socket."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(path))
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    process_id, user_id, _ = struct.unpack("3i", credentials)
    return process_id, user_id


async def read_results(address: str, count: int) -> list[Result]:
    """Return so many results, and leave them with the gateway."""
    results: list[Result] = []
    async with open_caller(address) as caller:
        pages = await caller.subscribe(subscription="test")
        while len(results) < count:
            page = await anext(pages)
            results += (result for block in page.blocks for result in expand(block))
    return results


def test_it_adds_at_most_130_mb_to_its_base(build_output: str):
    told = re.search(r"([\d.]+) MB over debian:bookworm-slim", build_output)
    assert told is not None, build_output
    assert 10 < float(told[1]) <= MOST_MEGABYTES_OVER_BASE


def test_nothing_to_build_with_and_nothing_of_the_bench_is_in_it(container: str):
    root = Path(buildah("mount", container))
    try:
        tools = {
            name for name in ("pip", "pip3", "gcc", "cc", "ld", "cython", "meson") for _ in root.glob(f"**/bin/{name}")
        }
        headers = [*root.glob("usr/include/**/*.h"), *root.glob("**/Python.h")]
        installed = {
            path.name.split("-")[0] for path in root.glob("opt/pushmill/lib/python3*/site-packages/*.dist-info")
        }
    finally:
        buildah("umount", container)
    assert "pushmill" in installed
    assert not installed & {"pip", "setuptools", "wheel", "trustme", "pywebpush", "msgpack"}
    assert not tools
    assert headers == []


async def test_it_serves_as_its_own_user_and_its_health_is_told(
    container: str, folders: Path, settings: dict[str, Any]
):
    address = folders / "run" / "gateway.sock"
    async with open_apns_simulator() as simulator:
        write_settings(folders, simulator)
        assert (await check_health(container, folders, settings))[0] == 1
        with trio.fail_after(HANG_SECONDS):
            async with start_container(container, folders, settings) as child:
                assert await check_health(container, folders, settings) == (
                    0,
                    "unix:/run/pushmill/gateway.sock answers\n",
                )
                process_id, user_id = find_server(address)
                assert user_id == int(settings["User"].split(":")[0]) != 0
                async with open_caller(f"unix:{address}") as caller:
                    await caller.send(alert_batch(device_tokens(100)))
                results = await read_results(f"unix:{address}", 100)
                assert {result.outcome for result in results} == {"provider_accepted"}
                os.kill(process_id, signal.SIGTERM)
                assert await child.wait() == 0, child.last_words()
        assert (await check_health(container, folders, settings))[0] == 1


async def test_sigterm_drains_and_the_volume_keeps_the_journal(container: str, folders: Path, settings: dict[str, Any]):
    address = folders / "run" / "gateway.sock"
    async with open_apns_simulator(SLOWLY) as simulator:
        write_settings(folders, simulator)
        with trio.fail_after(HANG_SECONDS):
            async with start_container(container, folders, settings) as child:
                async with open_caller(f"unix:{address}") as caller:
                    await caller.send(alert_batch(device_tokens(10)))
                    while not simulator.ledger.entries:
                        await caller.ping()
                os.kill(find_server(address)[0], signal.SIGTERM)
                assert await child.wait() == 0, child.last_words()
            async with start_container(container, folders, settings):
                results = await read_results(f"unix:{address}", 10)
        assert {(each.outcome, each.attempts, each.uncertain_attempts) for each in results} == {
            ("provider_accepted", 1, 0)
        }
        assert len(simulator.ledger.entries) == 10  # each was sent once, and awaited
