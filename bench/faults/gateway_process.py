"""A real gateway on a journal that outlives it, with a simulator of APNs: started, killed and started again.

The settings are those of `pushmill serve`; what a fault needs goes into the environment (see `shim`), and a planted
defect into a process that differs in nothing else (see `planted_gateway`).
"""

import json
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import trio

from bench.faults.shim import FaultShim, Rule
from bench.judging.processes import (
    LISTENING_POLL_SECONDS,
    Child,
    gateway_command,
    is_listening,
    start_child,
    wait_for_socket,
)
from bench.simulators.apns import ApnsSimulator

APP = "shop"
READY_SECONDS = 120.0
DATABASE = "journal.db"
LOG = "journal.db-wal"


class GatewayPlace(msgspec.Struct, frozen=True, kw_only=True):
    """Where a gateway lives: its settings, its journal, its door, its log. ``address`` is for callers."""

    folder: Path
    socket: Path
    settings: Path

    @property
    def journal(self) -> Path:
        """The journal's folder."""
        return self.folder / "journal"

    @property
    def address(self) -> str:
        """The door, as callers are told it."""
        return f"unix:{self.socket}"

    @property
    def log(self) -> Path:
        """What the gateway said in its last life."""
        return self.folder / "gateway.log"


@asynccontextmanager
async def open_place(
    folder: Path, simulator: ApnsSimulator, *, port: int | None = None, **sections: dict[str, Any]
) -> AsyncIterator[GatewayPlace]:
    """Write settings for a gateway that sends to a simulator (through another ``port``, if one is given).

    ``sections`` are added or replace single settings. The socket has a folder of its own: its path may have 107 bytes.
    """
    with tempfile.TemporaryDirectory(prefix="pushmill-") as short:
        place = GatewayPlace(folder=folder, socket=Path(short) / "gateway.sock", settings=folder / "gateway.toml")
        settings = _settings(place, simulator, port or simulator.port)
        for name, section in sections.items():
            settings.setdefault(name, {}).update(section)
        place.settings.write_text(_to_toml(settings))
        place.journal.mkdir(mode=0o700, exist_ok=True)
        yield place


@asynccontextmanager
async def start_gateway(
    place: GatewayPlace,
    *,
    rules: Sequence[Rule] = (),
    trace_file: Path | None = None,
    limit_file: Path | None = None,
    plant: str | None = None,
    waits: bool = True,
) -> AsyncIterator[Child]:
    """Run a gateway for the block, under the shim where something is asked of it.

    Raises ChildError when it ends before it listens; without ``waits`` that is left to the block.
    """
    command = gateway_command(place.settings, plant)
    if rules or trace_file or limit_file:
        shim = FaultShim(folder=place.journal, rules=rules, trace_file=trace_file, limit_file=limit_file)
        command = shim.wrap(command)
    async with start_child("gateway", command, place.log, has_output=False) as child:
        if waits:
            await wait_for_socket(place.socket, child, patience_seconds=READY_SECONDS)
        yield child


async def wait_for_door(place: GatewayPlace) -> None:
    """Wait until a gateway takes connections, or until cancelled."""
    while not await is_listening(place.socket):  # noqa: ASYNC110 - another process makes it
        await trio.sleep(LISTENING_POLL_SECONDS)


def _settings(place: GatewayPlace, simulator: ApnsSimulator, port: int) -> dict[str, dict[str, Any]]:
    key = simulator.credentials.keys[0]
    return {
        "listen": {"socket": [place.address]},
        "journal": {"engine": "sqlite", "directory": str(place.journal)},
        "apns": {"production_address": f"localhost:{port}", "ca_file": str(simulator.ca_file)},
        f"apps.{APP}.apns": {
            "team_id": key.options.team_id,
            "key_id": key.options.key_id,
            "key_file": str(key.file),
            "topic": "com.example.shop",
            "environment": "production",
        },
    }


def _to_toml(settings: dict[str, dict[str, Any]]) -> str:
    """Return settings as TOML: its strings, numbers, booleans and lists are written as JSON's."""
    return "\n".join(
        f"[{name}]\n" + "".join(f"{json.dumps(key)} = {json.dumps(value)}\n" for key, value in section.items())
        for name, section in settings.items()
    )
