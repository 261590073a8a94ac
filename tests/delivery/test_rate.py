"""A quota spent evenly, approached slowly, and left alone for a while once it is used up."""

import pytest

from gateway.delivery.pacing.rate import Rate, RateLimits

FULL = RateLimits(per_second=1000.0, ramp_seconds=0.0)
RAMPED = RateLimits(per_second=1000.0, ramp_seconds=60.0)


def spend_for(rate, seconds, start=0.0, step=0.05):
    """Spend all that is granted in small steps; return how much that was."""
    steps = round(seconds / step)
    return sum(rate.spend(10_000, start + number * step) for number in range(1, steps + 1))


def test_a_second_grants_what_the_quota_says_and_no_minute_is_spent_at_once():
    rate = Rate(FULL, 0.0)
    assert spend_for(rate, 1.0) == pytest.approx(1000, abs=2)
    assert rate.spend(10_000, 30.0) <= 100  # a tenth of a second's worth, however long nothing was asked


def test_what_was_granted_and_not_sent_can_be_given_back():
    rate = Rate(FULL, 0.0)
    granted = rate.spend(50, 0.1)
    assert granted == 50
    left = rate.spend(1000, 0.1)
    rate.give_back(50)
    assert rate.spend(1000, 0.1) == 50
    assert left <= 51


def test_it_tells_when_the_next_one_may_go():
    rate = Rate(FULL, 0.0)
    rate.spend(10_000, 0.0)
    wait = rate.seconds_until_one(0.0)
    assert 0.0 < wait <= 0.001
    assert rate.spend(1, wait + 1e-6) == 1


def test_from_idle_the_full_rate_takes_the_whole_ramp():
    rate = Rate(RAMPED, 0.0)
    assert rate.per_second == pytest.approx(100.0)
    spend_for(rate, 30.0)
    assert rate.per_second == pytest.approx(550.0, rel=0.02)
    spend_for(rate, 31.0, start=30.0)
    assert rate.per_second == pytest.approx(1000.0)


def test_after_a_minute_without_requests_the_ramp_begins_again():
    rate = Rate(RAMPED, 0.0)
    spend_for(rate, 61.0)
    rate.seconds_until_one(121.5)
    assert rate.per_second == pytest.approx(100.0)


def test_a_used_up_quota_halves_the_rate_and_five_percent_come_back_every_ten_seconds():
    rate = Rate(FULL, 0.0)
    spend_for(rate, 1.0)
    rate.slow(1.0)
    assert rate.per_second == pytest.approx(500.0)
    spend_for(rate, 10.0, start=1.0)
    assert rate.per_second == pytest.approx(550.0, rel=0.01)


def test_refusals_of_one_second_count_as_one():
    rate = Rate(FULL, 0.0)
    for _ in range(50):
        rate.slow(1.0)
    assert rate.per_second == pytest.approx(500.0)
    rate.slow(2.5)
    assert rate.per_second == pytest.approx(250.0, rel=0.05)


def test_it_never_falls_to_nothing():
    rate = Rate(FULL, 0.0)
    for second in range(100):
        rate.slow(2.0 * second)
    assert rate.per_second >= 10.0
    assert spend_for(rate, 1.0, start=200.0) >= 9
