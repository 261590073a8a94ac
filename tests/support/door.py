"""A socket door over the in-memory engine, in the test's own loop, with nobody who delivers unless the test does."""

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import structlog.testing
import trio
import trio.testing

from gateway.access import DEFAULT, Authenticator, OnePrincipal
from gateway.caller.dialing import open_stream
from gateway.clock import Clock, TrioClock
from gateway.config import LimitSettings, ListenSettings
from gateway.doors.socket import SocketDoor
from gateway.journal.engine import ChunkRef, Engine, Settlement
from gateway.journal.memory.engine import MemoryEngine
from protocol.chunks import decode_chunk, expand_ranges
from protocol.frames import FrameReader, frame_body
from protocol.lanes import get_provider
from protocol.outcomes import Advice, Outcome
from tests.support.sends import ACCEPTED_AT_MS, TOKEN
from tests.support.webpush_sends import FULL_SHOP

EVERYBODY = OnePrincipal(DEFAULT)
HELLO = {"op": "hello", "version": 1}


PATIENCE_SECONDS = 75.0  # a bound on hanging, above two of the longest waits; where clocks jump it costs nothing


EngineMaker = Callable[[Clock], Engine]


class OpenDoor:
    """A door that serves, its engine, and where it listens."""

    def __init__(
        self,
        listen: ListenSettings,
        limits: dict[str, Any],
        nursery: trio.Nursery,
        make_engine: EngineMaker,
        authenticator: Authenticator,
    ) -> None:
        self.clock = TrioClock()
        self.engine = make_engine(self.clock)
        self.door = SocketDoor(
            listen=listen,
            limits=LimitSettings(**limits),
            engine=self.engine,
            apps={"shop": FULL_SHOP},
            authenticator=authenticator,
            clock=self.clock,
            random_bytes=os.urandom,
        )
        self.nursery = nursery
        self.addresses: list[str] = []
        self._peers: list[RawPeer] = []

    def connect(self) -> "RawPeer":
        """Return a peer connected through memory, past the listeners."""
        ours, theirs = trio.testing.memory_stream_pair()
        self.nursery.start_soon(self.door._serve_connection, theirs)
        return self.adopt(ours)

    def adopt(self, stream: trio.abc.Stream) -> "RawPeer":
        """Return the peer at this end of a stream, which is closed with the door."""
        self._peers.append(RawPeer(stream))
        return self._peers[-1]

    async def dial(self) -> "RawPeer":
        """Return a peer connected to the first address, without TLS, that has said hello."""
        peer = self.adopt(await open_stream(self.addresses[0], None))
        await peer.say(HELLO)
        return peer

    async def hang_up(self) -> None:
        """Close every peer's end."""
        for peer in self._peers:
            await trio.aclose_forcefully(peer.stream)

    async def greet(self) -> "RawPeer":
        """Return a connected peer that was welcomed."""
        peer = self.connect()
        await peer.say(HELLO)
        assert (await peer.get())["op"] == "welcome"
        return peer


@asynccontextmanager
async def open_door(
    listen: ListenSettings | None = None,
    *,
    make_engine: EngineMaker = MemoryEngine,
    authenticator: Authenticator = EVERYBODY,
    patience_seconds: float = PATIENCE_SECONDS,
    **limits: Any,
) -> AsyncIterator[OpenDoor]:
    """Open a door for the block, listening if told where; connections that are left at its end are cut.

    A fault of the door's own, which it survives, fails the test.
    """
    with trio.fail_after(patience_seconds), structlog.testing.capture_logs() as events:
        async with trio.open_nursery() as nursery:
            opened = OpenDoor(listen or ListenSettings(), limits, nursery, make_engine, authenticator)
            if listen is not None:
                addresses = await nursery.start(_serve, opened.door)
                opened.addresses = [str(address) for address in addresses]
            try:
                yield opened
            finally:
                await opened.hang_up()
            nursery.cancel_scope.cancel()
    assert [event for event in events if event["event"] == "connection_fault"] == []


async def _serve(door: SocketDoor, *, task_status: trio.TaskStatus[Any]) -> None:
    await door.serve(task_status=task_status)


