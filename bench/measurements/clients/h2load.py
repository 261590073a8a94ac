"""Sends the workload with h2load, nghttp2's own load tool in C: the yardstick.

It reads a URI a request from a file, so every device token is another. Its headers can't vary: the apns-id is the same
in all requests and costs it one byte of HPACK, where the other clients spend forty. That is in its favour.
It sends the bearer token as a literal each time, as libnghttp2 does with any ``authorization`` (a token in the dynamic
table can be guessed bit by bit by someone who shares the connection, RFC 7541 7.1; nobody shares a gateway's).
``without_authorization`` leaves that header out, to show what the difference is worth.
"""

import shutil
import subprocess
from pathlib import Path

from bench.measurements.clients.workload import BODY, HEADERS, HOST, Workload, identifiers, paths


class H2loadMissingError(Exception):
    """h2load is not installed; the message says how to get it."""


def find_h2load() -> str:
    """Return the program's path. Raises H2loadMissingError."""
    program = shutil.which("h2load")
    if program is None:
        raise H2loadMissingError("h2load is missing; install it: apt-get install nghttp2-client")
    return program


def h2load_version() -> str:
    """Return the installed version. Raises H2loadMissingError."""
    done = subprocess.run([find_h2load(), "--version"], capture_output=True, text=True, check=True)  # noqa: S603
    return done.stdout.strip().rpartition("/")[2]


class H2load:
    """h2load and the two files it reads, made in a directory that the caller owns."""

    def __init__(self, directory: Path, *, port: int, requests: int) -> None:
        self._program = find_h2load()
        self._uri_file = directory / "uris.txt"
        self._uri_file.write_text("".join(f"https://{HOST}:{port}{path}\n" for path in paths(requests)))
        self._body_file = directory / "body.json"
        self._body_file.write_bytes(BODY)

    def command(self, workload: Workload, *, without_authorization: bool = False) -> list[str]:
        """Return the command line that sends ``workload``."""
        fields = [*HEADERS, (b"apns-id", identifiers(1)[0].encode())]
        command = [self._program, f"--requests={workload.requests}", "--clients=1", "--threads=1"]
        command += [f"--max-concurrent-streams={workload.streams}", "--tls13-ciphers=TLS_AES_128_GCM_SHA256"]
        command += [f"--input-file={self._uri_file}", f"--data={self._body_file}"]
        for name, value in fields:
            if name != b"authorization" or not without_authorization:
                command.append(f"--header={name.decode()}: {value.decode()}")
        return command
