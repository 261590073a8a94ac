"""Who goes next of what a lane has leased: fresh work first, retries by budget, and what was recalled not at all."""

import tracemalloc

import pytest

from gateway.delivery.lanes.backlog import Backlog
from gateway.delivery.pacing.retry_budget import RetryBudget
from gateway.journal.engine import ChunkRef
from gateway.journal.leases import SOLE_LEASE
from tests.support.journal import make_record


def make_ref(number, *, rows=10, start=0, attempts=0, queue=1, principal="default"):
    return ChunkRef(
        batch=number,
        chunk=0,
        start=start,
        stop=start + rows,
        lane="shop/apns/production",
        queue=queue,
        lease=SOLE_LEASE,
        record=make_record("b", 1, principal),
        stored_bytes=100,
        attempts=attempts,
    )


@pytest.fixture
def budget():
    budget = RetryBudget(now=0.0)
    budget.spend(10, now=0.0)
    return budget


@pytest.fixture
def backlog(budget):
    return Backlog(budget)


def pop_all(backlog, now=0.0):
    """Pop until nothing may go; return (batch, start, stop) of all."""
    popped = []
    while parts := backlog.pop(now):
        popped += [(ref.batch, ref.start, ref.stop) for ref in parts]
    return popped


def test_fresh_work_goes_and_a_retry_without_budget_stands_aside_and_holds_nobody_up(backlog, budget):
    backlog.push(make_ref(1, attempts=1))
    backlog.push(make_ref(2))
    backlog.push(make_ref(3, attempts=2))
    backlog.push(make_ref(4))
    assert pop_all(backlog) == [(2, 0, 10), (4, 0, 10)]
    assert backlog
    assert backlog.rows == 20
    assert backlog.seconds_until_retry(0.0) == pytest.approx(0.1)
    budget.succeed(60)
    assert pop_all(backlog) == [(1, 0, 10), (3, 0, 2)]
    budget.succeed(1000)
    assert pop_all(backlog) == [(3, 2, 10)]
    assert not backlog


def test_retries_get_a_twentieth_of_the_turns_that_fresh_work_wants_too(backlog, budget):
    budget.succeed(5000)
    for number in range(400):
        backlog.push(make_ref(number))
        backlog.push(make_ref(1000 + number, attempts=1))
    first = [backlog.pop(0.0)[0] for _ in range(120)]
    retries = sum(ref.attempts > 0 for ref in first)
    assert 10 <= retries <= 30, "the share of retries beside normal work is 5 of 30"


def test_recalled_rows_leave_at_once_and_the_rest_keeps_its_turn(backlog):
    backlog.push(make_ref(1, rows=10, start=5))
    backlog.push(make_ref(2))
    assert backlog.recall(1, 0, 0b11 << 7).rows == 0b11 << 7
    assert backlog.recall(1, 0, 0b11 << 7).rows == 0
    assert backlog.recall(9, 0, 1).rows == 0
    assert backlog.rows == 18
    assert pop_all(backlog) == [(1, 5, 7), (1, 9, 15), (2, 0, 10)]


def test_a_reference_whose_rows_were_all_recalled_never_comes(backlog):
    backlog.push(make_ref(1))
    assert backlog.recall(1, 0, (1 << 10) - 1).rows == (1 << 10) - 1
    assert not backlog
    assert backlog.pop(0.0) == []
    backlog.push(make_ref(2))
    assert pop_all(backlog) == [(2, 0, 10)]


def test_several_references_to_one_chunk_are_told_apart(backlog):
    backlog.push(make_ref(1, rows=3, start=0))
    backlog.push(make_ref(1, rows=3, start=6))
    assert backlog.recall(1, 0, 0b1000001).rows == 0b1000001
    assert pop_all(backlog) == [(1, 1, 3), (1, 7, 9)]


def test_retries_of_one_chunk_wait_together_and_those_of_another_history_apart(backlog, budget):
    for row in (0, 1, 5, 2, 9):
        backlog.push(make_ref(1, rows=1, start=row, attempts=1))
    backlog.push(make_ref(1, rows=1, start=7, attempts=2))
    assert pop_all(backlog) == []
    budget.succeed(15)
    assert pop_all(backlog) == [(1, 0, 3)], "three are granted, in the order of their rows"
    assert backlog.recall(1, 0, 1 << 9).rows == 1 << 9
    budget.succeed(5000)
    assert pop_all(backlog) == [(1, 5, 6), (1, 7, 8)]
    assert not backlog
    assert backlog.rows == 0


def test_a_retry_that_comes_while_others_of_its_chunk_wait_for_the_budget_is_not_forgotten(backlog, budget):
    backlog.push(make_ref(1, rows=2, attempts=1))
    assert pop_all(backlog) == []
    backlog.push(make_ref(1, rows=1, start=50, attempts=1))
    budget.succeed(5000)
    assert pop_all(backlog) == [(1, 0, 2), (1, 50, 51)]


def test_retries_that_wait_for_the_budget_take_few_bytes(backlog):
    tracemalloc.start()
    try:
        for number in range(200):
            for row in range(100):
                backlog.push(make_ref(number, rows=1, start=row, attempts=1 + row % 2))
        pop_all(backlog)
        size_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert backlog.rows == 20_000
    assert size_bytes / backlog.rows <= 20.0


def test_rows_that_came_back_are_recalled_with_the_attempts_that_were_made_meanwhile(backlog):
    backlog.take_back(make_ref(1, rows=2, attempts=3))
    backlog.push(make_ref(1, rows=2, start=2))
    assert backlog.recall(1, 0, 0b0110) == (0b0110, {1: 3})
    assert backlog.recall(1, 0, 0b1001) == (0b1001, {0: 3})
    backlog.push(make_ref(1, rows=2))
    assert backlog.recall(1, 0, 0b11) == (0b11, {})
