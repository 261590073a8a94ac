"""From a `send` frame to its one answer."""

from collections import Counter

import msgspec
import pytest
import trio
import trio.testing

from gateway.intake.intake import PREPARING, READING
from protocol.chunks import decode_chunk
from protocol.lanes import get_provider
from tests.support.door import OpenDoor, RawPeer, encode, make_send, open_door, settle_everything
from tests.support.sends import TOKEN
from tests.support.webpush_sends import subscription

TARGET = {"apns": {"token": TOKEN}}


async def lease_all(opened: OpenDoor) -> dict[int, bytes]:
    """Return the destinations of everything owed, by the position that their callers gave them."""
    refs = await opened.engine.lease(1_000_000)
    chunks = [decode_chunk(stored) for stored in await opened.engine.read(refs)]
    return dict(
        pair
        for chunk in chunks
        for pair in zip(range(chunk.indexes[0], chunk.indexes[-1]), chunk.destinations, strict=True)
    )


async def test_a_batch_is_accepted_with_what_it_cost():
    async with open_door() as opened:
        peer = await opened.greet()
        frame = make_send(3)
        assert await peer.ask(frame) == {
            "op": "accepted",
            "batch_id": "b1",
            "accepted": 3,
            "rejected": [],
            "credits": {"notifications": 3, "bytes": len(encode(frame)) - 4},
        }
        assert opened.engine.statistics().owed_rows == 3


async def test_every_row_of_a_largest_batch_is_stored_at_its_position():
    async with open_door() as opened:
        peer = await opened.greet()
        targets = [{"apns": {"token": f"{position:064x}"}} for position in range(10_000)]
        assert (await peer.ask(make_send(targets=targets)))["accepted"] == 10_000
        stored = await lease_all(opened)
        assert stored == {position: position.to_bytes(32, "big") for position in range(10_000)}


async def test_one_content_fans_out_to_ten_thousand_mixed_destinations():
    to = [TARGET, {"fcm": {"token": "c8:x"}}, subscription()]
    async with open_door() as opened:
        peer = await opened.greet()
        answer = await peer.ask(make_send(targets=[to[position % 3] for position in range(10_000)]))
        assert (answer["accepted"], answer["rejected"]) == (10_000, [])
        chunks = [decode_chunk(stored) for stored in await opened.engine.read(await opened.engine.lease(10_000))]
        rows = Counter[str]()
        for chunk in chunks:
            rows[get_provider(chunk.lane)] += len(chunk)
            assert (len(chunk.bodies), len(chunk.variants)) == (1, 1)
        assert rows == {"apns": 3334, "fcm": 3333, "webpush": 3333}


async def test_bad_rows_are_rejected_alone_and_keep_their_positions():
    async with open_door() as opened:
        peer = await opened.greet()
        rows = [{"to": TARGET}, {"id": "n2", "to": {"apns": {"token": "no hex"}}}, {"to": {"fcm": {"topic": "/x"}}}]
        answer = await peer.ask(make_send(notifications=rows))
        assert answer["accepted"] == 1
        assert [(row["index"], row["id"], row["reason"], row["field"]) for row in answer["rejected"]] == [
            (1, "n2", "invalid_token", "to.apns.token"),
            (2, None, "invalid_token", "to.fcm.topic"),
        ]
        assert {row["advice"] for row in answer["rejected"]} == {"fix_target"}


async def test_an_all_rejected_batch_is_accepted_with_nothing_in_it():
    async with open_door() as opened:
        peer = await opened.greet()
        bad = make_send(targets=[{"apns": {"token": "zz"}}])
        answer = await peer.ask(bad)
        assert (answer["op"], answer["accepted"]) == ("accepted", 0)
        assert await peer.ask(bad) == answer
        assert (await peer.ask(make_send()))["reason"] == "batch_conflict"


