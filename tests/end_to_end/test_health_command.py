"""`pushmill health`: exit code 0 for a gateway that answers callers, 1 for one that does not."""

import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import pytest
import trio
import trustme

from bench.simulators.apns import ApnsScenario, ApnsSimulatorOptions, open_apns_simulator
from bench.simulators.server import Latency
from gateway.caller import ConnectError, open_caller
from tests.support.gateway import alert_batch, device_tokens, start_gateway, write_config
from tests.support.patience import HANG_SECONDS

pytestmark = pytest.mark.long

SLOWLY = ApnsSimulatorOptions(scenario=ApnsScenario(latency=Latency(distribution="fixed", seconds=60)))


async def ask(settings: Path, *options: str) -> tuple[int, str]:
    """Run the command; return its exit code and what it said."""
    command = [sys.executable, "-m", "gateway.cli", "health", "--config", str(settings), *options]
    with trio.fail_after(HANG_SECONDS):
        done: subprocess.CompletedProcess[bytes] = await trio.run_process(
            command, check=False, capture_stdout=True, capture_stderr=True
        )
    return done.returncode, (done.stdout + done.stderr).decode()


async def test_a_gateway_that_answers_is_healthy_and_one_that_has_stopped_is_not(tmp_path: Path):
    settings, address = tmp_path / "gateway.toml", f"unix:{tmp_path / 'gateway.sock'}"
    async with open_apns_simulator() as simulator, start_gateway(tmp_path, simulator) as gateway:
        assert await ask(settings) == (0, f"{address} answers\n")
        await gateway.stop()
        assert await ask(settings) == (1, f"pushmill health: {address}: No such file or directory\n")
    log = (tmp_path / "gateway.log").read_text()
    assert "connection" not in log, "being asked is no event"


async def test_a_gateway_that_drains_is_not_healthy(tmp_path: Path):
    async with open_apns_simulator(SLOWLY) as simulator, start_gateway(tmp_path, simulator) as gateway:
        with trio.fail_after(HANG_SECONDS):
            async with open_caller(f"unix:{tmp_path / 'gateway.sock'}") as caller:
                await caller.send(alert_batch(device_tokens(1)))
                while not simulator.statistics().requests:
                    await caller.ping()
                gateway.send_signal(signal.SIGTERM)
                while not caller.is_draining:
                    await caller.ping()
            assert (await ask(tmp_path / "gateway.toml"))[0] == 1
            assert not gateway.has_ended, "it still waits for an answer"
            gateway.send_signal(signal.SIGTERM)
            await gateway.wait()


async def test_a_gateway_that_hangs_is_not_healthy(tmp_path: Path):
    async with open_apns_simulator() as simulator, start_gateway(tmp_path, simulator) as gateway:
        gateway.send_signal(signal.SIGSTOP)
        try:
            code, said = await ask(tmp_path / "gateway.toml", "--timeout", "0.5")
        finally:
            gateway.send_signal(signal.SIGCONT)
    assert (code, said.rpartition(": ")[2]) == (1, "no answer within 0.5 s\n")


@asynccontextmanager
async def take_the_only_connection(address: str) -> AsyncIterator[None]:
    """Hold the one connection that a gateway allows, once whoever had it before has left."""
    with trio.fail_after(HANG_SECONDS):
        async with AsyncExitStack() as stack:
            caller = None
            while caller is None:
                with suppress(ConnectError):
                    caller = await stack.enter_async_context(open_caller(address))
            yield
            await caller.ping()


async def test_a_gateway_whose_connections_are_all_taken_is_healthy(tmp_path: Path):
    async with (
        open_apns_simulator() as simulator,
        start_gateway(tmp_path, simulator, limits={"connections": 1}),
        take_the_only_connection(f"unix:{tmp_path / 'gateway.sock'}"),
    ):
        assert (await ask(tmp_path / "gateway.toml"))[0] == 0


async def test_a_tcp_door_is_asked_over_tls_whatever_name_its_certificate_has(tmp_path: Path):
    certificate = tmp_path / "own.pem"
    trustme.CA().issue_cert("push.example.com").private_key_and_cert_chain_pem.write_to_path(str(certificate))
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"tcp:127.0.0.1:{free.getsockname()[1]}"
    tls = {"tls_certificate_file": str(certificate), "tls_key_file": str(certificate)}
    both = {"socket": [f"unix:{tmp_path / 'gateway.sock'}", address], **tls}
    async with open_apns_simulator() as simulator, start_gateway(tmp_path, simulator, listen=both):
        (tmp_path / "tcp").mkdir()
        settings = write_config(tmp_path / "tcp", simulator, listen={"socket": [address], **tls})
        assert await ask(settings) == (0, f"{address} answers\n")


@pytest.mark.parametrize(("answer", "why"), [(b"", "without a word"), (b"HTTP/1.1 400 Bad Request\r\n\r\n", "at most")])
async def test_what_is_no_gateway_is_not_healthy(tmp_path: Path, answer: bytes, why: str):
    async def reply(stream: trio.SocketStream) -> None:
        async with stream:
            await stream.receive_some()
            await stream.send_all(answer)

    async with trio.open_nursery() as nursery:
        (listener,) = await nursery.start(partial(trio.serve_tcp, reply, 0, host="127.0.0.1"))
        address = f"tcp:127.0.0.1:{listener.socket.getsockname()[1]}"
        app = {"apps.shop.fcm": {"service_account_file": "not-opened.json"}}
        code, said = await ask(write_config(tmp_path, None, listen={"socket": [address]}, **app))
        nursery.cancel_scope.cancel()
    assert code == 1
    assert said.startswith(f"pushmill health: {address}: ")
    assert why in said


async def test_settings_that_cannot_be_read_are_named(tmp_path: Path):
    code, said = await ask(tmp_path / "none.toml")
    assert (code, said) == (1, f"pushmill health: {tmp_path / 'none.toml'}: No such file or directory\n")
