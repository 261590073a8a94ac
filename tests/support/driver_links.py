"""A session driver in the test's own loop, an h2 server behind a memory stream, and an owner that takes notes."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import trio
from trio.testing import memory_stream_pair, wait_all_tasks_blocked

from gateway.clock import TrioClock
from gateway.delivery.pacing.limits import SessionLimits
from gateway.delivery.sessions.driver import Driver
from gateway.delivery.sessions.session_driver import SessionDriver
from native import Exchange, HeaderSet, Requests
from tests.support.http2_peer import Peer
from tests.support.sessions import TOKEN, make_session

AUTHORIZATION = HeaderSet([(b"authorization", TOKEN, True)])
LIMITS = SessionLimits(window=1000, ping_after_seconds=10.0)


class NotingOwner:
    """What a driver's owner was told, in the order of telling."""

    def __init__(self) -> None:
        self.succeeded: list[int] = []
        self.exchanges: list[Exchange] = []
        self.ends: list[tuple[Sequence[Exchange], str]] = []

    def on_progress(self, driver: Driver, touched: Sequence[Requests], exchanges: Sequence[Exchange]) -> None:
        """See SessionOwner."""
        del driver
        for requests in touched:
            for start, stop in requests.take_successes():
                self.succeeded += range(start, stop)
        self.exchanges += exchanges

    def on_ended(self, driver: Driver, exchanges: Sequence[Exchange], why: str) -> None:
        """See SessionOwner."""
        del driver
        self.ends.append((exchanges, why))

    @property
    def ended_rows(self) -> list[int]:
        """Every row that ended, as often as it was told, in order."""
        left = [exchange.row for exchanges, _ in self.ends for exchange in exchanges]
        return sorted([*self.succeeded, *(exchange.row for exchange in self.exchanges), *left])


class DriverLink:
    """A driver and its peer. What the driver sends reaches the peer by itself; ``flow`` moves all there is to move."""

    def __init__(self, stream: trio.abc.Stream, far_end: trio.abc.Stream, peer: Peer, limits: SessionLimits) -> None:
        clock = TrioClock()
        self.owner = NotingOwner()
        self.peer = peer
        self.stream = stream
        self.far_end = far_end
        self.is_silent = False
        session = make_session(now=clock.monotonic(), stream_timeout_seconds=30.0)
        self.driver = SessionDriver(1, stream, session, limits=limits, clock=clock, owner=self.owner)

    def submit(self, requests: Requests, start: int, stop: int, headers: HeaderSet = AUTHORIZATION) -> int:
        """Submit rows; return how many were taken."""
        return self.driver.submit(requests, start, stop, headers)

    async def flow(self) -> None:
        """Send what the peer has to say, until nobody has anything left to do but wait."""
        if said := self.peer.take():
            await self.far_end.send_all(said)
        await wait_all_tasks_blocked()

    async def answer(self, *stream_ids: int, status: int = 200, body: bytes = b"") -> None:
        """Answer requests and let it arrive."""
        await self.flow()
        for stream_id in stream_ids:
            self.peer.answer(stream_id, status, body)
        await self.flow()

    async def send_frames(self, *frames: bytes) -> None:
        """Say what h2 would not say (any more), and let it arrive."""
        await self.far_end.send_all(b"".join(frames))
        await wait_all_tasks_blocked()

    async def serve(self) -> None:
        """Be the peer: acknowledge, and leave every request unanswered."""
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            await self.far_end.send_all(self.peer.take())
            while data := await self.far_end.receive_some():
                if not self.is_silent:
                    self.peer.receive(bytes(data))
                    if said := self.peer.take():
                        await self.far_end.send_all(said)

    async def is_closed(self) -> bool:
        """Return whether our end of the stream was closed."""
        try:
            await self.stream.send_all(b"")
        except trio.ClosedResourceError:
            return True
        return False


@asynccontextmanager
async def open_driver(
    *, peer: Peer | None = None, limits: SessionLimits = LIMITS, streams: Any = memory_stream_pair
) -> AsyncIterator[DriverLink]:
    """Run a driver for the block, its session's SETTINGS exchanged; both are cancelled at its end."""
    stream, far_end = streams()
    link = DriverLink(stream, far_end, peer or Peer(), limits)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(link.serve)
        nursery.start_soon(link.driver.run)
        await wait_all_tasks_blocked()
        yield link
        nursery.cancel_scope.cancel()
