"""Whatever a caller sends ends in an answer or in the end of its own connection, never in a fault of the door."""

import msgspec
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.door import HELLO, encode, make_send, open_door

OPS = st.sampled_from(["hello", "send", "cancel", "subscribe", "ack", "ping", "pong", "goodbye", "results", ""])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
FIELDS = st.sampled_from(
    ["version", "key", "app", "batch_id", "content", "defaults", "targets", "notifications", "cursor", "indexes", "ids"]
)
FRAMES = st.builds(lambda op, fields: encode(fields | {"op": op}), OPS, st.dictionaries(FIELDS, VALUES, max_size=4))
MUTATED_SENDS = st.builds(
    lambda at, byte, rows: _replace(encode(make_send(rows)), at, byte), st.integers(4, 400), st.binary(max_size=3),
    st.integers(1, 5),
)  # fmt: skip
NOISE = st.binary(max_size=64)


def _replace(frame: bytes, at: int, piece: bytes) -> bytes:
    body = frame[4:at] + piece + frame[at + len(piece) :]
    return len(body).to_bytes(4, "big") + body


@settings(max_examples=60, deadline=None)
@given(st.lists(FRAMES | MUTATED_SENDS | NOISE, max_size=6), st.booleans())
async def test_any_bytes_are_survived(pieces: list[bytes], greeted: bool):
    async with open_door() as opened:
        peer = opened.connect()
        if greeted:
            await peer.say(HELLO)
        with trio.move_on_after(5):
            for piece in pieces:
                await peer.stream.send_all(piece)
            await peer.stream.send_eof()
            for frame in await peer.hear_all():
                assert frame["op"] in {"welcome", "accepted", "error", "cancelled", "results", "pong", "ping"}
                msgspec.msgpack.encode(frame)
        other = await opened.greet()
        assert (await other.ask({"op": "ping"}))["op"] == "pong"