async def test_rows_against_the_schema_are_rejected_alone_and_named_batches_stay_what_they_are():
    async with open_door() as opened:
        peer = await opened.greet()
        targets = [TARGET] * 300
        targets[277] = {"apns": {"token": 5}, "id": "n277"}
        targets[0] = TARGET | {"bogus": 1}
        answer = await peer.ask(make_send(targets=targets))
        assert (answer["op"], answer["accepted"]) == ("accepted", 298)
        assert [(row["index"], row["id"], row["reason"], row["field"]) for row in answer["rejected"]] == [
            (0, None, "unknown_field", "to.bogus"),
            (277, "n277", "invalid_token", "to.apns.token"),
        ]
        assert await peer.ask(make_send(targets=targets)) == answer
        for other in ({"apns": {"token": 6}, "id": "n277"}, TARGET | {"id": "n277"}):
            refused = await peer.ask(make_send(targets=[*targets[:277], other, *targets[278:]]))
            assert refused["reason"] == "batch_conflict"
        assert opened.engine.statistics().owed_rows == 298


@pytest.mark.parametrize(
    ("fields", "reason", "field"),
    [
        ({"app": "other"}, "unknown_app", "app"),
        ({"bogus": 1}, "unknown_field", "bogus"),
        ({"plan": "x"}, "not_supported", "plan"),
        ({"defaults": {"bogus": 1}}, "unknown_field", "defaults.bogus"),
        ({"targets": []}, "malformed", None),
        ({"batch_id": "has space"}, "malformed", "batch_id"),
    ],
)
async def test_a_batch_that_cannot_be_read_is_refused_whole_and_the_connection_goes_on(fields, reason, field):
    async with open_door() as opened:
        peer = await opened.greet()
        sent = make_send(2, **fields)
        error = await peer.ask(sent)
        assert (error["op"], error["reason"], error["batch_id"]) == ("error", reason, sent["batch_id"])
        if field is not None:
            assert error["field"] == field
        assert (await peer.ask(make_send(2)))["accepted"] == 2


async def test_too_many_notifications_are_refused():
    async with open_door(batch_notifications=10) as opened:
        peer = await opened.greet()
        assert (await peer.ask(make_send(11)))["reason"] == "too_large"
        assert (await peer.ask(make_send(10)))["accepted"] == 10


async def test_a_batch_without_a_name_gets_one():
    async with open_door() as opened:
        peer = await opened.greet()
        first = await peer.ask(make_send(batch_id=None))
        second = await peer.ask(make_send(batch_id=None))
        assert first["batch_id"] != second["batch_id"]
        assert opened.engine.statistics().owed_rows == 2


async def test_the_same_batch_again_gets_the_same_answer_and_is_not_sent_twice():
    async with open_door() as opened:
        rows = [{"id": "n1", **TARGET}, {"apns": {"token": "zz"}}]
        frame = make_send(targets=rows)
        reordered = dict(reversed(make_send(targets=[dict(reversed(row.items())) for row in rows]).items()))
        answers = [await (await opened.greet()).ask(each) for each in (frame, frame, reordered)]
        assert msgspec.msgpack.encode(answers[0]) == msgspec.msgpack.encode(answers[1])
        assert answers[2] == answers[0]
        assert opened.engine.statistics().owed_rows == 1


async def test_another_request_under_the_same_name_is_refused():
    async with open_door() as opened:
        peer = await opened.greet()
        await peer.say(make_send())
        await peer.get()
        error = await peer.ask(make_send(content={"title": "Other"}))
        assert (error["reason"], error["batch_id"], error["field"]) == ("batch_conflict", "b1", "batch_id")
        assert "credits" in error


async def test_the_same_batch_at_the_same_time_is_accepted_once():
    async with open_door() as opened:
        peers = [await opened.greet() for _ in range(3)]
        for peer in peers:
            await peer.say(make_send(1000), make_send(1000))
        answers = [await peer.get() for peer in peers for _ in range(2)]
        assert all(answer == answers[0] for answer in answers)
        assert opened.engine.statistics().owed_rows == 1000


async def test_a_refused_batch_leaves_its_name_free():
    async with open_door() as opened:
        peer = await opened.greet()
        assert (await peer.ask(make_send(app="other")))["op"] == "error"
        assert (await peer.ask(make_send()))["op"] == "accepted"


