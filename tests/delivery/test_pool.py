"""What the pool decides: when another session is worth a handshake, which ones may go, and where rows go."""

from dataclasses import dataclass

import msgspec
import pytest

from gateway.delivery.pacing.limits import PoolLimits
from gateway.delivery.sessions.pool import GROW_INTERVAL_SECONDS, IDLE_SECONDS, Pool, PoolStep

OPEN = PoolStep(open_session=True)
NOTHING = PoolStep()


@dataclass(eq=False)
class Seen:
    """A session as the pool sees it: open, with everything in flight and heard just now, unless told otherwise."""

    in_flight: int = 100
    stream_limit: int = 100
    best_stream_limit: int = 100
    can_submit: bool = True
    is_probing: bool = False
    is_stalled: bool = False
    is_doubtful: bool = False
    is_draining: bool = False
    silent: float = 0.0
    idle: float = 0.0

    @property
    def available(self):
        return max(0, self.stream_limit - self.in_flight) if self.can_submit else 0

    def silent_for(self, now):
        return self.silent

    def idle_for(self, now):
        return self.idle


def pool_of(*drivers, least=1, most=8, opened_at=0.0):
    pool = Pool(PoolLimits(least_sessions=least, most_sessions=most))
    for driver in drivers:
        pool.start_opening(opened_at)
        pool.add(driver)
    return pool


def decide(pool, now=100.0, *, has_work=True, may_open=True):
    return pool.decide(now, has_work=has_work, may_open=may_open)


# Opening


def test_another_is_opened_beside_a_stalled_session_up_to_twice_the_most():
    stalled = [Seen(is_stalled=True) for _ in range(2)]
    assert decide(pool_of(stalled[0], most=1)) == OPEN
    assert decide(pool_of(*stalled, most=1)) == NOTHING
    assert decide(pool_of(*stalled, Seen(in_flight=0), most=2)) == NOTHING


def test_a_stalled_session_gets_another_beside_it_while_its_streams_are_all_there_is():
    assert decide(pool_of(Seen(is_stalled=True)), has_work=False) == OPEN
    assert decide(pool_of(Seen(is_stalled=True, in_flight=0)), has_work=False) == NOTHING
    assert decide(pool_of(Seen(is_stalled=True, is_draining=True)), has_work=False) == NOTHING


def test_idle_sessions_that_may_be_forgotten_are_confirmed_once_there_is_work():
    doubtful, fresh = Seen(in_flight=0, is_doubtful=True), Seen(in_flight=0)
    assert decide(pool_of(doubtful, fresh)).confirm == (doubtful,)
    assert decide(pool_of(doubtful, fresh), has_work=False).confirm == ()


def test_no_session_is_opened_without_work():
    assert decide(pool_of(), has_work=False) == NOTHING
    assert decide(pool_of(), has_work=True) == OPEN


def test_nothing_is_opened_while_the_lane_backs_off():
    assert decide(pool_of(), may_open=False) == NOTHING


def test_the_least_number_is_opened_at_once_and_no_more():
    pool = pool_of(least=3)
    opened = 0
    while decide(pool, now=5.0) == OPEN:
        pool.start_opening(5.0)
        opened += 1
    assert opened == 3


def test_another_is_opened_when_all_are_busy_and_none_beyond_the_most():
    drivers = [Seen() for _ in range(4)]
    assert decide(pool_of(*drivers, most=5)) == OPEN
    assert decide(pool_of(*drivers, most=4)) == NOTHING


@pytest.mark.parametrize(
    "calm",
    [
        Seen(in_flight=79),
        Seen(is_probing=True, in_flight=1, stream_limit=1),
        Seen(silent=1.5),
        Seen(in_flight=49, stream_limit=49),
    ],
    ids=["room_left", "probing", "silent", "in_disfavour"],
)
def test_one_session_that_is_not_busy_is_enough_not_to_grow(calm):
    assert decide(pool_of(Seen(), Seen())) == OPEN
    assert decide(pool_of(Seen(), calm)) == NOTHING


def test_a_limit_at_half_of_its_best_is_no_disfavour():
    assert decide(pool_of(Seen(in_flight=50, stream_limit=50))) == OPEN


def test_it_grows_by_one_session_a_second_at_most():
    pool = pool_of(Seen(), opened_at=10.0)
    assert decide(pool, now=10.0 + GROW_INTERVAL_SECONDS - 0.01) == NOTHING
    assert decide(pool, now=10.0 + GROW_INTERVAL_SECONDS) == OPEN


def test_it_does_not_grow_while_a_session_is_being_opened():
    pool = pool_of(Seen())
    pool.start_opening(50.0)
    assert decide(pool, now=60.0) == NOTHING
    pool.fail_opening()
    assert decide(pool, now=60.0) == OPEN


def test_a_session_that_got_a_goaway_is_replaced_before_it_ends():
    leaving = Seen(can_submit=False, in_flight=40)
    pool = pool_of(leaving, opened_at=99.9)
    assert decide(pool) == OPEN
    pool.start_opening(100.0)
    pool.add(Seen(in_flight=0))
    assert decide(pool) == NOTHING
    assert leaving in pool.drivers


def test_sessions_that_will_not_end_are_replaced_only_so_often():
    pool = pool_of(*(Seen(can_submit=False) for _ in range(3)), least=1, most=4)
    opened = 0
    while decide(pool) == OPEN:
        pool.start_opening(100.0)
        pool.add(Seen(can_submit=False))
        opened += 1
    # As many again as there may be at most: each holds memory until its last stream ends.
    assert 3 + opened == 8


# Letting go


def test_surplus_sessions_are_drained_once_idle_and_the_least_number_stays():
    drivers = [Seen(in_flight=0, idle=IDLE_SECONDS) for _ in range(4)]
    pool = pool_of(*drivers, least=2)
    step = decide(pool, has_work=False)
    assert len(step.drain) == 2
    for driver in step.drain:
        driver.can_submit = False
    assert decide(pool, has_work=False) == NOTHING


def test_a_session_that_was_used_lately_is_no_surplus():
    old, fresh = Seen(in_flight=0, idle=IDLE_SECONDS + 1), Seen(in_flight=0, idle=IDLE_SECONDS - 1)
    assert decide(pool_of(fresh, old), has_work=False).drain == (old,)


# Choosing


def test_rows_go_to_the_session_with_most_room():
    most = Seen(in_flight=20)
    assert pool_of(Seen(in_flight=50), most, Seen(in_flight=30)).choose() is most


def test_nothing_is_chosen_when_no_session_has_room():
    assert pool_of(Seen(), Seen(can_submit=False, in_flight=0)).choose() is None
    assert pool_of().choose() is None


# Looking


def test_its_counts_are_a_frozen_record():
    pool = pool_of(Seen(in_flight=30), Seen(can_submit=False, in_flight=5))
    pool.start_opening(3.0)
    counts = pool.statistics()
    assert msgspec.structs.asdict(counts) == {
        "sessions": 2, "usable": 1, "opening": 1, "in_flight": 35, "available": 70,
    }  # fmt: skip
    with pytest.raises(AttributeError):
        counts.sessions = 3


def test_an_empty_pool_says_so_and_one_that_opens_does_not():
    pool = pool_of()
    assert pool.is_empty
    pool.start_opening(0.0)
    assert not pool.is_empty
    assert repr(pool) == "<Pool [], 1 opening>"
