"""Waiting for room. Time is trio's, which jumps."""

import pytest
import trio
import trio.testing

from tests.support.door import OpenDoor, accepted_by, make_send, open_door, settle_everything

SMALL = {"batch_notifications": 10, "connection_credit_notifications": 1000}


async def fill(opened: OpenDoor) -> None:
    filling = await opened.greet()
    assert (await filling.ask(make_send(10, batch_id="filling")))["op"] == "accepted"


async def test_at_the_bound_the_answer_is_withheld_until_there_is_room(autojump_clock: trio.testing.MockClock):
    async with open_door(**SMALL, queued_notifications=10) as opened:
        await fill(opened)
        peer = await opened.greet()
        await peer.say(make_send(10))
        with trio.move_on_after(20) as withheld:
            await peer.hear()
        assert withheld.cancelled_caught
        opened.nursery.start_soon(settle_everything, opened.engine)
        assert (await peer.get())["accepted"] == 10


async def test_who_waits_too_long_is_refused_and_told_when_to_come_back(autojump_clock: trio.testing.MockClock):
    async with open_door(**SMALL, queued_notifications=10, admission_wait_seconds=7.0) as opened:
        await fill(opened)
        peer = await opened.greet()
        started_at = trio.current_time()
        error = await peer.ask(make_send(10))
        assert trio.current_time() - started_at == pytest.approx(7)
        assert (error["reason"], error["batch_id"]) == ("overloaded", "b1")
        assert 1000 <= error["retry_after_ms"] < 2000
        assert error["credits"]["notifications"] == 10


async def test_unread_results_stop_new_work_until_they_are_acknowledged(autojump_clock: trio.testing.MockClock):
    async with open_door(**SMALL, unread_results=10, admission_wait_seconds=7.0) as opened:
        await fill(opened)
        opened.nursery.start_soon(settle_everything, opened.engine)
        peer = await opened.greet()
        error = await peer.ask(make_send(1))
        assert error["reason"] == "results_backlog"
        assert "acknowledge" in error["detail"]
        results = await peer.ask({"op": "subscribe", "subscription": "backend"})
        await peer.say({"op": "ack", "cursor": results["cursor"]}, make_send(1))
        assert (await peer.get())["op"] == "accepted"


async def test_unread_results_are_bounded_in_bytes_too(autojump_clock: trio.testing.MockClock):
    async with open_door(**SMALL, results_kept_bytes=1024, admission_wait_seconds=7.0) as opened:
        opened.nursery.start_soon(settle_everything, opened.engine)
        peer = await opened.greet()
        for number in range(100):
            answer = await peer.ask(make_send(10, batch_id=f"b{number}"))
            if answer["op"] == "error":
                break
        assert (answer["reason"], answer["batch_id"]) == ("results_backlog", f"b{number}")
        assert "limit is 1024" in answer["detail"]
        results = await peer.ask({"op": "subscribe", "subscription": "backend"})
        await peer.say({"op": "ack", "cursor": results["cursor"]}, make_send(1, batch_id="after"))
        assert (await peer.get())["op"] == "accepted"


async def test_results_that_nobody_reads_in_time_are_kept_and_stop_new_work(autojump_clock: trio.testing.MockClock):
    async with open_door(**SMALL, results_kept_seconds=30.0, admission_wait_seconds=7.0) as opened:
        peer = await opened.greet()
        await fill(opened)
        for ref in await opened.engine.lease(10):
            now_ms = int(opened.clock.wall() * 1000)
            block = accepted_by("apns", ref, indexes=[ref.start, ref.stop], finished_at_ms=now_ms)
            await opened.engine.settle(ref.lease.id, [block])
        await trio.sleep(29)
        assert (await peer.ask(make_send(1, batch_id="in-time")))["op"] == "accepted"
        await trio.sleep(2)
        error = await peer.ask(make_send(1))
        assert (error["reason"], "30 seconds" in error["detail"]) == ("results_backlog", True)
        assert opened.engine.statistics().unread_rows == 10
        results = await peer.ask({"op": "subscribe", "subscription": "backend"})
        await peer.say({"op": "ack", "cursor": results["cursor"]}, make_send(1))
        assert (await peer.get())["op"] == "accepted"


async def test_queued_bytes_are_bounded_too(autojump_clock: trio.testing.MockClock):
    limits = {"batch_bytes": 2048, "connection_credit_bytes": 4096, "queued_bytes": 2048}
    async with open_door(**limits, admission_wait_seconds=7.0) as opened:
        filling, peer = await opened.greet(), await opened.greet()
        assert (await filling.ask(make_send(20, batch_id="filling")))["op"] == "accepted"
        error = await peer.ask(make_send(20))
        assert error["reason"] == "overloaded"
        assert "bytes" in error["detail"]


async def test_a_small_batch_never_overtakes_a_large_one(autojump_clock: trio.testing.MockClock):
    async with open_door(**SMALL, queued_notifications=10) as opened:
        filling = await opened.greet()
        await filling.ask(make_send(5, batch_id="filling"))
        peer = await opened.greet()
        await peer.say(make_send(10, batch_id="large"))
        await trio.testing.wait_all_tasks_blocked()
        await peer.say(make_send(5, batch_id="small"))
        await trio.testing.wait_all_tasks_blocked()
        assert opened.door.statistics().admission.waiting_batches == 2
        opened.nursery.start_soon(settle_everything, opened.engine)
        assert [(await peer.get())["batch_id"] for _ in range(2)] == ["large", "small"]


async def test_a_repeat_is_answered_without_waiting_for_room(autojump_clock: trio.testing.MockClock):
    async with open_door(**SMALL, queued_notifications=10) as opened:
        await fill(opened)
        started_at = trio.current_time()
        answer = await (await opened.greet()).ask(make_send(10, batch_id="filling"))
        assert (answer["op"], trio.current_time()) == ("accepted", started_at)


async def test_a_caller_that_waits_can_still_ping_and_acknowledge(autojump_clock: trio.testing.MockClock):
    async with open_door(**SMALL, queued_notifications=10) as opened:
        await fill(opened)
        peer = await opened.greet()
        assert (await peer.ask(make_send(10), {"op": "ping"}))["op"] == "pong"


async def test_draining_refuses_those_who_wait_and_those_who_come(autojump_clock: trio.testing.MockClock):
    async with open_door(**SMALL, queued_notifications=10) as opened:
        await fill(opened)
        peer = await opened.greet()
        await peer.say(make_send(10))
        await trio.testing.wait_all_tasks_blocked()
        started_at = trio.current_time()
        opened.door.begin_drain()
        frames = [await peer.get(), await peer.get(), await peer.ask(make_send(1, batch_id="late"))]
        assert sorted(frame.get("reason", frame["op"]) for frame in frames) == ["draining", "draining", "goodbye"]
        assert trio.current_time() == started_at


async def test_nothing_stays_counted_when_batches_ended_in_every_way(autojump_clock: trio.testing.MockClock):
    async with open_door(**SMALL, queued_notifications=10, admission_wait_seconds=7.0) as opened:
        await fill(opened)
        peer, leaving = await opened.greet(), await opened.greet()
        await leaving.say(*(make_send(1, batch_id=f"l{number}") for number in range(50)))
        await peer.ask(make_send(10))
        await trio.aclose_forcefully(leaving.stream)
        await trio.sleep(40)  # each of its waiting batches has been given up by then
        counts = opened.door.statistics().admission
        assert (counts.waiting_batches, counts.held_bytes, counts.admitted_rows, counts.admitted_bytes) == (0, 0, 0, 0)
