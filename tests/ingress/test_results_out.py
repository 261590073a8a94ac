"""From the feed to subscribed connections."""

from typing import Any

import msgspec
import pytest
import trio
import trio.testing

from gateway.doors.socket.results import WINDOW_ROWS, ResultsWindow
from gateway.doors.socket.sources import FRAME_ROWS
from protocol.chunks import expand_ranges
from protocol.results import ResultBlock, expand
from tests.support.door import RawPeer, accepted_by, make_send, open_door, settle, settle_everything
from tests.support.sends import TOKEN
from tests.support.webpush_sends import subscription

SUBSCRIBE = {"op": "subscribe"}
BACKEND = {"op": "subscribe", "subscription": "backend"}


def rows_of(frame: dict[str, Any]) -> list[tuple[str, int]]:
    assert frame["op"] == "results", frame
    return [(block["batch_id"], index) for block in frame["blocks"] for index in expand_ranges(block["indexes"])]


async def read(peer: RawPeer, rows: int) -> tuple[list[tuple[str, int]], str]:
    """Return at least so many rows and the cursor after them."""
    seen: list[tuple[str, int]] = []
    while len(seen) < rows:
        frame = await peer.get()
        seen += rows_of(frame)
    return seen, frame["cursor"]


async def test_every_accepted_row_has_one_result_in_columns():
    async with open_door() as opened:
        await settle(opened, 250)
        peer = await opened.greet()
        await peer.say(SUBSCRIBE)
        seen, _ = await read(peer, 250)
        assert seen == [("b1", index) for index in range(250)]


async def test_results_of_a_mixed_batch_name_the_provider_of_each_row():
    to = [{"apns": {"token": TOKEN}}, {"fcm": {"token": "c8:x"}}, subscription()]
    async with open_door() as opened:
        opened.nursery.start_soon(settle_everything, opened.engine)
        peer = await opened.greet()
        await peer.say(SUBSCRIBE)
        await peer.say(make_send(batch_id="b1", targets=to * 2))
        providers: dict[int, str] = {}
        while len(providers) < 6:
            for block in (await peer.get()).get("blocks", []):
                providers |= dict.fromkeys(expand_ranges(block["indexes"]), block["provider"])
        assert [providers[index] for index in range(6)] == ["apns", "fcm", "webpush"] * 2


async def test_a_result_has_the_id_that_its_provider_gave():
    async with open_door() as opened:
        sender = await opened.greet()
        await sender.ask(make_send(batch_id="b1", targets=[{"fcm": {"token": "c8:x"}}]))
        (ref,) = await opened.engine.lease(1)
        ids = ["projects/shop-1/messages/7"]
        await opened.engine.settle(ref.lease.id, [accepted_by("fcm", ref, provider_ids=ids)])
        peer = await opened.greet()
        (block,) = (await peer.ask(SUBSCRIBE))["blocks"]
        assert (block["provider"], block["provider_ids"], block.get("provider_id_prefix")) == ("fcm", ids, None)
        (result,) = expand(msgspec.convert(block, ResultBlock))
        assert (result.provider, result.provider_id) == ("fcm", ids[0])


async def test_results_come_as_they_are_settled():
    async with open_door() as opened:
        peer = await opened.greet()
        await peer.say(SUBSCRIBE)
        for number in range(3):
            await settle(opened, 10, f"b{number}")
            assert rows_of(await peer.get()) == [(f"b{number}", index) for index in range(10)]


async def test_reading_goes_on_after_a_cursor():
    async with open_door() as opened:
        await settle(opened, 10, "b1")
        first = await opened.greet()
        await first.say(SUBSCRIBE)
        _, cursor = await read(first, 10)
        await settle(opened, 10, "b2")
        second = await opened.greet()
        await second.say(SUBSCRIBE | {"cursor": cursor})
        assert (await read(second, 10))[0] == [("b2", index) for index in range(10)]


