"""A caller that outlives its connections: what a backend wants whose gateway is restarted now and then.

It connects again with back-off, sends every batch that has no answer again under the same ``batch_id``, which the
gateway takes once, and goes on reading where its named subscription stands. Results that were not acknowledged when a
connection broke come again: tell them apart by (batch_id, index).

Used like this::

    async with open_steady_caller("unix:/run/pushmill/gateway.sock") as caller:
        accepted = await caller.send({"app": "shop", "content": {"title": "Sale"}, "targets": targets})
        async for page in caller.results("shop-backend"):
            ...
            caller.acknowledge(page)
"""

import random
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import trio

from gateway.caller.caller import SocketCaller, open_caller
from gateway.caller.checking import name_batch
from gateway.caller.errors import BatchRefusedError, ConnectError, ConnectionLostError, RefusedError
from gateway.caller.subscription import Subscription
from protocol.frames import Accepted, Results

FIRST_DELAY_SECONDS = 0.1
CEILING_SECONDS = 5.0
# Where a refusal that will pass names no time of its own.
REFUSED_DELAY_SECONDS = 1.0


@asynccontextmanager
async def open_steady_caller(
    address: str, *, tls: ssl.SSLContext | None = None, key: str | None = None
) -> AsyncIterator["SteadyCaller"]:
    """Keep connected to ``unix:/path`` or ``tcp:host:port`` for the block; the first connection need not stand yet."""
    caller = SteadyCaller(address, tls=tls, key=key)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(caller.run)
        yield caller
        nursery.cancel_scope.cancel()


class SteadyCaller:
    """See the module text.

    ``losses`` counts connections that ended, ``tries`` those that could not be had since, ``readings`` how often
    reading began: only where it began anew may a result come again.
    """

    def __init__(
        self,
        address: str,
        *,
        tls: ssl.SSLContext | None = None,
        key: str | None = None,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._address = address
        self._tls = tls
        self._key = key
        self._uniform = uniform
        self._caller: SocketCaller | None = None
        self._connected = trio.Event()
        self._source: Subscription[Results] | None = None
        self.losses = 0
        self.readings = 0
        self.tries = 0

    def __repr__(self) -> str:
        state = "connected" if self._caller is not None else f"{self.tries} tries"
        return f"<SteadyCaller of {self._address}, {state}, {self.losses} losses>"

    async def run(self) -> None:
        """Keep a connection until cancelled. Raises ValueError for what is no address."""
        while True:
            try:
                async with open_caller(self._address, tls=self._tls, key=self._key) as caller:
                    self.tries = 0
                    self._caller = caller
                    self._connected.set()
                    await caller.wait_lost()
            except ConnectError:
                self.tries += 1
            finally:
                if self._caller is not None:
                    self._caller = None
                    self._connected = trio.Event()
                    self.losses += 1
            await trio.sleep(self._delay_seconds())

    async def send(self, batch: Mapping[str, Any]) -> Accepted:
        """Send one batch until it is answered. Raises BatchRefusedError for a refusal that will not pass."""
        batch = {**batch, "batch_id": name_batch(batch)}
        while True:
            caller = await self._get_caller()
            try:
                return await caller.send(batch)
            except ConnectionLostError:
                await self._leave(caller)
            except BatchRefusedError as refusal:
                if refusal.retry_after_ms is None:
                    raise
                await trio.sleep(refusal.retry_after_ms / 1000 or REFUSED_DELAY_SECONDS)

    async def results(self, subscription: str) -> AsyncIterator[Results]:
        """Yield pages of results of a named subscription, over as many connections as it takes."""
        while True:
            caller = await self._get_caller()
            try:
                self._source = await caller.subscribe(subscription=subscription)
                self.readings += 1
                async for page in self._source:
                    yield page
            except ConnectionLostError:
                pass
            except RefusedError as refusal:
                if refusal.retry_after_ms is None:
                    raise
                await trio.sleep(refusal.retry_after_ms / 1000 or REFUSED_DELAY_SECONDS)
                continue
            await self._leave(caller)

    def acknowledge(self, page: Results) -> None:
        """Tell the gateway that these results, and all before them, are safe with you."""
        if self._source is not None:
            self._source.acknowledge(page)

    async def _get_caller(self) -> SocketCaller:
        while self._caller is None:
            await self._connected.wait()
        return self._caller

    async def _leave(self, caller: SocketCaller) -> None:
        """Wait until ``run`` has noticed too that a connection is gone."""
        await caller.wait_lost()
        while self._caller is caller:
            await trio.lowlevel.checkpoint()

    def _delay_seconds(self) -> float:
        grown = min(CEILING_SECONDS, FIRST_DELAY_SECONDS * 2 ** min(self.tries, 16))
        return self._uniform(FIRST_DELAY_SECONDS, grown)
