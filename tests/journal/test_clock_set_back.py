"""A wall clock that is set while the gateway runs: what was to happen after a span happens after that span."""

import pytest
import trio

from gateway.clock import lead_ms
from tests.support.clocks import SetClock
from tests.support.journal import LANE, append_batch, lease_nowait, make_chunk, postpone

HOUR_SECONDS = 3600.0
DAY_MS = 86_400_000


@pytest.fixture
async def clock(autojump_clock):
    return SetClock()


def wall_ms(clock):
    return int(clock.wall() * 1000)


async def seconds_until_lease(engine, rows=1):
    started_at = trio.current_time()
    with trio.fail_after(2 * HOUR_SECONDS):
        refs = await engine.lease(rows)
    return trio.current_time() - started_at, refs


async def test_a_retry_does_not_wait_for_the_hour_by_which_the_clock_was_set_back(engine, clock, autojump_clock):
    batch = await append_batch(engine, "a", [make_chunk(0, 1)])
    await engine.lease(1)
    await postpone(engine, batch, 0, [0, 1], wall_ms(clock) + 5000, attempts=1)
    clock.set_by(-HOUR_SECONDS)
    seconds, _ = await seconds_until_lease(engine)
    assert 4.9 <= seconds <= 6


async def test_scheduled_work_does_not_either(engine, clock, autojump_clock):
    await append_batch(engine, "a", [make_chunk(0, 1, not_before_ms=wall_ms(clock) + 10_000)])
    clock.set_by(-HOUR_SECONDS)
    seconds, _ = await seconds_until_lease(engine)
    assert 9.9 <= seconds <= 11


async def test_work_that_comes_after_the_clock_was_set_back_is_due_by_the_new_one(engine, clock, autojump_clock):
    clock.set_by(-HOUR_SECONDS)
    await append_batch(engine, "a", [make_chunk(0, 1, not_before_ms=wall_ms(clock) + 10_000)])
    seconds, (ref,) = await seconds_until_lease(engine)
    assert 9.9 <= seconds <= 11
    assert ref.lead_ms == HOUR_SECONDS * 1000
    await postpone(engine, ref.batch, 0, [0, 1], wall_ms(clock) + 5000, attempts=1)
    seconds, _ = await seconds_until_lease(engine)
    assert 4.9 <= seconds <= 6


async def expire(engine, clock):
    return await engine.expire(int(clock.steady() * 1000))


@pytest.mark.parametrize("set_by_before", [0.0, -HOUR_SECONDS])
async def test_what_expires_does_so_after_the_time_it_had(engine, clock, autojump_clock, set_by_before):
    clock.set_by(set_by_before)
    deadlines = (wall_ms(clock) + 30_000, wall_ms(clock) + DAY_MS)
    await append_batch(engine, "a", [make_chunk(0, 2, expires_at_ms=deadlines)])
    clock.set_by(-HOUR_SECONDS)
    await trio.sleep(28)
    assert await expire(engine, clock) == 0
    await trio.sleep(3)
    assert await expire(engine, clock) == 1
    assert await expire(engine, clock) == 0


async def test_a_clock_that_is_set_forward_is_followed(engine, clock, autojump_clock):
    deadline = wall_ms(clock) + 2 * DAY_MS
    await append_batch(engine, "a", [make_chunk(0, 1, not_before_ms=wall_ms(clock) + 10_000, expires_at_ms=[deadline])])
    clock.set_by(HOUR_SECONDS)
    assert [ref.lane for ref in await lease_nowait(engine, 1)] == [LANE]


async def test_the_steady_clock_goes_with_the_others_and_is_never_set_back(clock, autojump_clock):
    assert clock.steady() == pytest.approx(clock.wall(), abs=0.01)
    clock.set_by(HOUR_SECONDS)
    assert clock.steady() == pytest.approx(clock.wall(), abs=0.01)
    before = clock.steady()
    clock.set_by(-2 * HOUR_SECONDS)
    await trio.sleep(1)
    assert clock.steady() == pytest.approx(before + 1, abs=0.01)
    assert lead_ms(clock) == 2 * HOUR_SECONDS * 1000
    clock.set_by(HOUR_SECONDS)
    assert lead_ms(clock) == HOUR_SECONDS * 1000
