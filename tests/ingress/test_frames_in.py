"""What a connection does with each frame and each way of not being one; over memory, where clocks jump."""

import pytest
import trio
import trio.testing

from tests.support.door import HELLO, RawPeer, encode, make_send, open_door

PING = {"op": "ping"}
FRAME_SECONDS = 30


async def test_welcome_tells_version_limits_credits_and_features():
    async with open_door(connection_credit_notifications=15_000) as opened:
        welcome = await opened.connect().ask(HELLO)
        assert welcome["version"] == 1
        assert welcome["credits"] == {"notifications": 15_000, "bytes": 16 * 1024 * 1024}
        assert welcome["limits"]["batch_notifications"] == 10_000
        assert {"apns", "fcm", "webpush", "subscriptions"} <= set(welcome["features"])


async def test_a_key_is_accepted_while_there_are_none():
    async with open_door() as opened:
        assert (await opened.connect().ask(HELLO | {"key": "secret"}))["op"] == "welcome"


@pytest.mark.parametrize("first", [PING, make_send(), {"op": "send"}, {"op": "subscribe"}], ids=str)
async def test_the_first_frame_must_be_hello(first: dict[str, object]):
    async with open_door() as opened:
        peer = opened.connect()
        await peer.say(first)
        (error,) = await peer.hear_all()
        assert (error["op"], error["reason"], error["field"]) == ("error", "malformed", "op")


async def test_another_version_is_refused_and_the_connection_closed():
    async with open_door() as opened:
        peer = opened.connect()
        await peer.say(HELLO | {"version": 2})
        (error,) = await peer.hear_all()
        assert (error["reason"], error["field"]) == ("not_supported", "version")
        assert "version 1" in error["detail"]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"\xc1", "malformed"),
        (b"", "malformed"),
        (b"\x93\x01\x02\x03", "malformed"),
        (b"\x91" * 5000, "malformed"),
        (encode({"op": "dance"})[4:], "malformed"),
        (encode({"no": "op"})[4:], "malformed"),
        (encode(HELLO)[4:], "malformed"),
        (encode(PING | {"bogus": 1})[4:], "unknown_field"),
    ],
)
async def test_a_malformed_frame_is_told_and_ends_the_connection(body: bytes, reason: str):
    async with open_door() as opened:
        peer = await opened.greet()
        await peer.stream.send_all(len(body).to_bytes(4, "big") + body + encode(PING))
        (error,) = await peer.hear_all()
        assert (error["op"], error["reason"]) == ("error", reason)


async def test_what_was_sent_before_a_malformed_frame_stays_accepted_and_is_answered():
    async with open_door() as opened:
        peer = await opened.greet()
        await peer.say(make_send(3))
        await peer.stream.send_all(b"\0\0\0\1\xc1")
        assert sorted(frame["op"] for frame in await peer.hear_all()) == ["accepted", "error"]
        assert opened.engine.statistics().owed_rows == 3


async def test_an_oversize_length_is_refused_by_its_four_bytes_alone():
    async with open_door(batch_bytes=1024) as opened:
        peer = await opened.greet()
        await peer.stream.send_all((1025).to_bytes(4, "big"))
        (error,) = await peer.hear_all()
        assert error["reason"] == "too_large"


async def test_frames_may_come_byte_by_byte():
    async with open_door() as opened:
        peer = opened.connect()
        for byte in encode(HELLO) + encode(PING) + encode(make_send()):
            await peer.stream.send_all(bytes([byte]))
        assert [(await peer.get())["op"] for _ in range(3)] == ["welcome", "pong", "accepted"]


async def test_many_frames_may_come_in_one_piece():
    async with open_door() as opened:
        peer = opened.connect()
        await peer.say(HELLO, *(make_send(batch_id=f"b{number}") for number in range(50)), PING)
        frames = [await peer.get() for _ in range(52)]
        assert sum(frame["op"] == "accepted" for frame in frames) == 50


async def test_a_slow_frame_times_out_from_its_first_byte(autojump_clock: trio.testing.MockClock):
    async with open_door() as opened:
        peer = await opened.greet()
        started_at = trio.current_time()
        with trio.move_on_after(FRAME_SECONDS * 2):
            for byte in encode(make_send(50)):
                await peer.stream.send_all(bytes([byte]))
                await trio.sleep(1)
                if trio.current_time() - started_at > FRAME_SECONDS:
                    break
        (error,) = await peer.hear_all()
        assert error["reason"] == "timeout"
        assert trio.current_time() - started_at == pytest.approx(FRAME_SECONDS, abs=5)


async def test_a_caller_may_be_silent_between_frames(autojump_clock: trio.testing.MockClock):
    async with open_door() as opened:
        peer = await opened.greet()
        for _ in range(2):
            await trio.sleep(FRAME_SECONDS + 1)
            assert (await peer.ask(PING))["op"] == "pong"


async def test_hello_has_to_come_in_time(autojump_clock: trio.testing.MockClock):
    async with open_door() as opened:
        (error,) = await opened.connect().hear_all()
        assert error["reason"] == "timeout"


async def test_input_that_ends_inside_a_frame_is_told():
    async with open_door() as opened:
        peer = await opened.greet()
        await peer.stream.send_all(encode(PING)[:-1])
        await peer.stream.send_eof()
        (error,) = await peer.hear_all()
        assert (error["op"], error["reason"]) == ("error", "malformed")


async def test_after_half_closing_everything_sent_is_answered():
    async with open_door() as opened:
        peer = await opened.greet()
        await peer.say(make_send(10_000), PING)
        await peer.stream.send_eof()
        assert {frame["op"] for frame in await peer.hear_all()} == {"accepted", "pong"}


async def test_goodbye_ends_the_connection_once_everything_is_answered():
    async with open_door() as opened:
        peer = await opened.greet()
        await peer.say(make_send(1000), {"op": "goodbye"})
        assert [frame["op"] for frame in await peer.hear_all()] == ["accepted"]


async def test_a_peer_that_asks_and_never_reads_is_not_read_for_ever(autojump_clock: trio.testing.MockClock):
    async with open_door() as opened:
        ours, theirs = trio.testing.lockstep_stream_pair()
        opened.nursery.start_soon(opened.door._serve_connection, theirs)
        peer = RawPeer(ours)
        await peer.say(HELLO)
        asked = 0
        with trio.move_on_after(5):
            while asked < 100_000:
                await peer.say(*[PING] * 100)
                asked += 100
        assert asked < 20_000
        other = await opened.greet()
        assert (await other.ask(PING))["op"] == "pong"
