"""Proxies as Debian has them, each a process of its own on a loopback port, with a login or without."""

import os
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from bench.judging.processes import Child, start_child
from tests.support.connect_proxy import LOGIN
from tests.support.patience import HANG_SECONDS

NCSA_AUTH = Path("/usr/lib/squid/basic_ncsa_auth")
PROXIES = ("squid", "tinyproxy")


def find_missing(name: str) -> str | None:
    """Return what this machine lacks to run a proxy; None when it lacks nothing."""
    if shutil.which(name) is None:
        return f"apt-get install {name}"
    if name == "squid" and not NCSA_AUTH.exists():
        return f"apt-get install squid ({NCSA_AUTH})"
    return None


def _write_squid(folder: Path, port: int, *, has_login: bool) -> list[str]:
    user, _, password = LOGIN.partition(":")
    lines = [
        f"http_port 127.0.0.1:{port}",
        "cache deny all",
        "pid_filename none",
        "access_log none",
        "shutdown_lifetime 0",
    ]
    lines += [f"cache_log {folder}/squid.log", f"coredump_dir {folder}", "pinger_enable off", "netdb_filename none"]
    if has_login:
        command = ["openssl", "passwd", "-apr1", "-stdin"]
        digest = subprocess.run(command, input=password, capture_output=True, text=True, check=True).stdout  # noqa: S603
        (folder / "passwords").write_text(f"{user}:{digest}")
        (folder / "passwords").chmod(0o644)
        lines += [
            f"auth_param basic program {NCSA_AUTH} {folder}/passwords",
            "auth_param basic children 1",
            "acl known proxy_auth REQUIRED",
            "http_access deny !known",
        ]
    (folder / "squid.conf").write_text("\n".join([*lines, "http_access allow localhost", "http_access deny all", ""]))
    return ["squid", "-N", "-f", str(folder / "squid.conf")]


def _write_tinyproxy(folder: Path, port: int, *, has_login: bool) -> list[str]:
    lines = [f"Port {port}", "Listen 127.0.0.1", "Allow 127.0.0.1", "Timeout 60", "MaxClients 100"]
    lines += [f"BasicAuth {' '.join(part.replace(' ', '') for part in LOGIN.split(':'))}"] if has_login else []
    (folder / "tinyproxy.conf").write_text("\n".join([*lines, ""]))
    return ["tinyproxy", "-d", "-c", str(folder / "tinyproxy.conf")]


_WRITERS = {"squid": _write_squid, "tinyproxy": _write_tinyproxy}


def _open_to_others(folder: Path) -> None:
    """Let everybody reach a folder of ours and write there: pytest keeps the ones above it to ourselves."""
    for part in folder.parents:
        if part.stat().st_uid == os.getuid() and not part.stat().st_mode & 0o001:
            part.chmod(part.stat().st_mode | 0o755)
    folder.chmod(0o777)


@asynccontextmanager
async def run_debian_proxy(name: str, folder: Path, *, has_login: bool) -> AsyncIterator[str]:
    """Run it for the block and yield its URL; where it wants a login, that of :func:`login_for`."""
    # It gives up being root and reads its files as another user then.
    _open_to_others(folder)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = _WRITERS[name](folder, port, has_login=has_login)
    async with start_child(name, command, folder / f"{name}.out", has_output=False) as child:
        with trio.fail_after(HANG_SECONDS):
            await _wait_for_port(port, child)
        yield f"http://127.0.0.1:{port}"


def login_for(name: str) -> str:
    """Return the login that a proxy wants; tinyproxy's has no blanks."""
    return LOGIN.replace(" ", "") if name == "tinyproxy" else LOGIN


async def _wait_for_port(port: int, child: Child) -> None:
    while True:
        assert not child.has_ended, child.describe_end()
        try:
            await trio.aclose_forcefully(await trio.open_tcp_stream("127.0.0.1", port))
        except OSError:
            await trio.sleep(0.05)
        else:
            return
