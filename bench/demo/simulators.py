"""The simulators of a run: started with the demo's scenarios, and what they announce.

Each has a process of its own. One process for all three was tried: with two cores a full run takes 16 s then, not 13.
"""

import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import trio

from bench.demo.scenario import read_scenario
from bench.judging.history import ProviderName
from bench.judging.processes import Child, ChildError, start_child

READY_SECONDS = 120.0
"""How long a child may take to get ready: an interpreter that starts on a busy machine, and the simulator's keys."""


class ApnsFacts(msgspec.Struct, frozen=True):
    """What the simulator of APNs announces once it listens."""

    host: str
    port: int
    ca_file: str
    key_file: str
    key_id: str
    team_id: str
    topic: str


class FcmFacts(msgspec.Struct, frozen=True):
    """What the simulator of FCM announces."""

    host: str
    port: int
    ca_file: str
    service_account_file: str
    token_uri: str


class WebPushFacts(msgspec.Struct, frozen=True):
    """What the simulator of the push services announces."""

    ca_file: str
    vapid_key_files: dict[str, str]
    subject: str
    allowed_hosts: dict[str, str]
    subscriptions_file: str


class SimulatorFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a gateway's settings and a caller need to know of all of them."""

    apns: ApnsFacts
    fcm: FcmFacts
    webpush: WebPushFacts


def find_ledger(directory: Path, provider: ProviderName) -> Path:
    """Return where a simulator writes what it received."""
    return directory / f"{provider}-ledger.ndjson"


def read_summary(directory: Path, provider: ProviderName) -> str:
    """Return what a simulator said of itself in the end: the last line of its log that isn't a detail of it."""
    log = _find_log(directory, provider)
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    return next((line for line in reversed(lines) if line and not line.startswith(" ")), "said nothing")


@asynccontextmanager
async def open_simulators(
    directory: Path, notifications: Mapping[ProviderName, int], *, scenario_for: Mapping[ProviderName, int]
) -> AsyncIterator[tuple[list[Child], SimulatorFacts]]:
    """Run a simulator for each provider, for so many notifications, with the scenario for the first of them.

    Raises ChildError when one doesn't get ready.
    """
    async with AsyncExitStack() as stack:
        children = {
            name: await stack.enter_async_context(_start(directory, name, count, scenario_for[name]))
            for name, count in notifications.items()
        }
        # They get ready side by side; waiting in order costs nothing.
        facts = {name.value: await _read_facts(child) for name, child in children.items()}
        yield list(children.values()), msgspec.convert(facts, SimulatorFacts)


def _start(
    directory: Path, provider: ProviderName, notifications: int, scenario_for: int
) -> AbstractAsyncContextManager[Child]:
    scenario = directory / f"{provider}-scenario.toml"
    scenario.write_text(read_scenario(provider, scenario_for))
    options: dict[str, object] = {
        "--directory": directory / provider,
        "--scenario": scenario,
        "--ledger": find_ledger(directory, provider),
    }
    if provider is ProviderName.WEBPUSH:
        options["--subscriptions"] = max(1, notifications)  # without any there is no file
    words = [str(word) for option in options.items() for word in option]
    command = [sys.executable, "-m", "gateway.cli", "simulate", provider.value, *words]
    return start_child(f"{provider} simulator", command, _find_log(directory, provider))


async def _read_facts(child: Child) -> Any:  # noqa: ANN401 - JSON
    with trio.move_on_after(READY_SECONDS):
        line = await child.read_line()
        if line is not None:
            return msgspec.json.decode(line)
    raise ChildError(f"the {child.name} never got ready; its last words:\n{child.last_words()}")


def _find_log(directory: Path, provider: ProviderName) -> Path:
    return directory / f"{provider}-simulator.log"
