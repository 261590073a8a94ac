import trio
from trio.testing import wait_all_tasks_blocked

from tests.support.journal import (
    START_MS,
    append_batch,
    lease_nowait,
    make_chunk,
    make_settlement,
    postpone,
    settle_held,
)


async def test_work_is_not_leased_before_its_time(engine, autojump_clock):
    await append_batch(engine, "b", [make_chunk(0, 2, not_before_ms=START_MS + 90_000)])
    assert engine.statistics().scheduled_rows == 2
    await engine.lease(10)
    assert 90 <= autojump_clock.current_time() < 91
    assert engine.statistics().scheduled_rows == 0


async def test_work_that_comes_due_is_leased_in_the_order_of_its_times(engine, autojump_clock):
    for name, seconds in (("late", 300), ("soon", 30), ("middle", 150)):
        await append_batch(engine, name, [make_chunk(0, 1, not_before_ms=START_MS + seconds * 1000)])
    autojump_clock.jump(1000)
    refs = await engine.lease(10)
    assert [ref.record.batch_id for ref in refs] == ["soon", "middle", "late"]


async def test_a_time_that_has_passed_means_now(engine):
    await append_batch(engine, "b", [make_chunk(0, 2, not_before_ms=START_MS - 1)])
    assert engine.statistics().scheduled_rows == 0
    assert len(await engine.lease(10)) == 1


async def test_rows_given_back_are_leased_again_when_due(engine, autojump_clock):
    number = await append_batch(engine, "b", [make_chunk(0, 10)])
    await engine.lease(10)
    await postpone(engine, number, 0, [2, 4, 7, 8], START_MS + 5_000)
    refs = await engine.lease(10)
    assert 5 <= autojump_clock.current_time() < 6
    assert [(ref.start, ref.stop) for ref in refs] == [(2, 4), (7, 8)]


async def test_a_waiting_lease_notices_an_earlier_time(engine, autojump_clock, nursery):
    number = await append_batch(engine, "b", [make_chunk(0, 2)])
    await engine.lease(10)
    await postpone(engine, number, 0, [0, 1], START_MS + 50_000)
    leased_at = []

    async def lease():
        await engine.lease(10)
        leased_at.append(round(autojump_clock.current_time()))

    nursery.start_soon(lease)
    await wait_all_tasks_blocked()
    await postpone(engine, number, 0, [1, 2], START_MS + 10_000)
    await trio.sleep(20)
    assert leased_at == [10]


async def test_attempts_come_back_with_the_rows_they_were_made_for(engine):
    number = await append_batch(engine, "b", [make_chunk(0, 6)])
    await engine.lease(10)
    await postpone(engine, number, 0, [0, 2], 0, attempts=1, uncertain_attempts=1)
    await postpone(engine, number, 0, [2, 4], 0, attempts=2, uncertain_attempts=0)
    await postpone(engine, number, 0, [4, 6], 0)
    refs = await engine.lease(10)
    assert [(ref.start, ref.stop, ref.attempts, ref.uncertain_attempts) for ref in refs] == [
        (0, 2, 1, 1),
        (2, 4, 2, 0),
        (4, 6, 0, 0),
    ]
    await postpone(engine, number, 0, [1, 2], 0, attempts=3, uncertain_attempts=2)
    (ref,) = await engine.lease(10)
    assert (ref.start, ref.attempts, ref.uncertain_attempts) == (1, 3, 2)


async def test_only_leased_rows_are_given_back(engine):
    number = await append_batch(engine, "b", [make_chunk(0, 4)])
    await engine.lease(10)
    await settle_held(engine, [make_settlement(number, 0, [0, 2])])
    await postpone(engine, number, 0, [0, 4], 0)
    await postpone(engine, number, 0, [0, 4], 0)
    (ref,) = await engine.lease(10)
    assert (ref.start, ref.stop) == (2, 4)
    assert engine.statistics().leased_rows == 2


async def test_rows_settled_while_scheduled_do_not_come_due(engine, autojump_clock):
    number = await append_batch(engine, "b", [make_chunk(0, 2, not_before_ms=START_MS + 1000)])
    await settle_held(engine, [make_settlement(number, 0, [0, 2])])
    assert engine.statistics().scheduled_rows == 0
    autojump_clock.jump(60)
    assert await lease_nowait(engine, 10) == []


async def test_rows_that_are_ready_are_not_put_off(engine):
    number = await append_batch(engine, "b", [make_chunk(0, 2)])
    await postpone(engine, number, 0, [0, 2], START_MS + 60_000)
    assert engine.statistics().scheduled_rows == 0
    assert len(await lease_nowait(engine, 10)) == 1
