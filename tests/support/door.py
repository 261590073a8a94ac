"""A socket door over the in-memory engine, in the test's own loop, with nobody who delivers unless the test does."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import trio

from gateway.clock import TrioClock
from gateway.config import LimitSettings, ListenSettings
from gateway.ingress import SocketDoor
from gateway.journal.engine import Engine, Settlement
from gateway.journal.memory import MemoryEngine
from protocol.chunks import decode_chunk, expand_ranges
from protocol.frames import FrameReader, frame_body
from protocol.outcomes import Advice, Outcome
from tests.support.sends import SHOP, TOKEN

HELLO = {"op": "hello", "version": 1}


class OpenDoor:
    """A door that serves, its engine, and where it listens."""

    def __init__(self, door: SocketDoor, engine: MemoryEngine, addresses: list[str]) -> None:
        self.door = door
        self.engine = engine
        self.addresses = addresses


@asynccontextmanager
async def open_door(listen: ListenSettings, **limits: Any) -> AsyncIterator[OpenDoor]:
    """Serve for the block; connections that are left at its end are cut."""
    clock = TrioClock()
    engine = MemoryEngine(clock)
    door = SocketDoor(
        listen=listen,
        limits=LimitSettings(**limits),
        engine=engine,
        apps={"shop": SHOP},
        clock=clock,
        random_bytes=os.urandom,
    )
    async with trio.open_nursery() as nursery:
        addresses = await nursery.start(lambda task_status: door.serve(task_status=task_status))
        yield OpenDoor(door, engine, [str(address) for address in addresses])
        nursery.cancel_scope.cancel()


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
    named = {} if batch_id is None else {"batch_id": batch_id}
    targets = [{"id": f"n{row}", "apns": {"token": TOKEN}} for row in range(rows)]
    return {"op": "send", "app": "shop", "content": {"title": "Sale"}, "targets": targets} | named | fields


async def settle_everything(engine: Engine) -> None:
    """Be a delivery whose provider takes everything, until cancelled."""
    while True:
        refs = await engine.lease(10_000)
        for ref, stored in zip(refs, await engine.read(refs), strict=True):
            chunk = decode_chunk(stored)
            await engine.settle(
                [
                    Settlement(
                        batch=ref.batch,
                        chunk=ref.chunk,
                        rows=[ref.start, ref.stop],
                        indexes=chunk.indexes,
                        provider="apns",
                        outcome=Outcome.PROVIDER_ACCEPTED,
                        reason=None,
                        advice=Advice.NONE,
                        provider_status=200,
                        provider_reason=None,
                        attempts=1,
                        uncertain_attempts=0,
                        finished_at_ms=engine.batch(ref.batch).accepted_at_ms + 20,
                        ids=chunk.ids,
                    )
                ]
            )
            assert len(list(expand_ranges(chunk.indexes))) == ref.stop - ref.start
