"""What nobody uses goes: lanes that had no work for minutes, and idle sessions beyond their bound."""

import trio

from bench.simulators.apns import ApnsAnswerEvent, ApnsScenario
from gateway.config.sections import ApnsSettings
from gateway.delivery.pool import IDLE_SECONDS
from gateway.delivery.retirement import LOOK_SECONDS, MOST_IDLE_SESSIONS, UNUSED_SECONDS, drain_longest_idle
from protocol.outcomes import Outcome
from tests.support.journal import LANE
from tests.support.lanes import make_push_chunk, open_delivery

OTHER_LANE = "shop/apns/sandbox"
# As Web Push has it: an origin without work keeps no session.
NO_LEAST = ApnsSettings(least_sessions=0)


async def test_a_lane_that_nobody_used_for_minutes_goes_and_is_made_again_for_new_work(autojump_clock):
    async with open_delivery(settings=NO_LEAST) as delivering:
        await delivering.push(make_push_chunk(0, 10), batch_id="first")
        await trio.sleep(IDLE_SECONDS + UNUSED_SECONDS + 2 * LOOK_SECONDS)
        assert delivering.delivery.statistics() == {}
        await delivering.push(make_push_chunk(10, 20))
        await trio.sleep(5)
        assert list(delivering.delivery.statistics()) == [LANE]
        words = await delivering.read()
    assert {word.outcome for word in words.values()} == {Outcome.PROVIDER_ACCEPTED}
    assert len(words) == 20


async def test_a_lane_stays_while_it_has_a_session_or_had_work_just_now(autojump_clock):
    async with open_delivery(settings=NO_LEAST) as delivering:
        await delivering.push(make_push_chunk(0, 10, lane=OTHER_LANE), batch_id="other")
        for round_ in range(10):
            await delivering.push(make_push_chunk(round_, round_ + 1), batch_id=f"b{round_}")
            await trio.sleep(UNUSED_SECONDS / 3)
            assert LANE in delivering.delivery.statistics()
        assert OTHER_LANE not in delivering.delivery.statistics()


async def test_a_lane_that_keeps_a_session_open_is_kept(autojump_clock):
    async with open_delivery() as delivering:
        await delivering.push(make_push_chunk(0, 10))
        await trio.sleep(3 * UNUSED_SECONDS)
        assert delivering.lane().pool.sessions == 1


async def test_a_lane_with_work_that_can_not_go_out_is_kept(autojump_clock):
    held = ApnsScenario(events=(ApnsAnswerEvent(every=1, status=403, reason="InvalidProviderToken"),))
    async with open_delivery(settings=NO_LEAST, scenario=held) as delivering:
        await delivering.push(make_push_chunk(0, 10))
        await trio.sleep(3 * UNUSED_SECONDS)
        assert delivering.lane().queued_rows + delivering.lane().ready_rows + delivering.lane().waiting_rows == 10


class Idle:
    def __init__(self):
        self.is_drained = False

    def drain(self):
        self.is_drained = True


def test_of_too_many_idle_sessions_those_go_that_were_idle_for_longest():
    sessions = [(float(seconds), Idle()) for seconds in range(MOST_IDLE_SESSIONS + 3)]
    drain_longest_idle(reversed(sessions))
    assert [seconds for seconds, session in sessions if session.is_drained] == [1000.0, 1001.0, 1002.0]
    few = [(9999.0, Idle())]
    drain_longest_idle(few)
    assert not few[0][1].is_drained
