"""What may be materialised at once: all of it by one lane, a share by each of several."""

from gateway.delivery.lanes.active_set import ActiveSet, LaneShare
from gateway.journal.engine import ChunkRef
from gateway.journal.leases import SOLE_LEASE
from gateway.wakeup import Wakeup
from tests.support.journal import make_record

REF = ChunkRef(
    batch=1,
    chunk=0,
    start=0,
    stop=100,
    lane="l",
    queue=1,
    lease=SOLE_LEASE,
    record=make_record("b", 1),
    stored_bytes=1000,
)


class Signal(Wakeup):
    """Counts how often it was set."""

    def __init__(self):
        super().__init__()
        self.times = 0

    def set(self):
        self.times += 1


def fill(active, share, most=100):
    """Take chunks as long as there is room; return how many."""
    taken = 0
    while taken < most and active.has_room(share):
        active.take(share, REF)
        taken += 1
    return taken


def test_one_lane_alone_has_the_whole_set():
    active = ActiveSet(1000, 1 << 20)
    assert fill(active, LaneShare(Signal())) == 10


def test_bytes_bound_it_as_rows_do():
    active = ActiveSet(1000, 4000)
    assert fill(active, LaneShare(Signal())) == 4
    assert fill(active, LaneShare(Signal())) == 2


async def test_another_lane_has_its_share_beside_one_that_fills_the_set():
    active = ActiveSet(1000, 1 << 20)
    fill(active, LaneShare(Signal()))
    assert fill(active, LaneShare(Signal())) == 5


async def test_it_never_grows_past_twice_its_limit_but_for_a_chunk_a_lane():
    active = ActiveSet(1000, 1 << 20)
    taken = [fill(active, LaneShare(Signal())) for _ in range(40)]
    assert taken[:3] == [10, 5, 4]
    assert set(taken[4:]) == {1}
    assert sum(taken) <= 20 + 40


async def test_a_lane_above_its_share_takes_nothing_until_there_is_room_and_is_woken_then():
    active = ActiveSet(1000, 1 << 20)
    greedy, late = LaneShare(Signal()), LaneShare(Signal())
    fill(active, greedy)
    fill(active, late)
    assert not active.has_room(greedy)
    for _ in range(5):
        active.release(late, REF)
    assert greedy.wakeup.times == 0
    active.release(greedy, REF)
    assert greedy.wakeup.times == 1
    assert fill(active, greedy) == 1


async def test_lanes_that_wait_are_woken_in_turn_and_only_as_many_as_find_room():
    active = ActiveSet(1000, 1 << 20)
    holder = LaneShare(Signal())
    fill(active, holder)
    waiting = [LaneShare(Signal()) for _ in range(3)]
    for share in waiting:
        fill(active, share)
        assert not active.has_room(share)
    taken = [share.chunks for share in waiting]
    while active._rows >= 1000:
        active.release(holder, REF)
    assert [share.wakeup.times for share in waiting] == [1, 0, 0]
    assert [share.chunks for share in waiting] == taken
