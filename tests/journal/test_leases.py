"""Leases between handles that share a store: what is refused, what is taken over, what is recalled.

Of the engines there are, the one in memory has more than one handle; SQLite's journal is one process's alone.
"""

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from gateway.journal import SOLE_LEASE, CancelCount, LeaseEndedError, MemoryEngine, Postponement, Recalled
from gateway.journal.books import rowsets
from gateway.journal.memory.store import MemoryStore
from protocol.outcomes import Outcome
from protocol.reasons import Reason
from tests.support.journal import (
    LATER_MS,
    START_MS,
    append_batch,
    lease_nowait,
    make_chunk,
    make_settlement,
    read_results,
    settle_ref,
)

LEASE_SECONDS = 10.0


@pytest.fixture
async def store(clock):
    return MemoryStore(clock, lease_seconds=LEASE_SECONDS)


@pytest.fixture
async def first(clock, store):
    return MemoryEngine(clock, store=store)


@pytest.fixture
async def second(clock, store):
    return MemoryEngine(clock, store=store)


def holding(waiting, attempts=()):
    """Return a recall that lets go of ``waiting`` rows alone, which had ``attempts``."""
    return lambda _lane, _batch, _chunk, rows: Recalled(rows & waiting, dict(attempts))


async def outcomes_of(engine):
    """Return each row's outcome, by position; there is one result for each."""
    results = await read_results(engine)
    assert len({position for _, position, _, _ in results}) == len(results)
    return {position: outcome for _, position, _, outcome in results}


async def test_a_handle_that_comes_back_too_late_is_refused_and_another_has_taken_over(first, second, autojump_clock):
    batch = await append_batch(first, "b", [make_chunk(0, 4)])
    (stale,) = await first.lease(10)
    await trio.sleep(LEASE_SECONDS / 2)
    assert await lease_nowait(second, 10) == []
    (taken,) = await second.lease(10)
    assert autojump_clock.current_time() == LEASE_SECONDS
    assert (taken.start, taken.stop, taken.attempts, taken.uncertain_attempts, taken.is_doubted) == (0, 4, 1, 1, True)
    failed = make_settlement(batch, 0, [0, 4], outcome=Outcome.FAILED, reason=Reason.PROVIDER_ERROR)
    later = Postponement(batch=batch, chunk=0, rows=[0, 4], due_at_ms=LATER_MS)
    with pytest.raises(LeaseEndedError, match=f"lease {stale.lease.id} has ended"):
        await first.settle(stale.lease.id, [failed])
    with pytest.raises(LeaseEndedError):
        await first.schedule(stale.lease.id, [later])
    with pytest.raises(LeaseEndedError):
        await first.mark_started(stale.lease.id, batch, 0, [0, 4])
    statistics = first.statistics()
    assert (statistics.owed_rows, statistics.leased_rows, statistics.scheduled_rows) == (4, 4, 0)
    await second.settle(taken.lease.id, [settle_ref(taken)])
    with pytest.raises(LeaseEndedError):
        await first.settle(stale.lease.id, [failed])
    assert await outcomes_of(first) == dict.fromkeys(range(4), Outcome.PROVIDER_ACCEPTED)


async def test_a_lease_that_is_renewed_in_time_is_not_taken(first, second, autojump_clock):
    await append_batch(first, "b", [make_chunk(0, 4), make_chunk(4, 8)])
    refs = await first.lease(10)
    for _ in range(5):
        await trio.sleep(LEASE_SECONDS - 1)
        assert (await first.renew()).id == refs[0].lease.id
    assert await lease_nowait(second, 10) == []
    await first.settle(refs[0].lease.id, [settle_ref(ref, 4 * ref.chunk) for ref in refs])
    assert len(await outcomes_of(second)) == 8


async def test_a_handle_that_comes_back_has_another_lease_and_nothing_in_it(first, second, autojump_clock):
    batch = await append_batch(first, "b", [make_chunk(0, 2), make_chunk(2, 4)])
    (stale,) = await first.lease(1)
    await trio.sleep(LEASE_SECONDS)
    (taken,) = [ref for ref in await second.lease(10) if ref.chunk == stale.chunk]
    lease = await first.renew()
    assert (lease.id not in {stale.lease.id, taken.lease.id}, lease.ends_at) == (True, 2 * LEASE_SECONDS)
    # Rows that another lease has are passed over, whatever this one says of them.
    failed = make_settlement(batch, 0, [0, 2], outcome=Outcome.FAILED, reason=Reason.PROVIDER_ERROR)
    await first.settle(lease.id, [failed])
    await first.schedule(lease.id, [Postponement(batch=batch, chunk=0, rows=[0, 2], due_at_ms=LATER_MS)])
    assert (await outcomes_of(first), first.statistics().scheduled_rows) == ({}, 0)


async def test_rows_given_back_before_the_end_are_not_doubted(first, second, autojump_clock):
    batch = await append_batch(first, "b", [make_chunk(0, 2)])
    (ref,) = await first.lease(10)
    postponed = Postponement(batch=batch, chunk=0, rows=[0, 1], due_at_ms=START_MS + 60_000, attempts=1)
    await first.schedule(ref.lease.id, [postponed])
    await trio.sleep(61)
    refs = await second.lease(10)
    assert sorted((each.start, each.attempts, each.uncertain_attempts) for each in refs) == [(0, 1, 0), (1, 1, 1)]


