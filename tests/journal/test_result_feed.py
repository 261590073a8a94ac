import msgspec
import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from gateway.journal import CursorTooOldError
from gateway.journal.statistics import UnreadResults
from tests.support.journal import (
    START_MS,
    append_batch,
    make_chunk,
    make_record,
    make_settlement,
    read_results,
    settle_held,
)
from tests.support.patience import HANG_SECONDS


async def append_and_settle(engine, batch_id, blocks, principal="default"):
    """One block of ten results a chunk, in the order of the chunks."""
    chunks = [make_chunk(first * 10, first * 10 + 10) for first in range(blocks)]
    number = await append_batch(engine, batch_id, chunks, principal=principal)
    for chunk in range(blocks):
        await settle_held(engine, [make_settlement(number, chunk, [0, 10], first=chunk * 10)])


async def test_results_are_read_in_the_order_in_which_they_were_settled(engine):
    number = await append_batch(engine, "b", [make_chunk(0, 1), make_chunk(1, 2), make_chunk(2, 3)])
    for chunk in (2, 0, 1):
        await settle_held(engine, [make_settlement(number, chunk, [0, 1], first=chunk)])
    assert [position for _, position, _, _ in await read_results(engine)] == [2, 0, 1]


async def test_a_result_is_read_as_it_was_settled_with_its_batch(engine):
    number = await append_batch(engine, "b", [make_chunk(0, 3)])
    block = make_settlement(number, 0, [0, 3])
    block.tracks = [b"\x00", None, b"\xff"]
    await settle_held(engine, [block])
    (entry,) = (await engine.feed("default", 0, 10)).entries
    assert entry.settlement == block
    assert entry.batch == make_record("b", 3)


async def test_a_page_holds_whole_blocks_up_to_its_bound_and_at_least_one(engine):
    await append_and_settle(engine, "b", 4)
    page = await engine.feed("default", 0, 25)
    assert len(page.entries) == 2
    page = await engine.feed("default", page.cursor, 1)
    assert len(page.entries) == 1
    page = await engine.feed("default", page.cursor, 1000)
    assert len(page.entries) == 1
    assert (await engine.feed("default", page.cursor, 1000)).entries == []
    assert (await engine.feed("default", page.cursor, 1000)).cursor == page.cursor


async def test_reading_frees_nothing(engine):
    await append_and_settle(engine, "b", 2)
    first = await engine.feed("default", 0, 1000)
    assert await engine.feed("default", 0, 1000) == first
    assert engine.statistics().unread_rows == 20


async def test_acknowledged_results_are_freed_and_the_rest_is_kept(engine):
    await append_and_settle(engine, "b", 3)
    page = await engine.feed("default", 0, 10)
    await engine.acknowledge("default", page.cursor)
    assert engine.statistics().unread_rows == 20
    assert await engine.feed("default", 0, 1000) == await engine.feed("default", page.cursor, 1000)
    await engine.acknowledge("default", page.cursor)
    assert engine.statistics().unread_rows == 20


async def test_a_cursor_before_what_is_kept_is_too_old(engine):
    await append_and_settle(engine, "b", 3)
    first = (await engine.feed("default", 0, 10)).cursor
    second = (await engine.feed("default", first, 10)).cursor
    await engine.acknowledge("default", second)
    with pytest.raises(CursorTooOldError) as raised:
        await engine.feed("default", first, 10)
    assert raised.value.oldest == second
    with pytest.raises(CursorTooOldError):
        await engine.wait_feed("default", first)
    assert len((await engine.feed("default", second, 10)).entries) == 1


async def test_a_cursor_of_another_life_is_refused_instead_of_waited_for(engine):
    await append_and_settle(engine, "b", 1)
    for call in (
        engine.feed("default", 5000, 10),
        engine.wait_feed("default", 5000),
        engine.acknowledge("default", 5000),
    ):
        with pytest.raises(CursorTooOldError):
            await call
    assert engine.statistics().unread_rows == 10


async def test_principals_read_their_own_results_only(engine):
    await append_and_settle(engine, "b", 1)
    await append_and_settle(engine, "c", 2, principal="alice")
    assert {batch_id for batch_id, *_ in await read_results(engine, "alice")} == {"c"}
    assert engine.statistics().unread_rows_by_principal == {"default": 10, "alice": 20}
    await engine.acknowledge("alice", (await engine.feed("alice", 0, 1000)).cursor)
    assert engine.statistics().unread_rows == 10


