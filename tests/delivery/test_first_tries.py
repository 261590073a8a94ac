"""Origins that strangers name are tried a few at a time and in order, and their failures are told in few lines."""

import trio
from structlog.testing import capture_logs

from gateway.config.sections import ApnsSettings
from gateway.delivery.delivery import LANE_IN_REFERENCES, REFERENCES_A_TURN
from gateway.delivery.egress.first_tries import FirstTries
from gateway.errors import SessionOpenError
from gateway.telemetry.listener import LogListener
from gateway.telemetry.origin_failures import TOLD_A_MINUTE
from gateway.wakeup import Wakeup
from protocol.outcomes import Outcome
from tests.support.lanes import make_push_chunk, open_delivery

NO_LEAST = ApnsSettings(least_sessions=0)


async def is_set(wakeup):
    with trio.move_on_after(1):
        await wakeup.wait()
        return True
    return False


async def test_who_may_not_try_is_woken_in_his_turn(autojump_clock):
    tries = FirstTries(most=1)
    first, second, third = Wakeup(), Wakeup(), Wakeup()
    assert tries.begin(first)
    assert not tries.begin(second)
    assert not tries.begin(third)
    tries.end()
    assert not tries.begin(third), "the second one is before it, though it did not look yet"
    assert await is_set(second)
    assert tries.begin(second)
    assert not tries.begin(third)
    tries.end()
    assert await is_set(third)


async def test_who_leaves_makes_room_for_the_next_one(autojump_clock):
    tries = FirstTries(most=1)
    first, second, third = Wakeup(), Wakeup(), Wakeup()
    tries.begin(first)
    tries.begin(second)
    tries.begin(third)
    tries.end()
    tries.leave(second)
    tries.leave(second)
    assert await is_set(third)
    assert tries.begin(third)
    assert repr(tries) == "<FirstTries 1 of 1, 0 waiting>"


def lanes_of(stop):
    return [make_push_chunk(number, number + 1, lane=f"shop/apns/{number}") for number in range(stop)]


async def test_new_origins_are_dialled_a_few_at_a_time_and_all_are_reached(autojump_clock):
    async with open_delivery(settings=NO_LEAST) as delivering:
        dialer = delivering.dialer
        dialer.first_tries = FirstTries(most=4)
        dialer.is_blocked = True
        await delivering.push(*lanes_of(30))
        await trio.sleep(5)
        statistics = delivering.delivery.statistics()
        assert sum(lane.pool.opening for lane in statistics.values()) == 4
        # Those that wait can be cancelled as ever, and don't stand in the way of the others.
        count = await delivering.engine.cancel("default", "b", list(range(10, 20)), int(delivering.clock.wall() * 1000))
        assert count.cancelled == 10
        dialer.unblock()
        await trio.sleep(30)
        words = await delivering.read()
        assert repr(dialer.first_tries) == "<FirstTries 0 of 4, 0 waiting>"
    outcomes = [words[position].outcome for position in range(30)]
    assert outcomes[:10] + outcomes[20:] == [Outcome.PROVIDER_ACCEPTED] * 20


class StartedLanes(trio.abc.Instrument):
    """Counts the tasks of lanes, and how many lanes came in the longest turn of the loop."""

    def __init__(self, delivery):
        self.tasks = 0
        self.most_new = 0
        self._delivery = delivery
        self._known = 0

    def task_spawned(self, task):
        """Note a lane's task."""
        self.tasks += task.name.endswith("Lane.run")

    def before_io_wait(self, timeout):
        """Note how many lanes are new in the turn that ends."""
        known = len(self._delivery.statistics())
        self.most_new = max(self.most_new, known - self._known)
        self._known = known


async def test_a_lane_has_no_task_before_its_first_try_and_many_are_made_over_many_turns(autojump_clock):
    async with open_delivery(settings=NO_LEAST) as delivering:
        started = StartedLanes(delivering.delivery)
        trio.lowlevel.add_instrument(started)
        delivering.dialer.first_tries = FirstTries(most=2)
        delivering.dialer.is_blocked = True
        await delivering.push(*lanes_of(30))
        await trio.sleep(5)
        assert len(delivering.delivery.statistics()) == 30
        assert started.tasks == 2
        assert started.most_new <= REFERENCES_A_TURN // LANE_IN_REFERENCES
        # One whose rows were cancelled meanwhile begins nothing when its turn comes, and is in nobody's way.
        now_ms = int(delivering.clock.wall() * 1000)
        assert (await delivering.engine.cancel("default", "b", [2, 3], now_ms)).cancelled == 2
        delivering.dialer.unblock()
        await trio.sleep(30)
        words = await delivering.read()
        assert repr(delivering.dialer.first_tries) == "<FirstTries 0 of 2, 0 waiting>"
        trio.lowlevel.remove_instrument(started)
    assert [word.outcome for word in words.values()].count(Outcome.PROVIDER_ACCEPTED) == 28


async def test_a_lane_that_waits_for_its_first_try_is_left_when_delivery_stops(autojump_clock):
    async with open_delivery(settings=NO_LEAST) as delivering:
        delivering.dialer.first_tries = FirstTries(most=1)
        delivering.dialer.is_blocked = True
        await delivering.push(*lanes_of(5))
        await trio.sleep(5)
        delivering.delivery.stop()
        await delivering.wait_ended()
        assert delivering.engine.statistics().owed_rows == 5
        assert repr(delivering.dialer.first_tries) == "<FirstTries 0 of 1, 0 waiting>"


async def test_an_origin_that_fails_again_and_again_is_told_once_each_time_it_begins(autojump_clock):
    async with open_delivery(settings=NO_LEAST) as delivering:
        delivering.dialer.first_tries = FirstTries()
        for round_ in range(2):
            delivering.dialer.error = SessionOpenError("no such host")
            await delivering.push(make_push_chunk(round_, round_ + 1), batch_id=f"b{round_}")
            await trio.sleep(100)
            assert delivering.dialer.dials > 3
            assert delivering.listener.origins_failed == round_ + 1
            delivering.dialer.error = None
            await trio.sleep(1000)
            assert delivering.listener.opened == round_ + 1


def test_of_many_origins_that_fail_a_few_are_told_and_the_others_summed_up_once_a_minute():
    listener = LogListener()
    with capture_logs() as log:
        for minute in range(2):
            for number in range(1000):
                kind = "no such host" if number % 10 else f"192.0.2.{number}: refused"
                listener.origin_failed(f"shop/webpush/r{number}", f"r{number}:443: {kind}", 1.0)
            listener.minute_passed()
            assert len(log) == (minute + 1) * (TOLD_A_MINUTE + 1)
        listener.minute_passed()
    assert len(log) == 2 * (TOLD_A_MINUTE + 1), "nothing failed in the last minute"
    summed = log[-1]
    assert (summed["event"], summed["origins"], summed["error"]) == (
        "origins_failed",
        1000 - TOLD_A_MINUTE,
        "no such host",
    )
    assert summed["example"] == "shop/webpush/r5"