async def test_what_waits_for_work_is_woken_by_the_end_of_anothers_lease(first, second, autojump_clock, nursery):
    await append_batch(first, "b", [make_chunk(0, 2)])
    await first.lease(10)
    taken = []

    async def lease():
        taken.extend(await second.lease(10))

    nursery.start_soon(lease)
    await trio.sleep(LEASE_SECONDS - 1)
    assert not taken
    await trio.sleep(2)
    assert [(ref.start, ref.stop) for ref in taken] == [(0, 2)]


async def test_rows_of_an_ended_lease_that_are_cancelled_end_unknown(first, second, autojump_clock):
    await append_batch(first, "b", [make_chunk(0, 3)])
    await first.lease(10)
    await trio.sleep(LEASE_SECONDS)
    await second.cancel("default", "b", [0], START_MS)
    await second.expire(LATER_MS + 1)
    assert await outcomes_of(second) == dict.fromkeys(range(3), Outcome.UNKNOWN)


async def test_rows_that_were_marked_end_unknown_with_their_lease(first, second, autojump_clock):
    batch = await append_batch(first, "b", [make_chunk(0, 4, report_unknown=True)])
    (ref,) = await first.lease(10)
    await first.mark_started(ref.lease.id, batch, 0, [0, 2])
    await first.settle(ref.lease.id, [make_settlement(batch, 0, [0, 1])])
    await trio.sleep(LEASE_SECONDS)
    (again,) = await second.lease(10)
    assert (again.start, again.stop, again.attempts) == (2, 4, 0)
    assert await outcomes_of(second) == {0: Outcome.PROVIDER_ACCEPTED, 1: Outcome.UNKNOWN}
    block = (await second.feed("default", 1, 10)).entries[0].settlement
    assert (block.reason, block.attempts, block.uncertain_attempts) == (Reason.LINK_LOST, 1, 1)


@pytest.fixture
async def answering(first, nursery):
    nursery.start_soon(first.answer_recalls)
    await wait_all_tasks_blocked()


async def test_a_cancel_reaches_rows_that_another_handle_has_queued(first, second, answering):
    await append_batch(second, "b", [make_chunk(0, 3), make_chunk(3, 6)])
    await first.lease(10)
    first.set_recall(holding(0b011, {1: 2}))
    assert await second.cancel("default", "b", None, START_MS) == CancelCount(cancelled=4, too_late=2, not_found=0)
    assert await outcomes_of(first) == dict.fromkeys((0, 1, 3, 4), Outcome.CANCELLED)
    attempts = [entry.settlement.attempts for entry in (await first.feed("default", 0, 100)).entries]
    assert sorted(attempts) == [0, 0, 2, 2]
    assert first.statistics().leased_rows == 2


async def test_rows_that_expire_are_recalled_from_another_handle(first, second, answering):
    await append_batch(second, "b", [make_chunk(0, 3, expires_at_ms=(START_MS + 1,))])
    await first.lease(10)
    first.set_recall(holding(0b110))
    assert await second.expire(START_MS + 1) == 2
    assert await outcomes_of(second) == {1: Outcome.EXPIRED, 2: Outcome.EXPIRED}


async def test_rows_of_a_handle_that_does_not_answer_are_too_late(first, second, autojump_clock):
    await append_batch(second, "b", [make_chunk(0, 3)])
    (ref,) = await first.lease(10)
    first.set_recall(holding(0b111))
    assert await second.cancel("default", "b", None, START_MS) == CancelCount(cancelled=0, too_late=3, not_found=0)
    assert autojump_clock.current_time() == 1
    # It is not told of the question later either: the rows are its own still.
    with trio.move_on_after(1):
        await first.answer_recalls()
    await first.settle(ref.lease.id, [settle_ref(ref)])
    assert set((await outcomes_of(second)).values()) == {Outcome.PROVIDER_ACCEPTED}


async def test_a_lease_that_ends_while_its_holder_is_asked_is_not_asked_in_vain_for_ever(first, second, autojump_clock):
    await append_batch(second, "b", [make_chunk(0, 3)])
    await first.lease(10)
    await trio.sleep(LEASE_SECONDS - 0.5)
    await second.cancel("default", "b", [0], START_MS)
    (ref,) = await second.lease(10)
    assert (ref.start, ref.stop, ref.is_doubted) == (0, 3, True)


async def test_a_handle_that_is_closed_leaves_its_rows_to_the_others_at_once(first, second):
    await append_batch(first, "b", [make_chunk(0, 4)])
    await first.lease(10)
    first.set_recall(holding(rowsets.from_ranges((0, 2))))
    await first.aclose()
    refs = await second.lease(10)
    assert sorted((ref.start, ref.stop, ref.is_doubted) for ref in refs) == [(0, 2, False), (2, 4, True)]


async def test_a_lone_handle_never_loses_its_lease(engine, autojump_clock):
    await append_batch(engine, "b", [make_chunk(0, 4)])
    (ref,) = await engine.lease(10)
    await trio.sleep(80_000)
    await engine.settle(ref.lease.id, [settle_ref(ref)])
    assert engine.statistics().owed_rows == 0


@pytest.mark.parametrize("engine_factory", ["sqlite"], indirect=True)
async def test_the_journal_on_disk_has_one_lease_for_good(engine):
    await append_batch(engine, "b", [make_chunk(0, 4)])
    assert [ref.lease for ref in await engine.lease(10)] == [await engine.renew()] == [SOLE_LEASE]
