import trio

from gateway.journal import CancelCount, Recalled
from protocol.outcomes import Outcome
from protocol.reasons import Reason
from tests.support.journal import (
    LANE,
    START_MS,
    append_batch,
    make_chunk,
    make_settlement,
    postpone,
    read_results,
    settle_held,
)


async def test_cancelling_a_batch_settles_what_waits(engine):
    await append_batch(engine, "b", [make_chunk(0, 100), make_chunk(100, 150, not_before_ms=START_MS + 1000)])
    count = await engine.cancel("default", "b", None, START_MS)
    assert count == CancelCount(cancelled=150, too_late=0, not_found=0)
    results = await read_results(engine)
    assert {(position, outcome) for _, position, _, outcome in results} == {
        (position, Outcome.CANCELLED) for position in range(150)
    }
    assert engine.statistics().scheduled_rows == 0


async def test_cancelled_rows_are_never_leased(engine):
    await append_batch(engine, "b", [make_chunk(0, 10)])
    await engine.cancel("default", "b", [3, 4], START_MS)
    assert [(ref.start, ref.stop) for ref in await engine.lease(10)] == [(0, 3), (5, 10)]


async def test_leased_and_settled_rows_are_too_late_to_cancel(engine):
    number = await append_batch(engine, "b", [make_chunk(0, 10), make_chunk(10, 20)])
    await engine.lease(10)
    await settle_held(engine, [make_settlement(number, 0, [0, 5])])
    assert await engine.cancel("default", "b", None, START_MS) == CancelCount(cancelled=10, too_late=10, not_found=0)


async def test_positions_never_accepted_are_not_found(engine):
    await append_batch(engine, "b", [make_chunk(0, 2), make_chunk(5, 7)])
    count = await engine.cancel("default", "b", [1, 3, 5, 5, 99], START_MS)
    assert count == CancelCount(cancelled=2, too_late=0, not_found=2)


async def test_a_batch_of_someone_else_is_not_found(engine):
    await append_batch(engine, "b", [make_chunk(0, 2)], principal="alice")
    assert await engine.cancel("default", "b", None, START_MS) == CancelCount(cancelled=0, too_late=0, not_found=1)
    assert await engine.cancel("default", "b", [0, 1], START_MS) == CancelCount(cancelled=0, too_late=0, not_found=2)


async def test_a_cancelled_result_carries_what_the_row_was_given(engine):
    await append_batch(engine, "b", [make_chunk(4, 8)])
    await engine.cancel("default", "b", [6], START_MS + 77)
    (entry,) = (await engine.feed("default", 0, 10)).entries
    block = entry.settlement
    assert (block.indexes, block.ids, block.provider, block.reason) == ([6, 7], ["n6"], "apns", Reason.CANCELLED)
    assert (block.attempts, block.uncertain_attempts, block.finished_at_ms) == (0, 0, START_MS + 77)


async def test_a_row_with_an_uncertain_attempt_ends_unknown_and_counts_as_too_late(engine):
    number = await append_batch(engine, "b", [make_chunk(0, 3)])
    await engine.lease(10)
    await postpone(engine, number, 0, [0, 1], START_MS + 1000, attempts=2, uncertain_attempts=1)
    await postpone(engine, number, 0, [1, 2], START_MS + 1000, attempts=1)
    count = await engine.cancel("default", "b", None, START_MS)
    assert count == CancelCount(cancelled=1, too_late=2, not_found=0)
    assert sorted(await read_results(engine)) == [("b", 0, "n0", Outcome.UNKNOWN), ("b", 1, "n1", Outcome.CANCELLED)]


async def test_a_call_cancelled_before_it_began_cancels_nothing(engine):
    await append_batch(engine, "b", [make_chunk(0, 3)])
    with trio.CancelScope() as scope:
        scope.cancel()
        await engine.cancel("default", "b", None, START_MS)
    assert engine.statistics().owed_rows == 3


async def test_a_cancel_under_way_finishes(engine):
    await append_batch(engine, "b", [make_chunk(first, first + 2) for first in range(0, 200, 2)])
    counts = []

    async def cancel():
        counts.append(await engine.cancel("default", "b", None, START_MS))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(cancel)
        while engine.statistics().owed_rows == 200:
            await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()
    assert [count.cancelled for count in counts] == [200]


