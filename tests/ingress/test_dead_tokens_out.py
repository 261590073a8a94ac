"""From a rejection to the caller who deletes the destination."""

import msgspec
import pytest
import trio
import trio.testing

from gateway.caller.caller import talk_over
from gateway.delivery.lanes.dead_tokens import release_dead_tokens
from gateway.telemetry.listener import DeliveryListener
from protocol.outcomes import Advice, Outcome
from protocol.reasons import Reason
from tests.support.door import OpenDoor, accepted_by, make_send, open_door
from tests.support.sends import TOKEN
from tests.support.webpush_sends import subscription

SUBSCRIBE = {"op": "subscribe", "feed": "dead_tokens"}


async def reject(opened: OpenDoor, rows: int, batch_id: str = "b1") -> None:
    """Have a batch accepted, and all of it called dead."""
    peer = await opened.greet()
    assert (await peer.ask(make_send(rows, batch_id=batch_id)))["accepted"] == rows
    for ref in await opened.engine.lease(rows):
        block = accepted_by("apns", ref, indexes=[ref.start, ref.stop], ids=[f"n{row}" for row in range(rows)])
        words = {"outcome": Outcome.REJECTED, "reason": Reason.DEAD_TOKEN, "advice": Advice.DELETE_PENDING}
        now_ms = int(opened.clock.wall() * 1000)
        tokens = [f"{row:064x}" for row in range(rows)]
        await opened.engine.settle(
            ref.lease.id, [msgspec.structs.replace(block, **words, finished_at_ms=now_ms, destinations=tokens)]
        )


class Listener(DeliveryListener):
    """Remembers who was held."""

    def __init__(self):
        self.held = []

    def dead_tokens_held(self, app, *, held, discarded, recent_results, recent_dead):
        self.held.append((app, held, discarded, recent_results, recent_dead))


async def test_dead_tokens_come_a_minute_after_their_rejection(autojump_clock: trio.testing.MockClock):
    async with open_door() as opened:
        opened.nursery.start_soon(release_dead_tokens, opened.engine, opened.clock, DeliveryListener())
        peer = await opened.greet()
        await peer.say(SUBSCRIBE)
        await reject(opened, 2)
        rejected_at = trio.current_time()
        await trio.sleep(5)
        await reject(opened, 1, "b2")
        frame = await peer.get()
        assert 60 <= trio.current_time() - rejected_at < 62
        assert frame["op"] == "dead_tokens"
        token = frame["tokens"][1]
        assert token.pop("dead_since") > 0
        assert token == {
            "batch_id": "b1",
            "index": 1,
            "id": "n1",
            "app": "shop",
            "provider": "apns",
            "destination": f"{1:064x}",
        }
        again = await opened.greet()
        frame = await again.ask(SUBSCRIBE | {"cursor": frame["cursor"]})
        assert [token["batch_id"] for token in frame["tokens"]] == ["b2"]


async def test_what_is_held_is_announced_and_comes_once_it_is_confirmed(autojump_clock: trio.testing.MockClock):
    listener = Listener()
    async with open_door() as opened:
        opened.nursery.start_soon(release_dead_tokens, opened.engine, opened.clock, listener)
        await reject(opened, 100, "b1")
        await reject(opened, 100, "b2")
        await trio.sleep(65)
        assert listener.held == [("shop", 200, 0, 200, 200)]
        async with talk_over(opened.connect().stream) as caller:
            dead_tokens = await caller.read_dead_tokens()
            assert await caller.confirm_dead_tokens("shop") == 200
            frame = await anext(dead_tokens)
            assert len(frame.tokens) == 200
            assert await caller.confirm_dead_tokens("shop") == 0


async def test_what_is_dead_at_the_door_comes_as_what_a_provider_called_dead(
    autojump_clock: trio.testing.MockClock,
):
    gone = "https://permanently-removed.invalid/fcm/send/abc"
    ended = subscription(expirationTime=1_600_000_000_000)
    targets = [{"apns": {"token": TOKEN}}, subscription(gone), ended | {"id": "n2"}, {"apns": {"token": "no"}}]
    async with open_door() as opened:
        opened.nursery.start_soon(release_dead_tokens, opened.engine, opened.clock, DeliveryListener())
        peer = await opened.greet()
        answer = await peer.ask(make_send(targets=targets))
        assert (answer["accepted"], [row["reason"] for row in answer["rejected"]]) == (
            1,
            ["dead_token", "dead_token", "invalid_token"],
        )
        accepted_at_ms = int(opened.clock.wall() * 1000)
        assert await peer.ask(make_send(targets=targets)) == answer
        await trio.sleep(2)
        assert await peer.ask(make_send(targets=targets)) == answer
        frame = await peer.ask(SUBSCRIBE)
        await trio.sleep(5)
        assert [(token["index"], token["id"], token["destination"]) for token in frame["tokens"]] == [
            (1, None, gone),
            (2, "n2", ended["webpush"]["endpoint"]),
        ]
        assert {(token["batch_id"], token["app"], token["provider"]) for token in frame["tokens"]} == {
            ("b1", "shop", "webpush")
        }
        since = [token["dead_since"] for token in frame["tokens"]]
        assert abs(since[0] - accepted_at_ms) < 1000
        assert since[1] == 1_600_000_000_000
        assert (await opened.engine.dead_tokens.read("default", 0, 1000)).cursor == 2


async def test_too_many_dead_at_the_door_are_held(autojump_clock: trio.testing.MockClock):
    listener = Listener()
    async with open_door() as opened:
        opened.nursery.start_soon(release_dead_tokens, opened.engine, opened.clock, listener)
        peer = await opened.greet()
        ended = [subscription(expirationTime=1_600_000_000_000)] * 300
        assert (await peer.ask(make_send(targets=ended)))["accepted"] == 0
        await trio.sleep(65)
        assert listener.held == [("shop", 300, 0, 300, 300)]


@pytest.mark.parametrize(
    ("fields", "reason", "field"),
    [
        ({"subscription": "backend"}, "malformed", "subscription"),
        ({"cursor": "five"}, "invalid_option", "cursor"),
        ({"cursor": "5"}, "expired", "cursor"),
    ],
)
async def test_what_cannot_be_read_is_told(fields, reason, field):
    async with open_door() as opened:
        peer = await opened.greet()
        error = await peer.ask(SUBSCRIBE | fields)
        assert (error["reason"], error["field"]) == (reason, field)