async def test_a_named_subscription_goes_on_after_what_it_acknowledged():
    async with open_door() as opened:
        await settle(opened, 10, "b1")
        await settle(opened, 10, "b2")
        peer = await opened.greet()
        frame = await peer.ask(BACKEND)
        assert len(rows_of(frame)) == 20
        await peer.stream.aclose()
        again = await opened.greet()
        assert rows_of(await again.ask(BACKEND)) == rows_of(frame)
        await again.say({"op": "ack", "cursor": frame["cursor"]}, {"op": "ping"})
        assert (await again.get())["op"] == "pong"
        assert opened.engine.statistics().unread_rows == 0
        await settle(opened, 1, "b3")
        assert rows_of(await (await opened.greet()).ask(BACKEND)) == [("b3", 0)]


async def test_two_connections_may_read_for_one_name_and_none_of_them_stops_the_other():
    async with open_door() as opened:
        first, second = await opened.greet(), await opened.greet()
        await settle(opened, 10, "b1")
        frame = await first.ask(BACKEND)
        assert rows_of(await second.ask(BACKEND)) == rows_of(frame)
        await first.say({"op": "ack", "cursor": frame["cursor"]})
        await settle(opened, 1, "b2")
        assert rows_of(await first.get()) == rows_of(await second.get()) == [("b2", 0)]


async def test_a_name_that_is_given_up_holds_nothing_back():
    async with open_door() as opened:
        await settle(opened, 10)
        peer, other = await opened.greet(), await opened.greet()
        frame = await peer.ask(BACKEND)
        await other.ask(BACKEND | {"subscription": "abandoned"})
        await peer.ask({"op": "ack", "cursor": frame["cursor"]}, {"op": "ping"})
        assert opened.engine.statistics().unread_rows == 10
        unsubscribe = {"op": "unsubscribe", "subscription": "abandoned"}
        assert (await peer.ask(unsubscribe, {"op": "ping"}))["op"] == "pong"
        assert opened.engine.statistics().unread_rows == 0
        error = await peer.ask(unsubscribe)
        assert (error["reason"], error["field"]) == ("invalid_option", "subscription")


async def test_an_acknowledgement_without_a_name_frees_nothing():
    async with open_door() as opened:
        await settle(opened, 10)
        peer = await opened.greet()
        frame = await peer.ask(SUBSCRIBE)
        assert (await peer.ask({"op": "ack", "cursor": frame["cursor"]}, {"op": "ping"}))["op"] == "pong"
        assert opened.engine.statistics().unread_rows == 10


async def test_a_reader_that_never_acknowledges_is_sent_a_window_and_no_more(autojump_clock: trio.testing.MockClock):
    async with open_door(connection_credit_notifications=60_000) as opened:
        for number in range(3):
            await settle(opened, 10_000, f"b{number}")
        peer = await opened.greet()
        await peer.say(SUBSCRIBE)
        seen, cursor = await read(peer, WINDOW_ROWS)
        assert len(seen) < WINDOW_ROWS + FRAME_ROWS
        with trio.move_on_after(5) as nothing:
            await peer.hear()
        assert nothing.cancelled_caught
        await peer.say({"op": "ack", "cursor": cursor})
        rest, _ = await read(peer, 30_000 - len(seen))
        assert seen + rest == [(f"b{number}", index) for number in range(3) for index in range(10_000)]


async def test_a_cursor_whose_results_are_gone_is_told_the_oldest_one():
    async with open_door() as opened:
        await settle(opened, 10)
        peer = await opened.greet()
        frame = await peer.ask(BACKEND)
        await peer.say({"op": "ack", "cursor": frame["cursor"]})
        late = await opened.greet()
        error = await late.ask(SUBSCRIBE | {"cursor": "1"})
        assert (error["reason"], error["field"]) == ("expired", "cursor")
        assert f'"{frame["cursor"]}"' in error["detail"]
        await settle(opened, 1, "b2")
        assert rows_of(await late.ask(SUBSCRIBE | {"cursor": frame["cursor"]})) == [("b2", 0)]


