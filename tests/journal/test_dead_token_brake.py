import pytest

from gateway.journal.books.brake import LEAST_RESULTS, MINUTE_MS, WINDOW_MINUTES, DeadTokenBrake


def judge(brake):
    return brake.is_extraordinary(brake.results, brake.dead)


@pytest.mark.parametrize(
    ("results", "dead", "extraordinary"),
    [
        (LEAST_RESULTS - 1, LEAST_RESULTS - 1, False),
        (LEAST_RESULTS, 39, False),
        (LEAST_RESULTS, 40, True),
        (10_000, 1_999, False),
        (10_000, 2_000, True),
    ],
)
def test_a_fifth_of_two_hundred_is_out_of_the_ordinary(results, dead, extraordinary):
    brake = DeadTokenBrake()
    brake.note(results, dead, 0)
    assert judge(brake) is extraordinary


def test_only_what_came_of_late_is_counted():
    brake = DeadTokenBrake()
    brake.note(1000, 1000, 0)
    brake.forget_old((WINDOW_MINUTES - 1) * MINUTE_MS)
    assert judge(brake)
    brake.forget_old(WINDOW_MINUTES * MINUTE_MS)
    assert (brake.results, brake.dead) == (0, 0)


def test_five_times_the_usual_share_is_the_bound_where_that_is_more_than_a_fifth():
    brake = DeadTokenBrake()
    for minute in range(200):
        brake.note(1000, 100, minute * MINUTE_MS)
    brake.forget_old(300 * MINUTE_MS)
    assert not brake.is_extraordinary(1000, 499)
    assert brake.is_extraordinary(1000, 500)


def test_what_is_out_of_the_ordinary_never_becomes_usual():
    brake = DeadTokenBrake()
    for minute in range(500):
        brake.note(1000, 900, minute * MINUTE_MS)
    brake.forget_old(1000 * MINUTE_MS)
    brake.note(1000, 200, 1000 * MINUTE_MS)
    assert judge(brake)


def test_what_is_usual_follows_slow_changes():
    brake = DeadTokenBrake()
    for minute in range(100):
        brake.note(100_000, 1_000, minute * MINUTE_MS)
    for minute in range(100, 200):
        brake.note(100_000, 10_000, minute * MINUTE_MS)
    brake.forget_old(300 * MINUTE_MS)
    assert not brake.is_extraordinary(1000, 300)
