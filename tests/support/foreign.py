"""Clients and servers of other projects: found or skipped, fed with cases, and judged by their words and a ledger.

`make test-foreign` installs them into ``build/foreign``. A client is a small program in ``tests/foreign/clients``. It
reads a JSON document with ``server`` and ``cases`` from its standard input, sends each case by the foreign library as
users of it do, and prints what that said as JSON lines, ``{"case": name, "said": {…}}``, in the library's own fields.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pytest
import trustme
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.support.patience import HANG_SECONDS
from tests.support.tree import ROOT

BUILD = ROOT / "build" / "foreign"
CLIENTS = ROOT / "tests" / "foreign" / "clients"
_PUSHMILL = (sys.executable, "-c", "from gateway.cli import main; main()")
_PYTHON_CLIENTS = ("aioapns", "pywebpush", "firebase_admin")

Facts = dict[str, Any]
Said = dict[str, Any]


# --- what there is ---


def find_machine_tool(name: str, package: str) -> str:
    """Return the path of a program of the machine's, or skip the test."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if found is None:
        pytest.skip(f"{name} is missing: install {package}")
    return found


def java_command(program: str) -> tuple[str, ...]:
    """Return the command that runs a Java source file beside pushy, or skip the test."""
    java = find_machine_tool("java", "a JDK of version 17 or newer")
    _check_installed("pushy")
    return (java, "-cp", f"{BUILD / 'pushy'}/*", str(CLIENTS / "pushy" / program))


def client_command(program: str) -> tuple[str, ...]:
    """Return the command of a client program, named by its path in ``tests/foreign/clients``, or skip the test."""
    folder, _, file = program.partition("/")
    if folder == "pushy":
        return java_command(file)
    _check_installed(folder)
    if folder in _PYTHON_CLIENTS:
        return (str(BUILD / folder / "bin" / "python"), str(CLIENTS / program))
    return (find_machine_tool("node", "nodejs, version 20 or newer"), str(CLIENTS / program))


def _check_installed(name: str) -> None:
    if not (BUILD / f"{name}.installed").exists():
        pytest.skip(f"{name} is not installed: `make test-foreign` does it, {BUILD / name}.log tells why it could not")


# --- running ---


def run_client(program: str, server: Facts, cases: Sequence[Facts]) -> dict[str, Said]:
    """Have a client send cases and return what it said of each, by name; fails unless it said one thing of each.

    The process trusts ``server["ca_file"]`` in the ways that Node and Python's clients are told to.
    """
    ca_file = str(server["ca_file"])
    told = {"NODE_EXTRA_CA_CERTS": ca_file, "REQUESTS_CA_BUNDLE": ca_file, "SSL_CERT_FILE": ca_file}
    told["FOREIGN_MODULES"] = str(BUILD / "node" / "node_modules")
    ran = subprocess.run(  # noqa: S603 - programs of this tree
        client_command(program),
        input=json.dumps({"server": server, "cases": list(cases)}, default=str),
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
        check=False,
        env={**os.environ, **told},
    )
    assert ran.returncode == 0, f"{program} ended with {ran.returncode}:\n{ran.stderr[-4000:]}"
    lines = [json.loads(line) for line in ran.stdout.splitlines()]
    names = [line["case"] for line in lines]
    assert sorted(names) == sorted(case["name"] for case in cases), ran.stderr[-4000:]
    return {line["case"]: line["said"] for line in lines}


@contextmanager
def running(
    command: Sequence[str], log_file: Path, *, output: IO[str] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """Run a server for the block; SIGTERM ends it. Standard error is the log, standard output a pipe or ``output``."""
    with log_file.open("w") as log:
        process = subprocess.Popen(  # noqa: S603 - the tests' own command lines
            command, stdout=subprocess.PIPE if output is None else output, stderr=log, text=True
        )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(HANG_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


@contextmanager
def simulator(folder: Path, provider: str, scenario: str = "", *options: str) -> Iterator[Facts]:
    """Run ``pushmill simulate`` as its user does and yield what it printed; its ledger is whole after the block."""
    (folder / "scenario.toml").write_text(scenario)
    command = [*_PUSHMILL, "simulate", provider, "--directory", str(folder / "simulator")]
    command += ["--scenario", str(folder / "scenario.toml"), "--ledger", str(folder / "ledger.ndjson"), *options]
    with running(command, folder / "simulator.log") as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, (folder / "simulator.log").read_text()
        yield json.loads(line)


def read_ledger(folder: Path) -> list[Facts]:
    """Return what an ended simulator noted, an entry for each request."""
    return [json.loads(line) for line in (folder / "ledger.ndjson").read_text().splitlines()]


def read_arrivals(folder: Path) -> dict[str, list[int | None]]:
    """Return the statuses that each destination was answered with, in order, from the ledger of an ended simulator."""
    arrivals: dict[str, list[int | None]] = {}
    for entry in read_ledger(folder):
        arrivals.setdefault(entry["destination"], []).append(entry["status"])
    return arrivals


# --- what is wrong ---


def write_foreign_key(folder: Path) -> Path:
    """Write an ES256 key that no simulator knows."""
    file = folder / "foreign_key.p8"
    key = ec.generate_private_key(ec.SECP256R1())
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return file


def write_foreign_authority(folder: Path) -> Path:
    """Write the certificate of an authority that signed nothing here."""
    file = folder / "foreign_ca.pem"
    trustme.CA().cert_pem.write_to_path(str(file))
    return file
