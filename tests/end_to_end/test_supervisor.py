"""What systemd hears: real datagrams on a real socket."""

import shutil
import signal
import socket
import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest
import trio

from bench.simulators.apns import open_apns_simulator
from gateway.app import CLOSING_SECONDS
from gateway.config.sections import DeliverySettings
from gateway.supervisor import Supervisor
from tests.support.gateway import start_gateway
from tests.support.patience import HANG_SECONDS

OUR_PID = 4711
UNIT = Path(__file__).parents[2] / "examples" / "pushmill.service"


@contextmanager
def listening(path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(path)
        listener.settimeout(20.0)
        yield listener


def read_fields(listener):
    return dict(line.split("=", 1) for line in listener.recv(4096).decode().splitlines())


@pytest.mark.parametrize("kind", ["file", "abstract"])
def test_each_message_is_one_datagram(tmp_path, kind):
    name = str(tmp_path / "notify")
    bound, told = (name, name) if kind == "file" else ("\0" + name, "@" + name)
    with listening(bound) as listener:
        supervisor = Supervisor({"NOTIFY_SOCKET": told}, OUR_PID)
        supervisor.tell_ready("up")
        supervisor.tell_stopping("draining", 35.5)
        assert read_fields(listener) == {"READY": "1", "STATUS": "up"}
        assert read_fields(listener) == {
            "STOPPING": "1",
            "STATUS": "draining",
            "EXTEND_TIMEOUT_USEC": "35500000",
        }


@pytest.mark.parametrize("environment", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "/nowhere/notify"}])
def test_nobody_who_listens_is_no_trouble(environment):
    Supervisor(environment, OUR_PID).tell_ready("up")


async def test_the_watchdog_hears_twice_in_each_interval(tmp_path, autojump_clock):
    path = str(tmp_path / "notify")
    with listening(path) as listener:
        environment = {"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "10000000", "WATCHDOG_PID": str(OUR_PID)}
        with trio.move_on_after(11.0):
            await Supervisor(environment, OUR_PID).keep_watchdog()
        assert [read_fields(listener) for _ in range(3)] == [{"WATCHDOG": "1"}] * 3
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.recv(4096)


@pytest.mark.parametrize(
    "environment", [{}, {"WATCHDOG_USEC": "0"}, {"WATCHDOG_USEC": "soon"}, {"WATCHDOG_USEC": "5", "WATCHDOG_PID": "1"}]
)
async def test_without_a_watchdog_of_ours_there_is_nothing_to_keep(environment):
    with trio.fail_after(HANG_SECONDS):
        await Supervisor(environment, OUR_PID).keep_watchdog()


async def test_a_gateway_tells_when_it_is_ready_and_when_it_stops(tmp_path, monkeypatch):
    path = str(tmp_path / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", path)
    with listening(path) as listener:
        async with open_apns_simulator() as simulator, start_gateway(tmp_path, simulator) as child:
            assert read_fields(listener)["READY"] == "1"
            child.send_signal(signal.SIGTERM)
            assert await child.wait() == 0
            assert read_fields(listener)["STOPPING"] == "1"


ANALYZE = shutil.which("systemd-analyze")


@pytest.mark.skipif(ANALYZE is None, reason="there is no systemd here")
def test_systemd_finds_no_fault_with_the_unit(tmp_path):
    # The command is where docs/operations.md puts it; here any that exists will do.
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace("/opt/pushmill/bin/pushmill", "/bin/true"))
    command = [ANALYZE, "verify", "--man=no", str(unit)]
    verified = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own unit file
    assert (verified.returncode, verified.stderr) == (0, "")


def test_the_unit_waits_for_a_drain_as_long_as_one_may_take_by_default():
    settings = dict(line.split("=", 1) for line in UNIT.read_text().splitlines() if "=" in line and line[0] != "#")
    assert settings["Type"] == "notify"
    assert int(settings["TimeoutStopSec"]) >= DeliverySettings().drain_timeout_seconds + CLOSING_SECONDS
