"""A whole gateway in the test's own loop: real door, real delivery, and a real simulator at the other end."""

import json
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio

from bench.judging.processes import Child, start_child, wait_for_socket
from bench.simulators.apns import ApnsSimulator
from bench.simulators.fcm import FcmSimulator
from bench.simulators.webpush import WebPushSimulator
from gateway.app import Gateway
from gateway.caller import SocketCaller, Subscription, open_caller
from gateway.clock import Clock, SystemClock
from gateway.config import Config, load_config
from protocol.frames import Accepted, Results
from protocol.results import Result, expand
from tests.support.patience import HANG_SECONDS

Sections = dict[str, dict[str, Any]]


def apns_sections(simulator: ApnsSimulator, *, key_file: Path | None = None) -> Sections:
    """Return what the app ``shop`` needs to send to an APNs simulator."""
    key = simulator.credentials.keys[0]
    identity = key.options
    return {
        "apns": {"production_address": f"localhost:{simulator.port}", "ca_file": str(simulator.ca_file)},
        "apps.shop.apns": {
            "team_id": identity.team_id,
            "key_id": identity.key_id,
            "key_file": str(key_file or key.file),
            "topic": "com.example.shop",
            "environment": "production",
        },
    }


def fcm_sections(simulator: FcmSimulator, **app: Any) -> Sections:
    """Return what the app ``shop`` needs to send to an FCM simulator; ``app`` are more settings of its own."""
    return {
        "fcm": {
            "address": f"localhost:{simulator.port}",
            "token_uri": simulator.token_uri,
            "ca_file": str(simulator.ca_file),
            "ramp_seconds": 0,
        },
        "apps.shop.fcm": {"service_account_file": str(simulator.account.file), **app},
    }


def webpush_sections(simulator: WebPushSimulator, **app: Any) -> Sections:
    """Return what the app ``shop`` needs to send to all origins of a Web Push simulator."""
    services = {name: "other" if name == "http1" else name for name in simulator.origins}
    hosts = {origin.removeprefix("https://"): services[name] for name, origin in simulator.origins.items()}
    files = {name: str(file) for name, file in simulator.vapid_key_files.items()}
    return {
        "webpush": {"allowed_networks": ["127.0.0.0/8", "::1/128"], "ca_file": str(simulator.ca_file)},
        "webpush.allowed_hosts": hosts,
        "apps.shop.webpush": {"subject": simulator.options.subject, **app},
        "apps.shop.webpush.vapid_key_files": files,
    }


def write_config(
    folder: Path, simulator: ApnsSimulator | None, *, key_file: Path | None = None, **sections: Any
) -> Path:
    """Write settings for the app ``shop``, at an APNs simulator if one is given.

    ``sections`` are added or replace single settings.
    """
    settings: Sections = {
        "listen": {"socket": [f"unix:{folder / 'gateway.sock'}"]},
        "journal": {"directory": str(folder / "journal")},
    }
    if simulator is not None:
        settings |= apns_sections(simulator, key_file=key_file)
    for name, section in sections.items():
        settings.setdefault(name, {}).update(section)
    path = folder / "gateway.toml"
    # A JSON string, number, boolean or list of them is TOML too.
    path.write_text(
        "\n".join(
            f"[{name}]\n" + "".join(f"{json.dumps(key)} = {json.dumps(value)}\n" for key, value in section.items())
            for name, section in settings.items()
        )
    )
    return path


class Shop:
    """A gateway with the app ``shop``, and a caller connected to its door."""

    def __init__(self, gateway: Gateway, caller: SocketCaller) -> None:
        self.gateway = gateway
        self.caller = caller
        self._subscription: Subscription[Results] | None = None

    async def send(self, batch: dict[str, Any]) -> Accepted:
        """Send a batch and return its answer."""
        return await self.caller.send(batch)

    async def read_results(self, count: int) -> list[Result]:
        """Return the next ``count`` results or a few more, acknowledged."""
        if self._subscription is None:
            self._subscription = await self.caller.subscribe()
        results: list[Result] = []
        while len(results) < count:
            page = await anext(self._subscription)
            results.extend(result for block in page.blocks for result in expand(block))
            self._subscription.acknowledge(page)
        return results


@asynccontextmanager
async def open_gateway(
    config: Config, *, clock: Clock | None = None, **options: Any
) -> AsyncIterator[tuple[Gateway, str]]:
    """Run a gateway for the block and tell its address; it is cut, not drained, at its end."""
    gateway = Gateway(config, clock=clock or SystemClock(), **options)
    async with trio.open_nursery() as nursery:
        addresses = await nursery.start(gateway.run)
        yield gateway, str(addresses[0])
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def start_gateway(folder: Path, simulator: ApnsSimulator, **sections: Any) -> AsyncIterator[Child]:
    """Run ``pushmill serve`` as a process of its own, its door at ``gateway.sock`` in ``folder``."""
    config = write_config(folder, simulator, **sections)
    command = [sys.executable, "-m", "gateway.cli", "serve", "--config", str(config)]
    async with start_child("gateway", command, folder / "gateway.log", has_output=False) as child:
        await wait_for_socket(folder / "gateway.sock", child, patience_seconds=HANG_SECONDS)
        yield child


@asynccontextmanager
async def open_shop(
    folder: Path,
    simulator: ApnsSimulator | None,
    *,
    key_file: Path | None = None,
    clock: Clock | None = None,
    **sections: Any,
) -> AsyncIterator[Shop]:
    """Run a gateway for the app ``shop`` and connect to it; fails instead of hanging."""
    config = load_config(write_config(folder, simulator, key_file=key_file, **sections), {})
    with trio.fail_after(HANG_SECONDS):
        async with open_gateway(config, clock=clock) as (gateway, address), open_caller(address) as caller:
            yield Shop(gateway, caller)


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
