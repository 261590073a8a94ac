"""The simulator as its users hold it: it listens, takes connections, and can be made to misbehave while it runs."""

import ssl
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

import trio

from bench.simulators.apns.behaviour import Behaviour
from bench.simulators.apns.connection import ApnsConnection
from bench.simulators.apns.credentials import Credentials, make_credentials, make_server_context
from bench.simulators.apns.driver import ConnectionDriver, Gate
from bench.simulators.apns.ledger import Ledger
from bench.simulators.apns.options import ApnsSimulatorOptions
from bench.simulators.apns.rules import Judge, Sender
from bench.simulators.apns.scenario import GoawayEvent, Scenario
from bench.simulators.apns.service import Service
from bench.simulators.apns.statistics import Statistics
from bench.simulators.apns.tokens import TokenJudge

_HANDSHAKE_TIMEOUT_SECONDS = 10.0
_LEDGER_INTERVAL_SECONDS = 0.2


class ApnsSimulator:
    """A running simulator; made by `open_apns_simulator`, which also ends it."""

    def __init__(self, options: ApnsSimulatorOptions, credentials: Credentials) -> None:
        tokens = TokenJudge(credentials.keys, options.environment, options.token_updates_by)
        self.options = options
        self.credentials = credentials
        self.ledger = Ledger(options.ledger_file, remembers=options.remembers_requests)
        self.port = 0
        self._listeners: list[trio.SocketListener] = []
        self._service = Service(options, Judge(options, tokens), self.ledger)
        self._gate = Gate()
        self._connections: dict[int, ApnsConnection] = {}
        self._context = make_server_context(
            credentials, host=options.host, asks_for_certificate=bool(options.client_certificate_topics)
        )

    def __repr__(self) -> str:
        counts = self._service.counts
        return f"<ApnsSimulator {self.address}: {counts.connections_open} connections, {counts.requests} requests>"

    @property
    def address(self) -> str:
        """``host:port`` to connect to."""
        return f"{self.options.host}:{self.port}"

    @property
    def ca_file(self) -> Path:
        """The certificate to trust."""
        return self.credentials.ca_file

    @property
    def scenario(self) -> Scenario:
        """How it behaves now. A new one counts ``times`` afresh; its limits and SETTINGS are for later connections."""
        return self._service.behaviour.scenario

    @scenario.setter
    def scenario(self, scenario: Scenario) -> None:
        self._service.behaviour = Behaviour(scenario)

    def statistics(self) -> Statistics:
        """Return the counts since the start."""
        return self._service.counts.freeze()

    def stall(self) -> None:
        """Take requests and PINGs, and withhold every answer until `resume`."""
        self._service.scheduler.stall()

    def freeze(self) -> None:
        """Read nothing and answer nothing until `resume`: to the client a peer that is gone without a word."""
        self._gate.shut()
        self._service.scheduler.stall()

    def resume(self) -> None:
        """End `stall` and `freeze`; what was withheld is answered now."""
        self._gate.open()
        self._service.scheduler.resume()

    def goaway(
        self,
        *,
        reason: str | None = "Shutdown",
        unprocessed: int = 0,
        close: Literal["drained", "at_once", "never"] = "drained",
        connection: int | None = None,
    ) -> None:
        """Send GOAWAY on every open connection, or on the one with this number; see `GoawayEvent`."""
        event = GoawayEvent(on_connect=True, reason=reason, unprocessed=unprocessed, close=close)
        for each in self._chosen(connection):
            each.go_away(event)

    def cut(self, *, connection: int | None = None) -> None:
        """Cut every open connection, or the one with this number."""
        for each in self._chosen(connection):
            each.cut()

    def set_stream_limit(self, limit: int, *, connection: int | None = None) -> None:
        """Announce another stream limit on every open connection, or on the one with this number."""
        for each in self._chosen(connection):
            each.set_stream_limit(limit)

    async def serve_stream(self, stream: trio.abc.Stream, *, certificate_topics: tuple[str, ...] | None = None) -> None:
        """Speak HTTP/2 over a stream of any kind (in tests one of memory) until it ends; closes it."""
        counts = self._service.counts
        counts.connections += 1
        number = counts.connections
        driver = ConnectionDriver(number, stream, Sender(certificate_topics), self._service, self._gate)
        self._connections[number] = driver.connection
        counts.connections_open += 1
        try:
            await driver.run()
        finally:
            counts.connections_open -= 1
            del self._connections[number]

    async def listen(self) -> None:
        """Take the port; connections wait until `run`. OSError when it cannot be had."""
        self._listeners = await trio.open_tcp_listeners(self.options.port, host=self.options.host)
        self.port = self._listeners[0].socket.getsockname()[1]

    async def run(self) -> None:
        """Serve until cancelled."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._service.scheduler.run)
                nursery.start_soon(self._write_ledger)
                await trio.serve_listeners(self._serve_connection, self._listeners, handler_nursery=nursery)
        finally:
            self.ledger.close()

    async def _serve_connection(self, transport: trio.SocketStream) -> None:
        stream = trio.SSLStream(transport, self._context, server_side=True, https_compatible=True)
        if await self._has_agreed_on_h2(stream):
            await self.serve_stream(stream, certificate_topics=self._certificate_topics(stream))
        else:
            self._service.counts.refused_handshakes += 1
            await trio.aclose_forcefully(stream)

    async def _has_agreed_on_h2(self, stream: trio.SSLStream[trio.SocketStream]) -> bool:
        """Shake hands; a client without ALPN h2 is dropped here, before it can say anything."""
        with trio.move_on_after(_HANDSHAKE_TIMEOUT_SECONDS):
            try:
                await stream.do_handshake()
            except (trio.BrokenResourceError, ssl.SSLError):
                return False
            return bool(stream.selected_alpn_protocol() == "h2")
        return False

    def _certificate_topics(self, stream: trio.SSLStream[trio.SocketStream]) -> tuple[str, ...] | None:
        return self.options.client_certificate_topics if stream.getpeercert() else None

    async def _write_ledger(self) -> None:
        while True:
            await trio.sleep(_LEDGER_INTERVAL_SECONDS)
            self.ledger.write()

    def _chosen(self, number: int | None) -> list[ApnsConnection]:
        return [each for own, each in self._connections.items() if number in (None, own)]


@asynccontextmanager
async def open_apns_simulator(options: ApnsSimulatorOptions | None = None) -> AsyncIterator[ApnsSimulator]:
    """Start a simulator, and end it with the block; its ledger is whole after that. OSError when it cannot start."""
    options = options if options is not None else ApnsSimulatorOptions()
    with tempfile.TemporaryDirectory(prefix="pushmill-apns-") as folder:
        simulator = ApnsSimulator(options, make_credentials(options, options.directory or Path(folder)))
        await simulator.listen()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(simulator.run)
            yield simulator
            nursery.cancel_scope.cancel()
