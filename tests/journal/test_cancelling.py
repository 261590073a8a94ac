"""Cancelling rows by what their caller called them: ids, and cancel keys over all batches of an app."""

import msgspec
import pytest

from gateway.journal import CancelCount
from gateway.journal.books.cancel_keys import CancelKeyIndex, make_filter
from gateway.journal.books.store import BatchStore
from protocol.outcomes import Outcome
from tests.support.journal import (
    START_MS,
    append_batch,
    make_chunk,
    make_record,
    make_settlement,
    postpone,
    read_results,
    settle_held,
)


def counts(cancelled: int, too_late: int = 0, not_found: int = 0) -> CancelCount:
    return CancelCount(cancelled=cancelled, too_late=too_late, not_found=not_found)


async def test_rows_are_cancelled_by_their_ids_in_whichever_chunk_they_are(engine):
    await append_batch(engine, "b", [make_chunk(0, 5), make_chunk(5, 10)])
    assert await engine.cancel_ids("default", "b", ["n1", "n7", "n8", "n7", "other"], START_MS) == counts(3, 0, 1)
    assert {(position, outcome) for _, position, _, outcome in await read_results(engine)} == {
        (1, Outcome.CANCELLED),
        (7, Outcome.CANCELLED),
        (8, Outcome.CANCELLED),
    }
    assert engine.statistics().owed_rows == 7


async def test_ids_of_rows_that_are_being_sent_or_have_a_result_are_too_late(engine):
    number = await append_batch(engine, "b", [make_chunk(0, 5), make_chunk(5, 10), make_chunk(10, 15)])
    await engine.lease(10)
    await settle_held(engine, [make_settlement(number, 0, [0, 5]), make_settlement(number, 1, [0, 1], first=5)])
    asked = ["n0", "n5", "n6", "n12", "n99"]
    assert await engine.cancel_ids("default", "b", asked, START_MS) == counts(1, 3, 1)


async def test_ids_of_results_that_were_acknowledged_are_not_known_any_more(engine):
    number = await append_batch(engine, "b", [make_chunk(0, 2), make_chunk(2, 4)])
    await engine.lease(2)
    await settle_held(engine, [make_settlement(number, 0, [0, 2])])
    await engine.acknowledge("default", 2)
    assert await engine.cancel_ids("default", "b", ["n0", "n3"], START_MS) == counts(1, 0, 1)


async def test_ids_are_found_in_results_that_were_there_before_a_restart(engine_factory):
    first = engine_factory()
    await first.recover()
    number = await append_batch(first, "b", [make_chunk(0, 2), make_chunk(2, 4)])
    await first.lease(4)
    await settle_held(first, [make_settlement(number, 0, [0, 2])])
    await first.aclose()
    second = engine_factory()
    await second.recover()
    if second.statistics().unread_rows:  # not in memory
        await settle_held(second, [make_settlement(number, 1, [0, 1], first=2)])
        assert await second.cancel_ids("default", "b", ["n0", "n2", "n3", "n9"], START_MS) == counts(0, 3, 1)
        await second.acknowledge("default", 2)
        assert await second.cancel_ids("default", "b", ["n0", "n2"], START_MS) == counts(0, 1, 1)
    await second.aclose()


@pytest.mark.parametrize("engine_factory", ["sqlite"], indirect=True)
async def test_an_id_that_is_not_there_is_searched_in_the_results_of_its_batch_alone(engine):
    number = await append_batch(engine, "b", [make_chunk(0, 1), make_chunk(1, 2)])
    await settle_held(engine, [make_settlement(number, 0, [0, 1])])
    others = await append_batch(engine, "others", [make_chunk(0, 100) for _ in range(20)])
    await settle_held(
        engine, [make_settlement(others, chunk, [row, row + 1]) for chunk in range(20) for row in range(100)]
    )
    steps = []
    reader = engine._state.reader
    await reader.run(lambda connection: connection.set_progress_handler(lambda: steps.append(1), 10))
    assert await engine.cancel_ids("default", "b", ["n0", "n99"], START_MS) == counts(0, 1, 1)
    assert len(steps) < 100
    assert await engine.cancel_ids("default", "others", ["n0", "n99", "other"], START_MS) == counts(0, 2, 1)
    assert len(steps) > 100


