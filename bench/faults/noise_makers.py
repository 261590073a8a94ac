"""Callers that are a nuisance: a process of its own that troubles a gateway's door until it is ended.

    python -m bench.faults.noise_makers --kind pongs --address unix:/path

Each kind is cheap for who makes it. Frames are sent as fast as the gateway reads them, and answers are read only where
the kind reads; one that is closed comes again. A line on standard output says when all have begun.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import msgspec
import trio

from bench.faults.gateway_process import APP
from gateway.caller import ConnectError
from gateway.caller.dialing import open_stream
from protocol.frames import frame_body

PIECE_BYTES = 256 * 1024
DAY_SECONDS = 86_400
CANCELLED_ROWS = 1_000
PINGING = 20
SUBSCRIBED = 30
SENDING = 20
HALF_FRAMES = 200
HALF_FRAME_BYTES = 4 * 1024 * 1024
COME_AGAIN_SECONDS = 0.05


class Noise(msgspec.Struct, frozen=True, kw_only=True):
    """One connection: what it says first and what it says for ever after, and whether it listens or leaves."""

    first: bytes
    repeated: bytes = b""
    reads: bool = False
    leaves: bool = False


def _frames(*frames: dict[str, Any]) -> bytes:
    return b"".join(frame_body(msgspec.msgpack.encode(frame)) for frame in frames)


HELLO = _frames({"op": "hello", "version": 1})


def _repeat(frame: dict[str, Any]) -> bytes:
    one = _frames(frame)
    return one * (PIECE_BYTES // len(one))


def _cancels() -> Iterator[Noise]:
    """Yield one that cancels the same rows again and again."""
    later_ms = int(time.time() + DAY_SECONDS) * 1000
    targets = [{"apns": {"token": f"{row:064x}"}, "id": f"n{row}"} for row in range(CANCELLED_ROWS)]
    batch = {"op": "send", "app": APP, "batch_id": "noise", "content": {"title": "t"}, "targets": targets}
    batch |= {"defaults": {"not_before": later_ms}}
    cancel = {"op": "cancel", "batch_id": "noise", "indexes": list(range(0, CANCELLED_ROWS, 2))}
    yield Noise(first=HELLO + _frames(batch), repeated=_repeat(cancel), reads=True)


def _pongs() -> Iterator[Noise]:
    yield Noise(first=HELLO, repeated=_repeat({"op": "pong"}))


def _unread() -> Iterator[Noise]:
    """Yield some that ping, some that subscribe, and none that ever reads."""
    for _ in range(PINGING):
        yield Noise(first=HELLO, repeated=_repeat({"op": "ping"}))
    for _ in range(SUBSCRIBED):
        yield Noise(first=HELLO + _frames({"op": "subscribe"}))


def _half_frames() -> Iterator[Noise]:
    for _ in range(HALF_FRAMES):
        yield Noise(first=HELLO + (2 * HALF_FRAME_BYTES).to_bytes(4, "big") + bytes(HALF_FRAME_BYTES))


def _leavers() -> Iterator[Noise]:
    """Yield some that ping, never read, leave, and come again."""
    for _ in range(PINGING):
        yield Noise(first=HELLO + _repeat({"op": "ping"}), leaves=True)


def _refused(fields: dict[str, Any]) -> Callable[[], Iterator[Noise]]:
    """Return a kind: some that send the same batch for ever, which is refused, and read why."""
    batch = {"op": "send", "app": APP, "batch_id": "refused", "content": {"title": "t"}} | fields

    def yield_some() -> Iterator[Noise]:
        for _ in range(SENDING):
            yield Noise(first=HELLO, repeated=_repeat(batch), reads=True)

    return yield_some


GOOD_ROW = {"to": {"apns": {"token": "9f" * 32}}}

KINDS: dict[str, Callable[[], Iterator[Noise]]] = {
    "cancels": _cancels,
    "pongs": _pongs,
    "unread": _unread,
    "half-frames": _half_frames,
    "leavers": _leavers,
    "strangers": _refused({"app": "not-configured", "targets": [GOOD_ROW["to"]]}),
    "undecodable": _refused({"notifications": [{"to": 5}]}),
    "undecodable-at-last": _refused({"notifications": [GOOD_ROW] * 249 + [{"to": 5}]}),
    "rejected": _refused({"notifications": [{"to": {"apns": {"token": "no token"}}}]}),
}


async def make_noise(kind: str, address: str) -> None:
    """Be a nuisance until cancelled."""
    async with trio.open_nursery() as nursery:
        for noise in KINDS[kind]():
            await nursery.start(_come_again, noise, address)
        print("begun", flush=True)  # noqa: T201 - for who started this process


async def _come_again(noise: Noise, address: str, *, task_status: trio.TaskStatus[None]) -> None:
    has_begun = False
    while True:
        with suppress(ConnectError, trio.BrokenResourceError):
            async with await open_stream(address, None) as stream, trio.open_nursery() as nursery:
                if not has_begun:
                    has_begun = True
                    task_status.started()
                await _talk(noise, stream, nursery)
                nursery.cancel_scope.cancel()
        await trio.sleep(COME_AGAIN_SECONDS)


async def _talk(noise: Noise, stream: trio.abc.Stream, nursery: trio.Nursery) -> None:
    if noise.reads:
        nursery.start_soon(_read, stream, nursery.cancel_scope)
    with trio.move_on_after(COME_AGAIN_SECONDS if noise.leaves else float("inf")):
        await stream.send_all(noise.first)
        while noise.repeated:
            await stream.send_all(noise.repeated)
        await trio.sleep_forever()


async def _read(stream: trio.abc.Stream, connection: trio.CancelScope) -> None:
    with suppress(trio.BrokenResourceError):
        while await stream.receive_some(PIECE_BYTES):
            pass
    connection.cancel()


def main() -> None:
    """Run until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m bench.faults.noise_makers", description=__doc__)
    parser.add_argument("--kind", choices=sorted(KINDS), required=True, help="the nuisance")
    parser.add_argument("--address", required=True, help="the gateway's door")
    arguments = parser.parse_args()
    trio.run(make_noise, arguments.kind, arguments.address)


if __name__ == "__main__":
    main()
