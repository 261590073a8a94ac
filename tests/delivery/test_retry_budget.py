import pytest

from gateway.delivery.pacing.retry_budget import RetryBudget


def test_without_any_success_ten_retries_a_second_are_granted():
    budget = RetryBudget(now=0.0)
    assert budget.spend(1000, now=0.0) == 10
    assert budget.spend(1000, now=0.05) == 0
    assert budget.spend(1000, now=1.05) == 10


def test_a_fifth_of_the_successes_may_be_repeated():
    budget = RetryBudget(now=0.0)
    budget.spend(10, now=0.0)
    budget.succeed(100)
    assert budget.spend(1000, now=0.0) == 20


def test_a_long_good_time_earns_no_more_than_the_ceiling():
    budget = RetryBudget(now=0.0, ceiling=50.0)
    budget.succeed(1_000_000)
    assert budget.spend(1000, now=1e6) == 50


def test_it_tells_when_the_next_retry_is_free():
    budget = RetryBudget(now=0.0)
    assert budget.seconds_until_one(now=0.0) == 0.0
    budget.spend(10, now=0.0)
    wait = budget.seconds_until_one(now=0.0)
    assert wait == pytest.approx(0.1)
    assert budget.spend(1, now=wait - 0.01) == 0
    assert budget.spend(1, now=wait) == 1


def test_a_retry_that_succeeds_gives_back_what_it_cost():
    budget = RetryBudget(now=0.0)
    assert budget.spend(100, now=0.0) == 10
    budget.succeed(10, retries=10)
    assert budget.spend(100, now=0.0) == 12