def unix(folder: Path) -> ListenSettings:
    """Return the settings of a door at a Unix socket in ``folder``."""
    return ListenSettings(socket=(f"unix:{folder / 'gateway.sock'}",))


class RawPeer:
    """A caller that says exactly the bytes it is told to."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.stream = stream
        self._reader = FrameReader(16 * 1024 * 1024)
        self._arrived: list[dict[str, Any]] = []

    async def say(self, *frames: dict[str, Any]) -> None:
        """Send frames in one write."""
        await self.stream.send_all(b"".join(encode(frame) for frame in frames))

    async def hear(self) -> dict[str, Any] | None:
        """Return the next frame, None at the end of the input."""
        while not self._arrived:
            try:
                data = await self.stream.receive_some(65536)
            except trio.BrokenResourceError:
                return None
            if not data:
                return None
            self._arrived += [msgspec.msgpack.decode(body) for body in self._reader.feed(data)]
        return self._arrived.pop(0)

    async def get(self) -> dict[str, Any]:
        """Return the next frame; fails at the end of the input."""
        frame = await self.hear()
        assert frame is not None, "the gateway closed the connection"
        return frame

    async def ask(self, *frames: dict[str, Any]) -> dict[str, Any]:
        """Send frames and return the next one that comes."""
        await self.say(*frames)
        return await self.get()

    async def hear_all(self) -> list[dict[str, Any]]:
        """Return every frame until the input ends."""
        frames = []
        while (frame := await self.hear()) is not None:
            frames.append(frame)
        return frames


def encode(frame: dict[str, Any]) -> bytes:
    """Return a frame as it travels."""
    return frame_body(msgspec.msgpack.encode(frame))


def make_send(rows: int = 1, *, batch_id: str | None = "b1", **fields: Any) -> dict[str, Any]:
    """Return a ``send`` frame for ``rows`` device tokens."""
    named: dict[str, Any] = {} if batch_id is None else {"batch_id": batch_id}
    if "notifications" not in fields:
        named["targets"] = [{"id": f"n{row}", "apns": {"token": TOKEN}} for row in range(rows)]
    return {"op": "send", "app": "shop", "content": {"title": "Sale"}} | named | fields


async def settle_everything(engine: Engine) -> None:
    """Be a delivery whose provider takes everything, until cancelled."""
    while True:
        refs = await engine.lease(10_000)
        for ref, stored in zip(refs, await engine.read(refs), strict=True):
            assert stored is not None
            chunk = decode_chunk(stored)
            await engine.settle(
                ref.lease.id, [accepted_by(get_provider(chunk.lane), ref, indexes=chunk.indexes, ids=chunk.ids)]
            )
            assert len(list(expand_ranges(chunk.indexes))) == ref.stop - ref.start


async def settle(opened: OpenDoor, rows: int, batch_id: str = "b1") -> None:
    """Have a batch accepted and all of it settled, over a connection that is closed then."""
    sender = await opened.greet()
    assert (await sender.ask(make_send(rows, batch_id=batch_id)))["accepted"] == rows
    async with trio.open_nursery() as nursery:
        nursery.start_soon(settle_everything, opened.engine)
        while opened.engine.statistics().owed_rows:
            await opened.engine.wait_change()
        nursery.cancel_scope.cancel()
    await sender.stream.aclose()


def accepted_by(provider: str, ref: ChunkRef, **columns: Any) -> Settlement:
    """Return the settlement of rows that a provider took at once; its columns are those of row 0 alone by default."""
    settlement = Settlement(
        batch=ref.batch,
        chunk=ref.chunk,
        rows=[ref.start, ref.stop],
        indexes=[0, 1],
        provider=provider,
        outcome=Outcome.PROVIDER_ACCEPTED,
        reason=None,
        advice=Advice.NONE,
        provider_status=200,
        provider_reason=None,
        attempts=1,
        uncertain_attempts=0,
        finished_at_ms=ACCEPTED_AT_MS,
    )
    return msgspec.structs.replace(settlement, **columns)
