import random

from gateway.delivery.pacing.backoff import Backoff


def upper(low: float, high: float) -> float:
    return high


def test_delays_double_up_to_the_ceiling_when_the_jitter_is_largest():
    backoff = Backoff(1.0, 60.0, upper)
    assert [backoff.fail() for _ in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]


def test_a_success_starts_over():
    backoff = Backoff(1.0, 60.0, upper)
    for _ in range(5):
        backoff.fail()
    backoff.succeed()
    assert backoff.failures == 0
    assert backoff.fail() == 1.0


def test_the_jitter_never_goes_below_the_first_delay_nor_above_the_grown_one():
    backoff = Backoff(1.0, 60.0, random.Random(7).uniform)
    delays = [backoff.fail() for _ in range(2000)]
    assert min(delays) >= 1.0
    assert max(delays) <= 60.0
    assert len(set(delays[10:])) > 1000


def test_days_of_failures_stay_at_the_ceiling():
    backoff = Backoff(1.0, 60.0, upper)
    for _ in range(5000):
        backoff.fail()
    assert backoff.fail() == 60.0