async def test_a_reader_waits_until_there_is_something_new_for_it(engine, nursery):
    await append_and_settle(engine, "b", 1)
    cursor = (await engine.feed("default", 0, 1000)).cursor
    with trio.fail_after(HANG_SECONDS):
        await engine.wait_feed("default", 0)
    woken = []
    has_woken = trio.Event()

    async def wait():
        await engine.wait_feed("default", cursor)
        woken.append(await engine.feed("default", cursor, 1000))
        has_woken.set()

    nursery.start_soon(wait)
    await append_and_settle(engine, "c", 1, principal="alice")
    await wait_all_tasks_blocked()
    assert not woken
    await append_and_settle(engine, "d", 1)
    with trio.fail_after(HANG_SECONDS):
        await has_woken.wait()
    assert [entry.batch.batch_id for entry in woken[0].entries] == ["d"]


async def test_freeing_results_wakes_those_who_wait_for_a_change(engine, nursery):
    await append_and_settle(engine, "b", 1)
    woken = trio.Event()

    async def wait():
        await engine.wait_change()
        woken.set()

    nursery.start_soon(wait)
    await wait_all_tasks_blocked()
    await engine.acknowledge("default", (await engine.feed("default", 0, 1000)).cursor)
    with trio.fail_after(HANG_SECONDS):
        await woken.wait()


async def test_results_that_are_not_kept_are_only_settled(engine):
    await append_and_settle(engine, "b", 1)
    engine.set_results_kept("default", False)
    await append_and_settle(engine, "c", 1)
    statistics = engine.statistics()
    assert (statistics.owed_rows, statistics.unread_rows, statistics.batches) == (0, 10, 1)
    engine.set_results_kept("default", True)
    await append_and_settle(engine, "d", 1)
    assert {batch_id for batch_id, *_ in await read_results(engine)} == {"b", "d"}


async def test_a_cancelled_acknowledgement_frees_nothing(engine):
    await append_and_settle(engine, "b", 1)
    with trio.CancelScope() as scope:
        scope.cancel()
        await engine.acknowledge("default", 10)
    assert engine.statistics().unread_rows == 10


async def test_reading_on_is_unaffected_by_how_much_was_acknowledged(engine):
    await append_and_settle(engine, "b", 600)
    cursor = seen = 0
    while (page := await engine.feed("default", cursor, 70)).entries:
        seen += sum(entry.settlement.count for entry in page.entries)
        cursor = page.cursor
        await engine.acknowledge("default", cursor)
    assert seen == 6000
    assert engine.statistics().unread_rows == 0


async def test_what_is_unread_is_known_by_rows_bytes_and_age(engine):
    number = await append_batch(engine, "b", [make_chunk(first, first + 10) for first in range(0, 30, 10)])
    for chunk in range(3):
        block = make_settlement(number, chunk, [0, 10], first=chunk * 10)
        await settle_held(engine, [msgspec.structs.replace(block, finished_at_ms=START_MS + chunk)])
    whole = engine.statistics().unread["default"]
    assert (whole.rows, whole.oldest_at_ms) == (30, START_MS)
    await engine.acknowledge("default", 20)
    rest = engine.statistics().unread["default"]
    assert (rest.rows, rest.oldest_at_ms) == (10, START_MS + 2)
    assert whole.bytes / 4 < rest.bytes < whole.bytes / 2
    await engine.acknowledge("default", 30)
    assert engine.statistics().unread["default"] == UnreadResults(rows=0, bytes=0, oldest_at_ms=None)


async def test_what_is_unread_is_known_after_a_restart(engine_factory, request):
    if "memory" in request.node.callspec.id:
        pytest.skip("memory ends with its process")
    engine = engine_factory()
    await engine.recover()
    await append_and_settle(engine, "b", 3)
    await engine.acknowledge("default", 10)
    before = engine.statistics().unread
    await engine.aclose()
    engine = engine_factory()
    await engine.recover()
    assert engine.statistics().unread == before
    await engine.acknowledge("default", 30)
    assert engine.statistics().unread["default"] == UnreadResults(rows=0, bytes=0, oldest_at_ms=None)
    await engine.aclose()
