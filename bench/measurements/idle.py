"""What an idle gateway holds in memory, beside a process that only imports the libraries that such a gateway needs.

Both are fresh processes of this interpreter, read from outside. The gateway has a journal on the disk and one app with
an APNs key; nothing is ever sent.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import trio

from bench.judging.processes import gateway_command, start_child, wait_for_socket
from bench.measurements.soak.samples import read_rss_bytes
from bench.measurements.whole.settings import write_settings
from bench.sink import write_certificates

LIMIT_RATIO = 1.25
READY_SECONDS = 30.0
# What a gateway with a journal and an APNs key can't do without, and of our own the extensions in C alone. A test
# compares what this loads with what such a gateway has loaded.
LIBRARIES = (
    "sqlite3",
    "ssl",
    "trio",
    "msgspec",
    "orjson",
    "structlog",
    "jwt",
    "cryptography.hazmat.primitives.asymmetric.ec",
    "cryptography.hazmat.primitives.serialization",
    "native",
)
_IMPORTING = f"import {', '.join(LIBRARIES)}; print(flush=True); input()"
MIB = 2**20


def run(seconds: float = 60.0) -> dict[str, object]:
    """Measure and return one JSON object; ``passed`` tells whether the ratio is within its limit.

    ``seconds`` go by between ready and the look. Raises ChildError when the gateway doesn't start.
    """
    gateway = trio.run(_measure_gateway, seconds)
    imports = _measure_imports()
    ratio = round(gateway / imports, 3)
    return {
        "seconds_after_ready": seconds,
        "gateway_rss_mib": round(gateway / MIB, 1),
        "imports_rss_mib": round(imports / MIB, 1),
        "ratio_to_imports": ratio,
        "limit_ratio": LIMIT_RATIO,
        "libraries": list(LIBRARIES),
        "passed": ratio <= LIMIT_RATIO,
    }


async def _measure_gateway(seconds: float) -> int:
    with tempfile.TemporaryDirectory(prefix="pushmill-idle-") as name:
        folder = Path(name)
        certificates = write_certificates(folder)
        # Nobody listens at port 9, discard, and nobody is asked: a session is opened for the first notification.
        config = write_settings(folder, "sqlite", folder / "journal", 9, certificates.ca_file)
        command = gateway_command(config)
        async with start_child("gateway", command, folder / "gateway.log", has_output=False) as gateway:
            await wait_for_socket(folder / "gateway.sock", gateway, patience_seconds=READY_SECONDS)
            await trio.sleep(seconds)
            return read_rss_bytes(gateway.process_id)


def _measure_imports() -> int:
    with subprocess.Popen(  # noqa: S603 - our own words
        [sys.executable, "-c", _IMPORTING], stdin=subprocess.PIPE, stdout=subprocess.PIPE, process_group=0
    ) as importing:
        assert importing.stdout is not None and importing.stdin is not None  # noqa: S101, PT018 - for mypy: pipes
        try:
            importing.stdout.readline()
            return read_rss_bytes(importing.pid)
        finally:
            importing.stdin.write(b"\n")
            importing.stdin.flush()
