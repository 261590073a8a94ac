"""A simulator as its users hold it: it listens, takes connections, and can be made to misbehave while it runs."""

import functools
import ssl
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

import trio

from bench.simulators.server.authority import Authority
from bench.simulators.server.behaviour import Behaviour
from bench.simulators.server.connections.connection import Connection
from bench.simulators.server.connections.driver import ConnectionDriver, Gate, LinkPlan
from bench.simulators.server.connections.http1_connection import Http1Connection
from bench.simulators.server.connections.http2_connection import Http2Connection
from bench.simulators.server.events import GoawayEvent
from bench.simulators.server.ledger import EntryT, Ledger
from bench.simulators.server.options import Origin, Protocol, SimulatorOptions
from bench.simulators.server.provider import Peer, Provider
from bench.simulators.server.scenario import Scenario
from bench.simulators.server.service import Service
from bench.simulators.server.statistics import Statistics

_HANDSHAKE_TIMEOUT_SECONDS = 10.0
_LEDGER_INTERVAL_SECONDS = 0.2

_CONNECTIONS: dict[Protocol, Callable[[int, Peer, Service, Callable[[], None]], Connection]] = {
    "h2": Http2Connection,
    "http/1.1": Http1Connection,
}


class Simulator(Generic[EntryT]):
    """A running simulator of one provider; `run_simulator` starts and ends it.

    A provider's own class derives from it and gives the constructor its rules, its authority and its ports.
    """

    def __init__(
        self,
        provider: Provider[Any, Any],
        options: SimulatorOptions,
        authority: Authority,
        origins: Sequence[Origin] = (Origin(),),
    ) -> None:
        self.ca_file = authority.ca_file
        """The certificate to trust."""
        self.ports: dict[str, int] = {}
        """The port of each origin by its name, once it listens."""
        self.ledger: Ledger[EntryT] = Ledger(options.ledger_file, remembers=options.remembers_requests)
        self._host = options.host
        self._authority = authority
        self._service = Service(provider, options.scenario, self.ledger, options.clock)
        self._gate = Gate()
        self._connections: dict[int, Connection] = {}
        self._origins = {origin.name: origin for origin in origins}
        self._contexts = {
            origin.name: authority.make_server_context(
                host=options.host, alpn=origin.protocols, asks_for_certificate=origin.asks_for_certificate
            )
            for origin in origins
        }
        self._listeners: dict[str, list[trio.SocketListener]] = {}

    def __repr__(self) -> str:
        counts = self._service.counts
        ports = ", ".join(str(port) for port in self.ports.values())
        where = f"{self._host}:{ports}"
        return f"<{type(self).__name__} {where}: {counts.connections_open} connections, {counts.requests} requests>"

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

    async def serve_stream(
        self,
        stream: trio.abc.Stream,
        *,
        origin: str | None = None,
        protocol: Protocol | None = None,
        has_certificate: bool = False,
    ) -> None:
        """Speak HTTP over a stream of any kind (in tests one of memory) until it ends; closes it.

        Without an ``origin`` the first one is meant, without a ``protocol`` the one that the origin prefers.
        """
        name = next(iter(self._origins)) if origin is None else origin
        spoken = self._origins[name].protocols[0] if protocol is None else protocol
        counts = self._service.counts
        counts.connections += 1
        number = counts.connections
        driver = self._make_driver(number, stream, Peer(origin=name, has_certificate=has_certificate), spoken)
        self._connections[number] = driver.connection
        counts.connections_open += 1
        try:
            await driver.run()
        finally:
            counts.connections_open -= 1
            del self._connections[number]

    async def listen(self) -> None:
        """Take the ports and leave files alone; connections wait until `run`. OSError that names what cannot be had."""
        for name, origin in self._origins.items():
            try:
                listeners = await trio.open_tcp_listeners(origin.port, host=self._host)
            except OSError as error:
                raise OSError(error.errno, error.strerror, f"{self._host}:{origin.port}") from error
            self._listeners[name] = listeners
            self.ports[name] = listeners[0].socket.getsockname()[1]

    def write_files(self) -> None:
        """Write what a client needs, and begin the ledger. After `listen`; OSError when a file cannot be written."""
        self._authority.write_files()
        self.ledger.open()

    async def run(self) -> None:
        """Serve until cancelled, then `close`."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._service.scheduler.run)
                if self.ledger.has_file:
                    nursery.start_soon(self._write_ledger)
                for name, listeners in self._listeners.items():
                    serve = functools.partial(self._serve_connection, name)
                    nursery.start_soon(
                        functools.partial(trio.serve_listeners, serve, listeners, handler_nursery=nursery)
                    )
        finally:
            self.close()

    def close(self) -> None:
        """Give the ports back and write the rest of the ledger."""
        for listener in (each for listeners in self._listeners.values() for each in listeners):
            listener.socket.close()
        self.ledger.close()

    def _make_driver(self, number: int, stream: trio.abc.Stream, peer: Peer, protocol: Protocol) -> ConnectionDriver:
        behaviour = self._service.behaviour
        cut_at_received, cut_at_sent = behaviour.find_cut_positions(number, peer.origin)
        plan = LinkPlan(
            delay_seconds=behaviour.scenario.settings.delay_seconds,
            cut_at_received=cut_at_received,
            cut_at_sent=cut_at_sent,
        )
        make_connection = functools.partial(_CONNECTIONS[protocol], number, peer, self._service)
        return ConnectionDriver(stream, self._gate, plan, make_connection)

    async def _serve_connection(self, origin: str, transport: trio.SocketStream) -> None:
        stream = trio.SSLStream(transport, self._contexts[origin], server_side=True, https_compatible=True)
        if await self._has_shaken_hands(stream):
            protocol = _choose_protocol(stream.selected_alpn_protocol(), self._origins[origin])
            has_certificate = bool(stream.getpeercert())
            await self.serve_stream(stream, origin=origin, protocol=protocol, has_certificate=has_certificate)
        else:
            self._service.counts.refused_handshakes += 1
            await trio.aclose_forcefully(stream)

    async def _has_shaken_hands(self, stream: trio.SSLStream[trio.SocketStream]) -> bool:
        with trio.move_on_after(_HANDSHAKE_TIMEOUT_SECONDS):
            try:
                await stream.do_handshake()
            except (trio.BrokenResourceError, ssl.SSLError):
                return False
            return True
        return False

    async def _write_ledger(self) -> None:
        while True:
            await trio.sleep(_LEDGER_INTERVAL_SECONDS)
            self.ledger.write()

    def _chosen(self, number: int | None) -> list[Connection]:
        return [each for own, each in self._connections.items() if number in (None, own)]


def _choose_protocol(agreed: str | None, origin: Origin) -> Protocol:
    """Return what ALPN agreed on; without it HTTP/1.1, as Node's https and others come, where that is spoken."""
    for protocol in origin.protocols:
        if agreed == protocol:
            return protocol
    return "http/1.1" if "http/1.1" in origin.protocols else origin.protocols[0]


