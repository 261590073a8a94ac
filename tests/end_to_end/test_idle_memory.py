"""What a gateway doesn't use it doesn't load, and what it holds when idle is little more than its libraries."""

import json
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import trio

from bench.judging.processes import start_child, wait_for_socket
from bench.measurements.idle import LIBRARIES, run
from bench.measurements.whole.settings import write_settings
from bench.sink import write_certificates

pytestmark = pytest.mark.long

OWN = {"gateway", "protocol", "native"}
# What an editable install and its rebuild bring, and Cython's own shared helpers.
OF_THE_INSTALL = {"_pushmill_editable_loader", "_distutils_hack", "_cython_3_3_1", "cython_runtime"}
SERVING = """
import atexit, json, sys
from pathlib import Path
from gateway.serve import serve
status = serve(Path(sys.argv[1]))
print(json.dumps(sorted(sys.modules)))
sys.exit(status)
"""
IMPORTING = f"import json, sys, {', '.join(LIBRARIES)}; print(json.dumps(sorted(sys.modules)))"


def third_parties(modules):
    tops = {module.partition(".")[0] for module in modules}
    return tops - set(sys.stdlib_module_names) - OWN - OF_THE_INSTALL - {"__main__", "__mp_main__"}


@pytest.fixture(scope="module")
def loaded() -> list[str]:
    """Return the modules of a gateway with a journal and an APNs key, when it ends."""

    async def serve() -> list[str]:
        with tempfile.TemporaryDirectory(prefix="pushmill-") as name:
            folder = Path(name)
            config = write_settings(folder, "sqlite", folder / "journal", 9, write_certificates(folder).ca_file)
            command = [sys.executable, "-P", "-c", SERVING, str(config)]
            async with start_child("gateway", command, folder / "gateway.log") as child:
                await wait_for_socket(folder / "gateway.sock", child, patience_seconds=30)
                child.send_signal(signal.SIGTERM)
                return json.loads(await child.read_line() or b"")

    return trio.run(serve)


@pytest.mark.parametrize(
    "unused",
    [
        "bench",
        "gateway.caller",
        "gateway.cli",
        "gateway.delivery.credentials.client_certificate",
        "gateway.delivery.credentials.token_exchange",
        "gateway.delivery.egress.proxy",
        "gateway.delivery.sessions.http1_driver",
        "gateway.delivery.providers.fcm",
        "gateway.delivery.providers.webpush",
        "h11",
        "httpcore",
        "httpx",
        "pydantic",
        "typer",
    ],
)
def test_what_no_app_uses_is_not_imported(loaded, unused):
    assert [module for module in loaded if module == unused or module.startswith(f"{unused}.")] == []


def test_the_yardstick_loads_what_such_a_gateway_needs_and_nothing_else(loaded):
    done = subprocess.run([sys.executable, "-c", IMPORTING], check=True, capture_output=True)  # noqa: S603
    assert third_parties(json.loads(done.stdout)) == third_parties(loaded)


def test_an_idle_gateway_holds_little_more_than_its_libraries():
    figures = run(seconds=0.5)
    assert figures["imports_rss_mib"] < figures["gateway_rss_mib"]
    assert figures["passed"], figures