async def test_a_caller_that_leaves_at_once_leaves_its_names_free(autojump_clock: trio.testing.MockClock):
    async with open_door(queued_notifications=10, batch_notifications=10) as opened:
        filling, leaving = await opened.greet(), await opened.greet()
        await filling.ask(make_send(10, batch_id="first"))
        await leaving.say(make_send(5))
        await trio.testing.wait_all_tasks_blocked()
        await trio.aclose_forcefully(leaving.stream)
        opened.nursery.start_soon(settle_everything, opened.engine)
        assert (await (await opened.greet()).ask(make_send(5)))["accepted"] == 5


async def test_sending_without_credits_is_an_error_and_costs_nothing(autojump_clock: trio.testing.MockClock):
    limits = {"batch_notifications": 10, "queued_notifications": 10, "connection_credit_notifications": 20}
    async with open_door(**limits) as opened:
        peer = await opened.greet()
        await peer.say(*(make_send(10, batch_id=f"b{number}") for number in range(4)))
        refused = [await peer.get(), await peer.get()]
        assert [(error["batch_id"], error["reason"]) for error in refused] == [("b2", "no_credit"), ("b3", "no_credit")]
        assert all("credits" not in error for error in refused)
        assert (await peer.get())["batch_id"] in ("b0", "b1")


async def test_credits_come_back_with_every_answer():
    async with open_door(batch_notifications=10, connection_credit_notifications=10) as opened:
        peer = await opened.greet()
        for number in range(20):
            fields = {"app": "other"} if number % 2 else {}
            answer = await peer.ask(make_send(10, batch_id=f"b{number}", **fields))
            assert answer["credits"]["notifications"] == 10


async def test_a_caller_that_reads_nothing_stops_at_its_credits(autojump_clock: trio.testing.MockClock):
    async with open_door(batch_notifications=10, connection_credit_notifications=20) as opened:
        ours, theirs = trio.testing.lockstep_stream_pair()
        opened.nursery.start_soon(opened.door._serve_connection, theirs)
        peer = RawPeer(ours)
        await peer.say({"op": "hello", "version": 1})
        with trio.move_on_after(5):
            for number in range(100):
                await peer.say(make_send(10, batch_id=f"b{number}"))
        assert opened.engine.statistics().owed_rows <= 40
        other = await opened.greet()
        assert (await other.ask(make_send(10, batch_id="other")))["accepted"] == 10


async def test_a_large_batch_lets_others_in_between_its_slices():
    async with open_door() as opened:
        large, small = await opened.greet(), await opened.greet()
        order: list[str] = []

        async def ask(peer: RawPeer, frame: dict[str, object]) -> None:
            order.append((await peer.ask(frame))["batch_id"])

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask, large, make_send(10_000, batch_id="large"))
            nursery.start_soon(ask, small, make_send(1, batch_id="small"))
        assert order == ["small", "large"]


class TaskCounts(trio.abc.Instrument):
    """Tasks started, and the turns that all of them took."""

    def __init__(self) -> None:
        self.spawned = 0
        self.turns = 0

    def task_spawned(self, task: trio.lowlevel.Task) -> None:
        self.spawned += 1

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self.turns += 1


async def test_a_batch_costs_a_turn_a_slice_and_no_task_a_notification():
    async with open_door() as opened:
        peer = await opened.greet()
        counts = TaskCounts()
        trio.lowlevel.add_instrument(counts)
        await peer.ask(make_send(10_000))
        trio.lowlevel.remove_instrument(counts)
        assert counts.spawned <= 1
        slices = 10_000 // READING.rows + 10_000 // PREPARING.rows
        assert slices <= counts.turns <= 2 * slices


async def test_nothing_of_a_payload_comes_back_in_errors():
    async with open_door() as opened:
        peer = await opened.greet()
        secret = "canary-7f3a"
        for fields in ({"targets": [{"apns": {"token": secret}}]}, {"content": {"badge": secret}}, {"app": secret}):
            assert secret not in str(await peer.ask(make_send(**fields)))