async def test_rows_expire_at_their_own_deadline(engine):
    deadlines = (START_MS + 1000, START_MS + 5000)
    await append_batch(engine, "b", [make_chunk(0, 4, expires_at_ms=deadlines)])
    assert await engine.expire(START_MS + 999) == 0
    assert await engine.expire(START_MS + 1000) == 2
    assert sorted(await read_results(engine)) == [("b", 0, "n0", Outcome.EXPIRED), ("b", 2, "n2", Outcome.EXPIRED)]
    assert await engine.expire(START_MS + 4999) == 0
    assert await engine.expire(START_MS + 6000) == 2
    assert engine.statistics().owed_rows == 0


async def test_scheduled_rows_expire_too(engine):
    await append_batch(engine, "b", [make_chunk(0, 2, not_before_ms=START_MS + 5000, expires_at_ms=(START_MS + 2000,))])
    assert await engine.expire(START_MS + 2000) == 2
    assert engine.statistics().scheduled_rows == 0


async def test_leased_rows_expire_only_after_they_are_given_back(engine):
    number = await append_batch(engine, "b", [make_chunk(0, 2, expires_at_ms=(START_MS + 1000,))])
    await engine.lease(10)
    assert await engine.expire(START_MS + 2000) == 0
    await postpone(engine, number, 0, [0, 1], START_MS + 60_000)
    assert await engine.expire(START_MS + 10_000) == 1
    assert engine.statistics().leased_rows == 1


async def test_expiry_after_an_uncertain_attempt_is_unknown(engine):
    number = await append_batch(engine, "b", [make_chunk(0, 1, expires_at_ms=(START_MS + 1000,))])
    await engine.lease(10)
    await postpone(engine, number, 0, [0, 1], START_MS + 60_000, attempts=1, uncertain_attempts=1)
    await engine.expire(START_MS + 10_000)
    (entry,) = (await engine.feed("default", 0, 10)).entries
    block = entry.settlement
    assert (block.outcome, block.reason, block.attempts) == (Outcome.UNKNOWN, Reason.EXPIRED, 1)


async def test_leased_rows_that_their_holder_lets_go_of_are_cancelled_and_the_others_are_too_late(engine):
    number = await append_batch(engine, "b", [make_chunk(0, 6), make_chunk(6, 8)])
    await engine.lease(10)
    asked = []

    def recall(lane, batch, chunk, rows):
        assert lane == LANE
        asked.append((batch, chunk, rows))
        return Recalled(rows & 0b000111 if chunk == 0 else 0)

    engine.set_recall(recall)
    count = await engine.cancel("default", "b", [1, 2, 3, 6], START_MS)
    assert (count.cancelled, count.too_late, count.not_found) == (2, 2, 0)
    assert asked == [(number, 0, 0b001110), (number, 1, 0b01)]
    assert sorted(position for _, position, _, _ in await read_results(engine)) == [1, 2]
    assert engine.statistics().leased_rows == 6


async def test_leased_rows_that_their_holder_lets_go_of_expire_at_their_time_and_others_stay(engine):
    await append_batch(engine, "b", [make_chunk(0, 4, expires_at_ms=(START_MS + 1000, START_MS + 90_000))])
    await engine.lease(10)
    engine.set_recall(lambda _lane, _batch, _chunk, rows: Recalled(rows & 0b0001))
    assert await engine.expire(START_MS + 2000) == 1
    assert engine.statistics().leased_rows == 3
    engine.set_recall(lambda _lane, _batch, _chunk, rows: Recalled(rows))
    assert await engine.expire(START_MS + 10_000) == 1
    assert sorted(position for _, position, _, _ in await read_results(engine)) == [0, 2]


async def test_who_waits_for_the_first_deadline_hears_of_an_earlier_one(engine, clock, autojump_clock):
    now_ms = int(clock.wall() * 1000)
    heard = []
    async with trio.open_nursery() as nursery:

        async def wait():
            await engine.wait_overdue()
            heard.append(clock.monotonic())

        began = clock.monotonic()
        nursery.start_soon(wait)
        await trio.sleep(10)
        await append_batch(engine, "late", [make_chunk(0, 1, expires_at_ms=[now_ms + 300_000])])
        await trio.sleep(10)
        await append_batch(engine, "early", [make_chunk(0, 1, expires_at_ms=[now_ms + 60_000])])
    assert round(heard[0] - began) == 60


async def test_a_wait_for_the_first_deadline_ends_with_its_caller(engine, autojump_clock):
    with trio.move_on_after(1) as patience:
        await engine.wait_overdue()
    assert patience.cancelled_caught