async def test_ids_are_those_of_one_batch_and_one_principal(engine):
    await append_batch(engine, "b", [make_chunk(0, 2)])
    await append_batch(engine, "c", [make_chunk(0, 2)])
    assert await engine.cancel_ids("alice", "b", ["n0", "n1"], START_MS) == counts(0, 0, 2)
    assert await engine.cancel_ids("default", "b", ["n0"], START_MS) == counts(1)
    assert {batch for batch, *_ in await read_results(engine)} == {"b"}


async def test_a_key_cancels_what_carries_it_in_all_batches_of_the_app(engine):
    await append_batch(engine, "a", [make_chunk(0, 3, cancel_keys=[["order-1"], ["order-2", "sale"], None])])
    await append_batch(engine, "b", [make_chunk(0, 2), make_chunk(2, 4, cancel_keys=[["sale"], ["sale", "order-1"]])])
    await append_batch(engine, "c", [make_chunk(0, 1, cancel_keys=[["sale"]])], app="other")
    await append_batch(engine, "d", [make_chunk(0, 1, cancel_keys=[["sale"]])], principal="alice")
    assert await engine.cancel_key("default", "shop", "sale", START_MS) == counts(3)
    assert {(batch, position) for batch, position, *_ in await read_results(engine)} == {("a", 1), ("b", 2), ("b", 3)}
    assert await engine.cancel_key("default", "shop", "sale", START_MS) == counts(0, 0, 1)
    assert await engine.cancel_key("default", "other", "sale", START_MS) == counts(1)


async def test_a_key_covers_only_what_was_accepted_before(engine):
    await append_batch(engine, "a", [make_chunk(0, 1, cancel_keys=[["k"]])])
    await engine.cancel_key("default", "shop", "k", START_MS)
    await append_batch(engine, "b", [make_chunk(0, 1, cancel_keys=[["k"]])])
    assert [ref.batch for ref in await engine.lease(10)] == [2]


async def test_rows_with_a_key_that_are_being_sent_are_too_late(engine):
    number = await append_batch(engine, "a", [make_chunk(0, 4, cancel_keys=[["k"]] * 4)])
    await engine.lease(4)
    await settle_held(engine, [make_settlement(number, 0, [0, 1])])
    await postpone(engine, number, 0, [1, 2], START_MS + 1000)
    assert await engine.cancel_key("default", "shop", "k", START_MS) == counts(1, 2)


async def test_keys_and_ids_work_after_a_restart(engine_factory, request):
    if "memory" in request.node.callspec.id:
        pytest.skip("memory ends with its process")
    engine = engine_factory()
    await engine.recover()
    chunks = [make_chunk(0, 2, cancel_keys=[["k"], None]), make_chunk(2, 4, cancel_keys=[["other"], ["k"]])]
    number = await append_batch(engine, "a", chunks)
    await engine.lease(2)
    await settle_held(engine, [make_settlement(number, 0, [0, 2])])
    await engine.aclose()
    engine = engine_factory()
    await engine.recover()
    assert await engine.cancel_key("default", "shop", "k", START_MS) == counts(1)
    assert await engine.cancel_ids("default", "a", ["n0", "n2"], START_MS) == counts(1, 1)
    assert engine.statistics().owed_rows == 0
    await engine.aclose()


def may_have(cancel_filter: int, key: str) -> bool:
    chunk = msgspec.structs.replace(make_chunk(0, 1), cancel_filter=cancel_filter)
    index = CancelKeyIndex()
    for stored in BatchStore().add(1, make_record("b", 1), [chunk]).open_chunks():
        index.add(stored)
    return any(index.find("default", "shop", key))


@pytest.mark.parametrize("count", [1, 3, 100, 400])
def test_a_filter_has_every_key_and_few_others(count):
    keys = [f"order-{number}" for number in range(count)]
    cancel_filter = make_filter(keys)
    assert all(may_have(cancel_filter, key) for key in keys)
    assert sum(may_have(cancel_filter, f"other-{number}") for number in range(1000)) < 10


async def test_an_index_holds_nothing_of_chunks_that_ended_or_have_no_keys():
    store = BatchStore()
    for number, keys in enumerate([None, [["k"]]], start=1):
        store.add(number, make_record("b", 1), [make_chunk(0, 1, cancel_keys=keys)])
    assert [len(chunks) for chunks in store.cancel_keys.find("default", "shop", "k")] == [1]
    store.settle(store.find_chunk(2, 0), 1)
    assert list(store.cancel_keys.find("default", "shop", "k")) == []
