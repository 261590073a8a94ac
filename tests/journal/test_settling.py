import pytest
import trio

from protocol.outcomes import Outcome
from protocol.reasons import Reason
from tests.support.journal import (
    append_batch,
    make_chunk,
    make_settlement,
    postpone,
    read_results,
    settle_held,
    settle_ref,
)
from tests.support.patience import HANG_SECONDS


async def test_every_row_has_exactly_one_result(engine):
    number = await append_batch(engine, "b", [make_chunk(0, 100), make_chunk(100, 110)])
    await engine.lease(1000)
    await settle_held(engine, [make_settlement(number, 1, [0, 10], first=100), make_settlement(number, 0, [0, 100])])
    results = await read_results(engine)
    assert sorted(position for _, position, _, _ in results) == list(range(110))
    assert engine.statistics().owed_rows == 0


async def test_the_first_word_on_a_row_is_the_final_one(engine):
    number = await append_batch(engine, "b", [make_chunk(0, 4)])
    await engine.lease(10)
    await settle_held(engine, [make_settlement(number, 0, [1, 3])])
    failed = make_settlement(number, 0, [0, 4], outcome=Outcome.FAILED, reason=Reason.PROVIDER_ERROR)
    await settle_held(engine, [failed, failed])
    await settle_held(engine, [failed])
    assert sorted(await read_results(engine)) == [
        ("b", 0, "n0", Outcome.FAILED),
        ("b", 1, "n1", Outcome.PROVIDER_ACCEPTED),
        ("b", 2, "n2", Outcome.PROVIDER_ACCEPTED),
        ("b", 3, "n3", Outcome.FAILED),
    ]


async def test_columns_stay_with_their_rows_when_some_are_settled_already(engine):
    number = await append_batch(engine, "b", [make_chunk(0, 4)])
    await engine.lease(10)
    await settle_held(engine, [make_settlement(number, 0, [0, 1, 2, 3])])
    block = make_settlement(number, 0, [0, 4], outcome=Outcome.REJECTED, reason=Reason.DEAD_TOKEN)
    block.tracks = [b"t0", b"t1", b"t2", b"t3"]
    block.provider_ids = ["p0", "p1", "p2", "p3"]
    block.dead_since_ms = [0, 1, 2, 3]
    await settle_held(engine, [block])
    kept = (await engine.feed("default", 0, 100)).entries[1].settlement
    assert (kept.rows, kept.indexes, kept.ids) == ([1, 2, 3, 4], [1, 2, 3, 4], ["n1", "n3"])
    assert (kept.tracks, kept.provider_ids, kept.dead_since_ms) == ([b"t1", b"t3"], ["p1", "p3"], [1, 3])


async def test_stored_bytes_are_freed_with_the_last_row_of_a_chunk(engine):
    chunks = [make_chunk(0, 10), make_chunk(10, 20)]
    number = await append_batch(engine, "b", chunks)
    refs = await engine.lease(100)
    await settle_held(engine, [make_settlement(number, 0, [0, 9])])
    assert engine.statistics().owed_bytes == sum(len(chunk.stored) for chunk in chunks)
    await settle_held(engine, [make_settlement(number, 0, [9, 10])])
    assert engine.statistics().owed_bytes == len(chunks[1].stored)
    assert await engine.read(refs) == [None, chunks[1].stored]


async def test_rows_that_nobody_leased_can_be_settled_and_are_not_leased_afterwards(engine):
    number = await append_batch(engine, "b", [make_chunk(0, 5)])
    await settle_held(engine, [make_settlement(number, 0, [1, 2])])
    refs = await engine.lease(10)
    assert [(ref.start, ref.stop) for ref in refs] == [(0, 1), (2, 5)]


async def test_settling_what_never_was_is_a_fault_and_changes_nothing(engine):
    number = await append_batch(engine, "b", [make_chunk(0, 1)])
    with pytest.raises(KeyError):
        await settle_held(engine, [make_settlement(number, 0, [0, 1]), make_settlement(number + 1, 0, [0, 1])])
    assert engine.statistics().owed_rows == 1


async def test_a_cancelled_settle_settles_nothing(engine):
    number = await append_batch(engine, "b", [make_chunk(0, 3)])
    lease = (await engine.renew()).id
    with trio.CancelScope() as scope:
        scope.cancel()
        await engine.settle(lease, [make_settlement(number, 0, [0, 3])])
    assert engine.statistics().owed_rows == 3
    assert await read_results(engine) == []


async def test_settling_wakes_those_who_wait_for_a_change(engine, nursery):
    await append_batch(engine, "b", [make_chunk(0, 3)])
    woken = trio.Event()

    async def wait():
        await engine.wait_change()
        woken.set()

    nursery.start_soon(wait)
    await trio.testing.wait_all_tasks_blocked()
    (ref,) = await engine.lease(10)
    await settle_held(engine, [settle_ref(ref)])
    with trio.fail_after(HANG_SECONDS):
        await woken.wait()


async def test_totals_follow_rows_from_place_to_place(engine):
    number = await append_batch(engine, "b", [make_chunk(0, 10)])
    await append_batch(engine, "c", [make_chunk(0, 5)], principal="alice")
    await engine.lease(10)
    await postpone(engine, number, 0, [0, 4], 1_900_000_000_000)
    await settle_held(engine, [make_settlement(number, 0, [4, 6])])
    statistics = engine.statistics()
    assert (statistics.owed_rows, statistics.leased_rows, statistics.scheduled_rows) == (13, 4, 4)
    assert (statistics.unread_rows, statistics.unread_rows_by_principal["default"]) == (2, 2)
    assert statistics.batches == 2