@pytest.mark.parametrize(
    ("frames", "reason", "field"),
    [
        ([SUBSCRIBE | {"cursor": "five"}], "invalid_option", "cursor"),
        ([SUBSCRIBE | {"cursor": "9" * 19}], "invalid_option", "cursor"),
        ([BACKEND | {"cursor": "1"}], "malformed", "cursor"),
        ([SUBSCRIBE, SUBSCRIBE], "malformed", None),
        ([{"op": "ack", "cursor": "1"}], "malformed", "cursor"),
        ([BACKEND, {"op": "ack", "cursor": "1"}], "invalid_option", "cursor"),
    ],
    ids=str,
)
async def test_what_cannot_be_subscribed_or_acknowledged_is_told(frames, reason, field):
    async with open_door() as opened:
        peer = await opened.greet()
        error = await peer.ask(*frames)
        assert (error["op"], error["reason"], error.get("field")) == ("error", reason, field)
        assert (await peer.ask({"op": "ping"}))["op"] == "pong"


async def test_rows_can_be_cancelled_by_their_positions():
    async with open_door() as opened:
        peer = await opened.greet()
        await peer.ask(make_send(10))
        answer = await peer.ask({"op": "cancel", "batch_id": "b1", "indexes": [0, 9, 10]})
        assert answer == {"op": "cancelled", "batch_id": "b1", "cancelled": 2, "too_late": 0, "not_found": 1}
        frame = await peer.ask(SUBSCRIBE)
        assert {block["outcome"] for block in frame["blocks"]} == {"cancelled"}
        assert sorted(rows_of(frame)) == [("b1", 0), ("b1", 9)]


async def test_rows_can_be_cancelled_by_their_ids():
    async with open_door() as opened:
        peer = await opened.greet()
        await peer.ask(make_send(3))
        answer = await peer.ask({"op": "cancel", "batch_id": "b1", "ids": ["n0", "n2", "n3"]})
        assert answer == {"op": "cancelled", "batch_id": "b1", "cancelled": 2, "too_late": 0, "not_found": 1}
        assert sorted(rows_of(await peer.ask(SUBSCRIBE))) == [("b1", 0), ("b1", 2)]


async def test_rows_of_an_app_can_be_cancelled_by_a_key_that_they_were_given():
    async with open_door() as opened:
        peer = await opened.greet()
        notifications = [
            {"to": {"apns": {"token": TOKEN}}, "cancel_keys": [f"order-{number}", "orders"]} for number in range(3)
        ]
        await peer.ask(make_send(batch_id="b1", notifications=notifications))
        answer = await peer.ask({"op": "cancel", "app": "shop", "cancel_key": "order-1"})
        assert answer == {
            "op": "cancelled",
            "app": "shop",
            "cancel_key": "order-1",
            "cancelled": 1,
            "too_late": 0,
            "not_found": 0,
        }
        assert (await peer.ask({"op": "cancel", "app": "shop", "cancel_key": "orders"}))["cancelled"] == 2


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"app": "shop"},
        {"cancel_key": "order-1"},
        {"batch_id": "b1", "app": "shop"},
        {"batch_id": "b1", "cancel_key": "order-1"},
        {"app": "shop", "cancel_key": "order-1", "ids": ["n1"]},
        {"batch_id": "b1", "ids": ["n1"], "indexes": [1]},
    ],
)
async def test_a_cancel_names_one_thing(fields):
    async with open_door() as opened:
        peer = await opened.greet()
        assert (await peer.ask({"op": "cancel"} | fields))["reason"] == "malformed"


def test_a_window_opens_by_whole_frames():
    window = ResultsWindow(100)
    for cursor in (60, 120):
        assert not window.is_full
        window.add(cursor, 60)
    assert window.is_full
    window.acknowledge(59)
    assert window.is_full
    window.acknowledge(60)
    assert not window.is_full
    window.acknowledge(120)
    assert window.is_empty
