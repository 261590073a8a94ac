"""The FCM simulator as its users hold it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bench.simulators.fcm.ledger import FcmLedgerEntry
from bench.simulators.fcm.options import FcmSimulatorOptions
from bench.simulators.fcm.provider import TOKEN_PATH, FcmProvider
from bench.simulators.fcm.service_account import make_service_account
from bench.simulators.server import Authority, Origin, Simulator, run_simulator


class FcmSimulator(Simulator[FcmLedgerEntry]):
    """A running simulator; made by `open_fcm_simulator`, which also ends it."""

    def __init__(self, options: FcmSimulatorOptions, authority: Authority) -> None:
        self.options = options
        self.account = make_service_account(options.project_id, authority)
        """The service account that may send; ``account.file`` is what a gateway's configuration names."""
        self._provider = FcmProvider(options, self.account, lambda: self.scenario)
        super().__init__(self._provider, options, authority, [Origin(port=options.port)])

    @property
    def port(self) -> int:
        """The port of both endpoints."""
        return self.ports[""]

    @property
    def address(self) -> str:
        """``host:port`` to connect to."""
        return f"{self.options.host}:{self.port}"

    @property
    def token_uri(self) -> str:
        """Where assertions are exchanged."""
        return f"https://{self.address}{TOKEN_PATH.decode()}"

    @property
    def exchanges(self) -> int:
        """Exchanges asked for since the start, good or not."""
        return self._provider.exchanges

    def revoke_tokens(self) -> None:
        """Refuse every access token that was given out so far."""
        self._provider.tokens.revoke_all()


@asynccontextmanager
async def open_fcm_simulator(options: FcmSimulatorOptions | None = None) -> AsyncIterator[FcmSimulator]:
    """Start a simulator, and end it with the block; its ledger is whole after that. OSError when it cannot start."""
    chosen = options if options is not None else FcmSimulatorOptions()
    async with run_simulator(lambda authority: FcmSimulator(chosen, authority), chosen) as simulator:
        yield simulator
