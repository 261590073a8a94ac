"""`pushmill simulate apns` as a process: what it prints, how it ends, what it leaves."""

import signal
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path

import httpx
import jwt
import orjson
import pytest

from bench.simulators.apns import ApnsLedgerEntry
from bench.simulators.server import read_ledger
from tests.support.apns_client import BODY

COMMAND = (sys.executable, "-c", "from gateway.cli import main; main()", "simulate", "apns")


def push(facts: dict[str, str]) -> httpx.Response:
    """Push as a caller would that knows nothing but the announced facts."""
    key = Path(facts["key_file"]).read_bytes()
    claims = {"iss": facts["team_id"], "iat": int(time.time())}
    token = jwt.encode(claims, key, algorithm="ES256", headers={"kid": facts["key_id"]})
    headers = {"authorization": f"bearer {token}", "apns-topic": facts["topic"], "apns-push-type": "alert"}
    with httpx.Client(http2=True, verify=ssl.create_default_context(cafile=facts["ca_file"])) as client:
        return client.post(f"https://{facts['host']}:{facts['port']}/3/device/aa", headers=headers, content=BODY)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 (our own words)
        [*COMMAND, *arguments], capture_output=True, text=True, check=False, timeout=30
    )


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_command_announces_itself_serves_and_ends_clean(ending, tmp_path):
    arguments = ("--directory", str(tmp_path), "--ledger", str(tmp_path / "ledger.ndjson"))
    with subprocess.Popen(  # noqa: S603 (our own words)
        [*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        facts = orjson.loads(process.stdout.readline())
        assert push(facts).status_code == 200
        process.send_signal(ending)
        rest, summary = process.communicate(timeout=30)
    assert (process.returncode, rest) == (0, "")
    assert summary.startswith("1 requests on 1 connections: 1 x 200;")
    assert [entry.destination for entry in read_ledger(tmp_path / "ledger.ndjson", ApnsLedgerEntry)] == ["aa"]


def test_wrong_scenario_is_refused_with_its_place(tmp_path):
    scenario = tmp_path / "wrong.toml"
    scenario.write_text("[latency]\nmean = 1\n")
    ended = run("--scenario", str(scenario))
    assert ended.returncode == 2
    assert ended.stderr == f"pushmill simulate apns: {scenario}, latency: Object contains unknown field `mean`\n"


def test_taken_port_is_told_in_one_line(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ended = run("--directory", str(tmp_path), "--port", str(taken.getsockname()[1]))
    assert ended.returncode == 2
    assert "Address already in use" in ended.stderr
    assert ended.stderr.count("\n") == 1
