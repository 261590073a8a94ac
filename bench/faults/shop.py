"""A caller that sends plain batches and waits for their results: for faults that a connected caller lives through."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from bench.faults.gateway_process import GatewayPlace
from bench.faults.kill_caller import make_batch, make_token
from bench.judging.findings import History, SubmittedBatch
from gateway.caller import SocketCaller, Subscription, open_caller
from protocol.frames import Results
from protocol.results import expand

PATIENCE_SECONDS = 30.0
"""Without a new result for so long the rest is lost."""


class Shop:
    """Notes everything in a history; ``name`` begins the names of its batches."""

    def __init__(self, caller: SocketCaller, name: str, history: History) -> None:
        self.history = history
        self._caller = caller
        self._name = name
        self._sent = 0
        self._results: Subscription[Results] | None = None

    async def send(self, rows: int, *, ttl_seconds: int | None = None) -> int:
        """Send a batch and return how many of it were accepted."""
        batch_id = f"{self._name}.{self._sent}"
        self._sent += 1
        destinations = tuple(make_token(batch_id, index) for index in range(rows))
        self.history.submitted[batch_id] = SubmittedBatch(
            batch_id=batch_id, destinations=destinations, reports_unknown=False
        )
        answer = await self._caller.send(make_batch(batch_id, rows, ttl_seconds=ttl_seconds))
        self.history.answers.append((batch_id, answer.accepted))
        return answer.accepted

    async def read_results(self, patience_seconds: float = PATIENCE_SECONDS) -> None:
        """Read until everything that was accepted has a result, or nothing comes any more."""
        if self._results is None:
            self._results = await self._caller.subscribe(subscription=self._name)
        expected = sum(accepted for _, accepted in self.history.answers)
        known = {(result.batch_id, result.index) for result in self.history.results}
        with trio.move_on_after(patience_seconds) as patience:
            while len(known) < expected:
                page = await anext(self._results)
                read = [result for block in page.blocks for result in expand(block)]
                self.history.results += read
                known.update((result.batch_id, result.index) for result in read)
                self._results.acknowledge(page)
                patience.deadline = trio.current_time() + patience_seconds


@asynccontextmanager
async def open_shop(place: GatewayPlace, name: str, history: History | None = None) -> AsyncIterator[Shop]:
    """Connect a shop to a gateway; it notes everything in a history of its own or a shared one."""
    async with open_caller(place.address) as caller:
        yield Shop(caller, name, History() if history is None else history)
