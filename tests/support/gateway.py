"""A whole gateway in the test's own loop: real door, real delivery, and a real simulator at the other end."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio

from bench.simulators.apns import ApnsSimulator
from gateway.app import EngineWrapper, Gateway
from gateway.caller import SocketCaller, open_caller
from gateway.clock import SystemClock
from gateway.config import Config, load_config
from protocol.results import Result, expand

PATIENCE_SECONDS = 20.0  # a bound on hanging, far above what any of these tests takes


def write_config(folder: Path, simulator: ApnsSimulator, *, key_file: Path | None = None, **sections: Any) -> Path:
    """Write settings for the app ``shop`` at the simulator; ``sections`` are added or replace single settings."""
    key = simulator.credentials.keys[0]
    identity = key.options
    settings: dict[str, dict[str, Any]] = {
        "listen": {"socket": [f"unix:{folder / 'gateway.sock'}"]},
        "apns": {"production_address": f"localhost:{simulator.port}", "ca_file": str(simulator.ca_file)},
        "apps.shop.apns": {
            "team_id": identity.team_id,
            "key_id": identity.key_id,
            "key_file": str(key_file or key.file),
            "topic": "com.example.shop",
            "environment": "production",
        },
    }
    for name, section in sections.items():
        settings.setdefault(name, {}).update(section)
    path = folder / "gateway.toml"
    # A JSON string, number, boolean or list of them is TOML too.
    path.write_text(
        "\n".join(
            f"[{name}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in section.items())
            for name, section in settings.items()
        )
    )
    return path


class RunningGateway:
    """A gateway that serves, and the address of its door."""

    def __init__(self, gateway: Gateway, address: str) -> None:
        self.gateway = gateway
        self.address = address


@asynccontextmanager
async def open_gateway(config: Config, wrap_engine: EngineWrapper | None = None) -> AsyncIterator[RunningGateway]:
    """Run a gateway for the block; it is cut, not drained, at its end."""
    gateway = Gateway(config, clock=SystemClock(), **({"wrap_engine": wrap_engine} if wrap_engine else {}))
    async with trio.open_nursery() as nursery:
        addresses = await nursery.start(gateway.run)
        yield RunningGateway(gateway, str(addresses[0]))
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def open_shop(
    folder: Path, simulator: ApnsSimulator, **sections: Any
) -> AsyncIterator[tuple[RunningGateway, SocketCaller]]:
    """Run a gateway for the app ``shop`` and connect to it; fails instead of hanging."""
    config = load_config(write_config(folder, simulator, **sections), {})
    with trio.fail_after(PATIENCE_SECONDS):
        async with open_gateway(config) as running, open_caller(running.address) as caller:
            yield running, caller


def device_tokens(count: int, *, prefix: str = "", start: int = 0) -> list[str]:
    """Return distinct device tokens of 32 bytes in hex."""
    return [prefix + f"{number:0{64 - len(prefix)}x}" for number in range(start, start + count)]


def alert_batch(tokens: Sequence[str], **fields: Any) -> dict[str, Any]:
    """Return a batch of one alert for many device tokens."""
    batch: dict[str, Any] = {
        "app": "shop",
        "content": {"title": "Sale", "body": "20 % off today"},
        "targets": [{"apns": {"token": token}} for token in tokens],
    }
    return batch | fields


async def read_results(caller: SocketCaller, count: int) -> list[Result]:
    """Return the next ``count`` results, acknowledged."""
    results: list[Result] = []
    subscription = await caller.subscribe()
    async for page in subscription:
        results.extend(result for block in page.blocks for result in expand(block))
        subscription.acknowledge(page)
        if len(results) >= count:
            break
    return results
