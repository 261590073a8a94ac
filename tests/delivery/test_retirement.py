"""What nobody uses goes: lanes that had no work for minutes, and idle sessions beyond their bound."""

import trio

from bench.simulators.apns import ApnsAnswerEvent, ApnsScenario
from gateway.config.sections import ApnsSettings
from gateway.delivery.egress.first_tries import FirstTries
from gateway.delivery.lanes.retirement import LOOK_SECONDS, MOST_IDLE_SESSIONS, UNUSED_SECONDS, drain_longest_idle
from gateway.delivery.sessions.pool import IDLE_SECONDS
from gateway.errors import ProxyUnusableError, SessionOpenError
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


def lanes_from(first, stop):
    return [make_push_chunk(number, number + 1, lane=f"shop/apns/{number}") for number in range(first, stop)]


async def test_at_the_bound_of_lanes_the_one_that_was_idle_for_longest_goes_for_a_new_one(autojump_clock):
    async with open_delivery(settings=NO_LEAST) as delivering:
        delivering.delivery._most_lanes = 3
        for number in range(3):
            await delivering.push(*lanes_from(number, number + 1), batch_id=f"b{number}")
            await trio.sleep(1)
        await trio.sleep(IDLE_SECONDS + 2)  # until their sessions are gone
        await delivering.push(*lanes_from(0, 1), batch_id="again")
        await trio.sleep(1)
        await delivering.push(*lanes_from(3, 4), batch_id="new")
        await trio.sleep(1)
        assert set(delivering.delivery.statistics()) == {"shop/apns/0", "shop/apns/2", "shop/apns/3"}
        assert len(delivering.sent) == 5


async def test_what_is_beyond_the_bound_waits_in_the_engine_until_a_lane_is_idle_and_that_is_told_once(autojump_clock):
    async with open_delivery(settings=NO_LEAST) as delivering:
        delivering.delivery._most_lanes = 3
        delivering.dialer.is_blocked = True
        await delivering.push(*lanes_from(0, 40))
        await trio.sleep(5)
        assert len(delivering.delivery.statistics()) == 3
        statistics = delivering.engine.statistics()
        assert (statistics.owed_rows, statistics.leased_rows, statistics.scheduled_rows) == (40, 3, 37)
        assert delivering.listener.lanes_used_up_times == 1
        count = await delivering.engine.cancel("default", "b", [0, 1, 20], int(delivering.clock.wall() * 1000))
        assert (count.cancelled, count.too_late) == (3, 0)
        delivering.dialer.is_blocked = False


async def test_an_origin_that_is_never_reached_is_asked_less_and_less_and_its_rows_wait_in_the_engine(autojump_clock):
    async with open_delivery(settings=NO_LEAST) as delivering:
        delivering.dialer.first_tries = FirstTries()
        delivering.dialer.error = SessionOpenError("no such host")
        await delivering.push(make_push_chunk(0, 5))
        await trio.sleep(12)
        assert (delivering.lane().queued_rows, delivering.engine.statistics().scheduled_rows) == (0, 5)
        await trio.sleep(2 * 3600)
        assert 8 < delivering.dialer.dials < 40
        assert delivering.engine.statistics().owed_rows == 5
        delivering.dialer.error = None
        await trio.sleep(1000)
        words = await delivering.read()
    assert [word.outcome for word in words.values()] == [Outcome.PROVIDER_ACCEPTED] * 5


async def test_an_origin_is_not_blamed_for_a_proxy_that_can_not_be_used(autojump_clock):
    async with open_delivery(settings=NO_LEAST) as delivering:
        delivering.dialer.first_tries = FirstTries()
        delivering.dialer.error = ProxyUnusableError("through the proxy: no connection to it")
        await delivering.push(make_push_chunk(0, 5))
        await trio.sleep(200)
        assert (delivering.lane().queued_rows, delivering.engine.statistics().scheduled_rows) == (5, 0)
        delivering.dialer.error = None
        await trio.sleep(ApnsSettings().reconnect_ceiling_seconds + 5)
        words = await delivering.read()
    assert [word.outcome for word in words.values()] == [Outcome.PROVIDER_ACCEPTED] * 5


async def test_nothing_looks_for_expired_rows_while_none_are(autojump_clock):
    async with open_delivery(settings=NO_LEAST) as delivering:
        looks = []
        expire = delivering.engine.expire

        async def look(now_ms):
            looks.append(now_ms)
            return await expire(now_ms)

        delivering.engine.expire = look
        delivering.dialer.is_blocked = True
        await trio.sleep(3600)
        assert not looks
        wall_ms = int(delivering.clock.wall() * 1000)
        await delivering.push(make_push_chunk(0, 5, expires_at_ms=[wall_ms + 600_000]))
        await trio.sleep(590)
        assert not looks
        await trio.sleep(12)
        assert delivering.engine.statistics().owed_rows == 0
        assert 1 <= len(looks) <= 3
        delivering.dialer.unblock()


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