SimulatorT = TypeVar("SimulatorT", bound=Simulator[Any])


@asynccontextmanager
async def run_simulator(
    make: Callable[[Authority], SimulatorT], options: SimulatorOptions
) -> AsyncIterator[SimulatorT]:
    """Start the simulator that ``make`` builds, and end it with the block; its ledger is whole after that.

    OSError when it cannot start: a file cannot be written, a port cannot be had.
    """
    with tempfile.TemporaryDirectory(prefix="pushmill-simulator-") as folder:
        simulator = make(Authority(options.directory or Path(folder)))
        async with run_simulators(simulator):
            yield simulator


@asynccontextmanager
async def run_simulators(
    *simulators: Simulator[Any], write_more: Callable[[], None] = lambda: None
) -> AsyncIterator[None]:
    """Run simulators side by side for as long as the block lasts; all of them listen when it begins, or OSError.

    Files are written when all have their ports, last those that ``write_more`` writes.
    """
    try:
        for simulator in simulators:
            await simulator.listen()
        for simulator in simulators:
            simulator.write_files()
        write_more()
    except BaseException:
        for simulator in simulators:
            simulator.close()
        raise
    async with trio.open_nursery() as nursery:
        for simulator in simulators:
            nursery.start_soon(simulator.run)
        yield
        nursery.cancel_scope.cancel()
