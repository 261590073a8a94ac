"""Ending a delivery: what is in flight is awaited and committed, what was not sent stays owed."""

from collections import Counter

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from bench.simulators.apns import ApnsAnswerEvent, ApnsScenario, ApnsStreamLimit
from bench.simulators.server import Latency
from gateway.config.sections import ApnsSettings
from gateway.journal.memory.engine import MemoryEngine
from protocol.outcomes import Outcome
from tests.support.lanes import make_push_chunk, open_delivery


def slow(seconds, *events, limit=1000):
    latency = Latency(distribution="fixed", seconds=seconds)
    return ApnsScenario(latency=latency, stream_limit=ApnsStreamLimit(first=limit, open=limit), events=events)


ONE_SESSION = ApnsSettings(most_sessions=1)


async def test_what_is_in_flight_is_awaited_and_nothing_more_is_sent(autojump_clock):
    async with open_delivery(scenario=slow(2.0, limit=30), settings=ONE_SESSION) as delivering:
        await delivering.push(make_push_chunk(0, 100))
        await trio.sleep(3.0)  # the first one went alone, 30 are under way
        assert delivering.lane().pool.in_flight == 30
        delivering.delivery.stop()
        await delivering.wait_ended()
        assert trio.current_time() < 5.0
        words = await delivering.read()
        statistics = delivering.engine.statistics()
    assert Counter(word.outcome for word in words.values()) == {Outcome.PROVIDER_ACCEPTED: 31}
    assert (statistics.owed_rows, len(delivering.sent)) == (69, 31)


async def test_a_retry_that_comes_of_the_last_answers_is_committed_before_the_end(autojump_clock):
    busy = ApnsAnswerEvent(every=1, status=503, reason="ServiceUnavailable")
    async with open_delivery(scenario=slow(1.0, busy)) as delivering:
        await delivering.push(make_push_chunk(0, 1))
        await trio.sleep(0.5)
        delivering.delivery.stop()
        await delivering.wait_ended()
        assert delivering.engine.statistics().scheduled_rows == 1


async def test_work_that_comes_after_the_stop_is_left_where_it_is(autojump_clock):
    async with open_delivery() as delivering:
        delivering.delivery.stop()
        await delivering.push(make_push_chunk(0, 10))
        await delivering.wait_ended()
        statistics = delivering.engine.statistics()
    assert (statistics.owed_rows, statistics.leased_rows, delivering.sent) == (10, 0, [])


class LateLease(MemoryEngine):
    """Everything stops while a lease is on its way back."""

    on_lease = staticmethod(lambda: None)

    async def lease(self, max_rows):
        refs = await super().lease(max_rows)
        self.on_lease()
        return refs


async def test_a_lease_that_returns_after_the_stop_opens_no_lane_that_sends(autojump_clock):
    async with open_delivery(scenario=slow(0.01), engine_type=LateLease) as delivering:
        delivering.engine.on_lease = delivering.delivery.stop
        await delivering.push(make_push_chunk(0, 100))
        with trio.fail_after(1.0):
            await delivering.wait_ended()
        assert (delivering.engine.statistics().owed_rows, delivering.sent) == (100, [])


async def test_a_session_that_is_being_opened_is_given_up(autojump_clock):
    async with open_delivery() as delivering:
        delivering.dialer.is_blocked = True
        await delivering.push(make_push_chunk(0, 10))
        await wait_all_tasks_blocked()
        began_at = trio.current_time()
        delivering.delivery.stop()
        await delivering.wait_ended()
        assert trio.current_time() == began_at
        assert delivering.engine.statistics().owed_rows == 10


class DeliberateEngine(MemoryEngine):
    """Takes a while for every commit."""

    async def settle(self, lease, settlements):
        await trio.sleep(0.5)
        await super().settle(lease, settlements)


@pytest.mark.parametrize("is_committing", [False, True])
async def test_cutting_it_commits_what_is_known_by_then(autojump_clock, is_committing):
    engine = DeliberateEngine
    async with open_delivery(scenario=slow(2.0, limit=20), settings=ONE_SESSION, engine_type=engine) as delivering:
        await delivering.push(make_push_chunk(0, 100))
        # The first one is answered at 2.0, and 20 more every other second.
        await trio.sleep(4.2 if is_committing else 3.0)
        delivering.cut()
        await delivering.wait_ended()
        words = await delivering.read()
        statistics = delivering.engine.statistics()
    accepted = 21 if is_committing else 1
    assert Counter(word.outcome for word in words.values()) == {Outcome.PROVIDER_ACCEPTED: accepted}
    # What was cut may have arrived: it is tried again, and results will say that one attempt is uncertain.
    assert statistics.scheduled_rows == 20
    assert statistics.owed_rows == 100 - accepted
