"""The simulator as its users hold it: five origins, the keys to configure a sender with, and any number of browsers."""

import json
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from bench.simulators.server import Authority, Origin, Simulator, run_simulator
from bench.simulators.webpush.derivation import SECRET_BYTES
from bench.simulators.webpush.endpoint_paths import ServiceName
from bench.simulators.webpush.ledger import WebPushLedgerEntry, WebPushStatistics
from bench.simulators.webpush.options import WebPushSimulatorOptions
from bench.simulators.webpush.provider import WebPushProvider
from bench.simulators.webpush.services import SERVICE_OF_ORIGIN
from bench.simulators.webpush.subscriptions import Subscriptions
from bench.simulators.webpush.vapid_keys import VapidKey, derive_vapid_key

# The services that subscriptions are spread over when nobody says which one: those with habits of their own.
SPREAD_SERVICES: tuple[ServiceName, ...] = ("mozilla", "fcm", "apple", "wns")

_ORIGIN_OF_SERVICE = {service: origin for origin, service in SERVICE_OF_ORIGIN.items()}
_HTTP1_ORIGIN = "http1"


class WebPushSimulator(Simulator[WebPushLedgerEntry]):
    """A running simulator; made by `open_webpush_simulator`, which also ends it."""

    def __init__(self, options: WebPushSimulatorOptions, authority: Authority) -> None:
        secret = options.secret if options.secret is not None else os.urandom(SECRET_BYTES)
        keys = [derive_vapid_key(secret, key_id) for key_id in options.vapid_key_ids]
        self.options = options
        self.vapid_keys: dict[str, VapidKey] = {key.id: key for key in keys}
        self.vapid_key_files: dict[str, Path] = {
            key.id: authority.add_file(f"vapid_{key.id}.pem", key.private_pem) for key in keys
        }
        """Private keys as PKCS#8 PEM, by id."""
        self.subscriptions_file = options.subscriptions_file or authority.directory / "subscriptions.ndjson"
        self._subscriptions = Subscriptions(secret, keys)
        self._provider = WebPushProvider(self._subscriptions, options.clock, seed=options.scenario.seed)
        super().__init__(
            self._provider, options, authority, [_make_origin(name, options) for name in SERVICE_OF_ORIGIN]
        )

    @property
    def origins(self) -> dict[str, str]:
        """``https://localhost:port`` by name: ``mozilla``, ``fcm``, ``apple``, ``wns``, and ``http1``."""
        return dict(self._provider.origins)

    def make_subscription(self, service: ServiceName, number: int) -> dict[str, Any]:
        """Return a subscription as a browser gives it, with its service and the id of its VAPID key."""
        subscription = self._subscriptions.make(service, number)
        return {
            "service": service,
            "vapid_key": subscription.vapid_key.id,
            "subscription": subscription.export(self._provider.origins[_ORIGIN_OF_SERVICE[service]]),
        }

    def make_subscriptions(self, count: int) -> Iterator[dict[str, Any]]:
        """Make so many, spread evenly over the four services, and in each over the VAPID keys."""
        for index in range(count):
            number, which = divmod(index, len(SPREAD_SERVICES))
            yield self.make_subscription(SPREAD_SERVICES[which], number)

    def statistics(self) -> WebPushStatistics:
        """Return the counts since the start."""
        provider = self._provider
        return WebPushStatistics(
            **msgspec.structs.asdict(super().statistics()),
            decryption_failures=provider.decryption_failures,
            faults=dict(provider.faults),
            tokens=provider.token_use.count(),
            early_renewals=provider.token_use.count_early(),
        )

    async def listen(self) -> None:
        """Take the ports; connections wait until `run`. OSError when one cannot be had."""
        await super().listen()
        self._provider.origins.update({name: f"https://localhost:{port}" for name, port in self.ports.items()})

    def write_files(self) -> None:
        """Write what a client needs, the subscriptions last; each line is one that `pushmill send --file` takes."""
        super().write_files()
        if self.options.subscriptions:
            with self.subscriptions_file.open("w", encoding="ascii") as file:
                for made in self.make_subscriptions(self.options.subscriptions):
                    file.write(json.dumps(make_send_line(made)) + "\n")


def make_send_line(made: dict[str, Any]) -> dict[str, Any]:
    """Return a subscription as a notification's address, in the fields of the API."""
    return {"to": {"webpush": {**made["subscription"], "vapid_key": made["vapid_key"]}}}


def _make_origin(name: str, options: WebPushSimulatorOptions) -> Origin:
    port = options.ports.get(name, 0)
    return (
        Origin(name=name, port=port, protocols=("http/1.1",)) if name == _HTTP1_ORIGIN else Origin(name=name, port=port)
    )


@asynccontextmanager
async def open_webpush_simulator(options: WebPushSimulatorOptions | None = None) -> AsyncIterator[WebPushSimulator]:
    """Start a simulator, and end it with the block; its ledger is whole after that. OSError when it cannot start."""
    options = options if options is not None else WebPushSimulatorOptions()

    def make(authority: Authority) -> WebPushSimulator:
        return WebPushSimulator(options, authority)

    async with run_simulator(make, options) as simulator:
        yield simulator
