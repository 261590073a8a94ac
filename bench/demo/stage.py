"""The processes of a run and their files: a strict APNs, a gateway, a caller, on loopback and a Unix socket.

Each is started as a user would start it, by its own command line, and knows of the others only what its options say.
"""

import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import trio

from bench.demo.plan import APP
from bench.demo.processes import Child, ChildError, start_child, wait_for_socket
from bench.demo.scenario import SCENARIO_FILE, scale_scenario

READY_SECONDS = 30.0
"""How long a child may take to get ready: an interpreter that starts on a busy machine, and the simulator's keys."""
DRAIN_SECONDS = 5.0

_PUSHMILL = (sys.executable, "-m", "gateway.cli")


class SimulatorFacts(msgspec.Struct, frozen=True):
    """What the simulator announces once it listens."""

    port: int
    ca_file: str
    key_file: str
    key_id: str
    team_id: str
    topic: str
    host: str = "127.0.0.1"


class Stage(msgspec.Struct, frozen=True):
    """Where everything of one run is. The socket has a folder of its own: its path may have 107 bytes at most."""

    directory: Path
    socket: Path

    @property
    def ledger(self) -> Path:
        """What the simulator received."""
        return self.directory / "ledger.ndjson"


@asynccontextmanager
async def open_simulator(stage: Stage, notifications: int) -> AsyncIterator[tuple[Child, SimulatorFacts]]:
    """Run the simulator with the demo's scenario. Raises ChildError when it doesn't get ready."""
    scenario = stage.directory / "scenario.toml"
    scenario.write_text(scale_scenario(SCENARIO_FILE.read_text(), notifications))
    options = {"--port": "0", "--directory": stage.directory / "apns", "--scenario": scenario, "--ledger": stage.ledger}
    words = [str(word) for option in options.items() for word in option]
    command = [*_PUSHMILL, "simulate", "apns", *words]
    async with start_child("simulator", command, stage.directory / "simulator.log") as child:
        yield child, await _read_facts(child)


@asynccontextmanager
async def open_gateway(stage: Stage, facts: SimulatorFacts, plant: str | None = None) -> AsyncIterator[Child]:
    """Run the gateway, with a planted defect if one is named. Raises ChildError when it doesn't get ready."""
    settings = stage.directory / "gateway.toml"
    settings.write_text(write_settings(stage.socket, facts))
    command = [*_PUSHMILL, "serve", "--config", str(settings)]
    if plant is not None:
        command = [sys.executable, "-m", "bench.demo.planted_gateway", "--config", str(settings), "--plant", plant]
    async with start_child("gateway", command, stage.directory / "gateway.log", has_output=False) as child:
        await wait_for_socket(stage.socket, child, patience_seconds=READY_SECONDS)
        yield child


@asynccontextmanager
async def open_caller_process(stage: Stage, notifications: int, seed: int, batch_size: int) -> AsyncIterator[Child]:
    """Run the caller; its lines are counts."""
    options = {
        "--socket": stage.socket,
        "--directory": stage.directory,
        "--notifications": notifications,
        "--seed": seed,
        "--batch-size": batch_size,
    }
    words = [str(word) for option in options.items() for word in option]
    command = [sys.executable, "-m", "bench.demo.caller", *words]
    async with start_child("caller", command, stage.directory / "caller.log") as child:
        yield child


def write_settings(socket: Path, facts: SimulatorFacts) -> str:
    """Return the gateway's settings; a JSON string is a TOML string, too."""
    text = json.dumps
    return f"""\
[listen]
socket = [{text(f"unix:{socket}")}]

[delivery]
drain_timeout_seconds = {DRAIN_SECONDS}

[apns]
production_address = {text(f"{facts.host}:{facts.port}")}
ca_file = {text(facts.ca_file)}

[apps.{APP}.apns]
team_id = {text(facts.team_id)}
key_id = {text(facts.key_id)}
key_file = {text(facts.key_file)}
topic = {text(facts.topic)}
environment = "production"
"""


async def _read_facts(child: Child) -> SimulatorFacts:
    with trio.move_on_after(READY_SECONDS):
        line = await child.read_line()
        if line is not None:
            return msgspec.json.decode(line, type=SimulatorFacts)
    raise ChildError(f"the {child.name} never got ready; its last words:\n{child.last_words()}")
