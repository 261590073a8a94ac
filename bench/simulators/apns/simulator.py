"""A fake APNs as its users hold it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bench.simulators.apns.credentials import make_credentials
from bench.simulators.apns.ledger import ApnsLedgerEntry
from bench.simulators.apns.options import ApnsSimulatorOptions
from bench.simulators.apns.provider import ApnsProvider
from bench.simulators.server import Authority, Origin, Simulator, run_simulator


class ApnsSimulator(Simulator[ApnsLedgerEntry]):
    """A running APNs; made by `open_apns_simulator`, which also ends it."""

    def __init__(self, options: ApnsSimulatorOptions, authority: Authority) -> None:
        self.options = options
        self.credentials = make_credentials(options, authority)
        # Apple speaks nothing else: a client of HTTP/1.1 is told so in a GOAWAY, which it cannot read.
        origin = Origin(
            port=options.port, protocols=("h2",), asks_for_certificate=bool(options.client_certificate_topics)
        )
        super().__init__(ApnsProvider(options, self.credentials), options, authority, (origin,))

    @property
    def port(self) -> int:
        """The TCP port, once it listens."""
        return self.ports[""]

    @property
    def address(self) -> str:
        """``host:port`` to connect to."""
        return f"{self.options.host}:{self.port}"


@asynccontextmanager
async def open_apns_simulator(options: ApnsSimulatorOptions | None = None) -> AsyncIterator[ApnsSimulator]:
    """Start a simulator, and end it with the block; its ledger is whole after that. OSError when it cannot start."""
    chosen = options if options is not None else ApnsSimulatorOptions()
    async with run_simulator(lambda authority: ApnsSimulator(chosen, authority), chosen) as simulator:
        yield simulator
