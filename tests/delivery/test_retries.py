"""Attempts after the first, in virtual time: when they come, what they may cost others, and how they end."""

from collections import Counter, defaultdict
from itertools import pairwise

import msgspec
import pytest
import trio

from bench.simulators.apns import ApnsAnswerEvent, ApnsScenario, ApnsStreamLimit
from bench.simulators.server import Latency, ResetEvent
from protocol.outcomes import Outcome
from protocol.reasons import Reason
from tests.support.journal import LANE, START_MS
from tests.support.lanes import make_push_chunk, open_delivery

# Makes a lane hold: nothing is sent until a person has acted.
REFUSED_CREDENTIAL = ApnsAnswerEvent(every=1, status=403, reason="InvalidProviderToken")


def answering(*events, seconds=0.02):
    latency = Latency(distribution="fixed", seconds=seconds)
    return ApnsScenario(latency=latency, stream_limit=ApnsStreamLimit(first=1000, open=1000), events=events)


def failing(status, reason, **when):
    return ApnsAnswerEvent(status=status, reason=reason, **({"every": 1} | when))


def now_ms():
    return START_MS + int(trio.current_time() * 1000)


def attempt_times(simulator):
    """Return when each position was attempted, in seconds from its first attempt."""
    times = defaultdict(list)
    for entry in simulator.ledger.entries:
        times[int(entry.destination, 16)].append(entry.at / 1000)
    return {position: [round(at - moments[0]) for at in moments] for position, moments in times.items()}


async def test_the_delays_double_from_the_providers_first_until_ten_attempts_are_made(autojump_clock):
    async with open_delivery(scenario=answering(failing(500, "InternalServerError"))) as delivering:
        await delivering.push(make_push_chunk(0, 1))
        await trio.sleep(3600)
        words = await delivering.read()
        (moments,) = attempt_times(delivering.simulator).values()
    delays = [later - earlier for earlier, later in pairwise(moments)]
    # A moment is rounded up to the whole second, and the answer takes a while.
    assert delays == pytest.approx([1, 2, 4, 8, 16, 32, 64, 128, 256], abs=1)
    (word,) = words.values()
    assert (word.outcome, word.reason, word.attempts) == (Outcome.FAILED, Reason.ATTEMPTS_EXHAUSTED, 10)
    assert (word.provider_status, word.provider_reason) == (500, "InternalServerError")


@pytest.mark.parametrize(("status", "reason"), [(429, "TooManyRequests"), (503, "ServiceUnavailable")])
async def test_retry_after_is_obeyed_and_the_attempts_are_told(autojump_clock, status, reason):
    event = failing(status, reason, retry_after="300", times=50)
    async with open_delivery(scenario=answering(event)) as delivering:
        await delivering.push(make_push_chunk(0, 50))
        await trio.sleep(290)
        assert delivering.engine.statistics().scheduled_rows == 50
        assert await delivering.read() == {}
        await trio.sleep(20)
        words = await delivering.read()
        moments = attempt_times(delivering.simulator)
    assert {(word.outcome, word.attempts) for word in words.values()} == {(Outcome.PROVIDER_ACCEPTED, 2)}
    assert {later for _, later in moments.values()} <= {300, 301, 302, 303, 304, 305, 306}


async def test_every_attempt_carries_the_same_id(autojump_clock):
    event = failing(503, "ServiceUnavailable", times=60)
    async with open_delivery(scenario=answering(event)) as delivering:
        await delivering.push(make_push_chunk(0, 20))
        await trio.sleep(600)
        ids = defaultdict(set)
        for entry in delivering.simulator.ledger.entries:
            ids[entry.destination].add(entry.apns_id)
        attempts = sum(word.attempts for word in (await delivering.read()).values())
    assert attempts == 20 + 60
    assert {len(of_row) for of_row in ids.values()} == {1}
    assert len({next(iter(of_row)) for of_row in ids.values()}) == 20


@pytest.mark.long
async def test_retries_cost_no_more_than_a_fifth_of_the_successes_and_ten_a_second(autojump_clock):
    outage_seconds = 600
    async with open_delivery(scenario=answering(failing(503, "ServiceUnavailable"))) as delivering:
        for first in range(0, 2000, 100):
            await delivering.push(make_push_chunk(first, first + 100), batch_id=f"b{first}")
        await trio.sleep(outage_seconds)
        # Each was tried once; what is more are retries. The bucket may begin with ten.
        assert delivering.simulator.statistics().requests <= 2000 + 10 * outage_seconds + 10
        before = Counter(word.outcome for word in (await delivering.read()).values())
        delivering.simulator.scenario = answering()
        recovered_at = trio.current_time()
        while delivering.engine.statistics().owed_rows:
            await delivering.engine.wait_change()
        # What succeeds costs no budget: the rest of the time is that until the last one is due.
        assert trio.current_time() - recovered_at < 140
        words = await delivering.read()
    assert before[Outcome.PROVIDER_ACCEPTED] == 0
    assert len(words) == 2000


async def test_retries_do_not_delay_fresh_work(autojump_clock):
    in_trouble = tuple(f"{position:064x}" for position in range(3000))
    event = failing(503, "ServiceUnavailable", retry_after="30", destinations=in_trouble, every=None)
    async with open_delivery(scenario=answering(event)) as delivering:
        for first in range(0, 3000, 100):
            await delivering.push(make_push_chunk(first, first + 100), batch_id=f"b{first}")
        await trio.sleep(35)  # now all of them are due, and most of them wait for the budget
        assert delivering.lane().queued_rows > 2000
        latencies = []
        for number in range(20):
            position = 3000 + number
            pushed_at = trio.current_time()
            await delivering.push(make_push_chunk(position, position + 1, queue=number % 3), batch_id=f"f{number}")
            while position not in await delivering.read():
                await delivering.engine.wait_change()
            latencies.append(trio.current_time() - pushed_at)
        assert delivering.lane().queued_rows > 2000, "the retries were gone before the fresh work came"
    # 20 ms of the provider, 5 ms of the settler: as alone.
    assert max(latencies) < 0.1


async def test_no_attempt_begins_when_the_next_one_would_come_too_late(autojump_clock):
    event = failing(503, "ServiceUnavailable", retry_after="60")
    async with open_delivery(scenario=answering(event)) as delivering:
        await delivering.push(make_push_chunk(0, 10, expires_at_ms=[now_ms() + 50_000]))
        await trio.sleep(5)
        words = await delivering.read()
        assert delivering.simulator.statistics().requests == 10
    assert {(word.outcome, word.reason, word.attempts) for word in words.values()} == {
        (Outcome.FAILED, Reason.PROVIDER_ERROR, 1)
    }


async def test_what_expires_between_two_attempts_ends_within_a_second_or_two(autojump_clock):
    event = failing(503, "ServiceUnavailable", retry_after="20")
    async with open_delivery(scenario=answering(event)) as delivering:
        # Due at 20, 40 … but the budget lets only ten a second go: many expire in the lane's backlog.
        for first in range(0, 500, 100):
            chunk = make_push_chunk(first, first + 100, expires_at_ms=[now_ms() + 25_000])
            await delivering.push(chunk, batch_id=f"b{first}")
        await trio.sleep(27)
        words = await delivering.read()
        late = {entry.at for entry in delivering.simulator.ledger.entries if entry.at > START_MS + 25_100}
    ends = Counter(word.outcome for word in words.values())
    # Those that were tried at 20 s again would have to wait until 40 s, and end before their time.
    assert ends[Outcome.EXPIRED] + ends[Outcome.FAILED] == 500
    assert ends[Outcome.EXPIRED] > 200
    assert late == set()


async def test_a_held_lane_gives_up_what_expires_and_what_is_cancelled(autojump_clock):
    async with open_delivery(scenario=answering(REFUSED_CREDENTIAL)) as delivering:
        await delivering.push(make_push_chunk(0, 50, expires_at_ms=[now_ms() + 10_000]), batch_id="short")
        await delivering.push(make_push_chunk(50, 150), batch_id="long")
        await trio.sleep(9)
        assert delivering.lane().is_held
        assert await delivering.read() == {}
        await trio.sleep(3)
        assert Counter(word.outcome for word in (await delivering.read()).values()) == {Outcome.EXPIRED: 50}
        count = await delivering.engine.cancel("default", "long", None, now_ms())
        assert (count.cancelled, count.too_late) == (100, 0)
        words = await delivering.read()
        lane = delivering.lane()
    assert Counter(word.outcome for word in words.values()) == {Outcome.EXPIRED: 50, Outcome.CANCELLED: 100}
    assert (lane.queued_rows, lane.ready_rows, lane.waiting_rows) == (0, 0, 0)


async def test_what_waits_for_its_next_attempt_can_be_cancelled(autojump_clock):
    event = failing(503, "ServiceUnavailable", retry_after="60")
    async with open_delivery(scenario=answering(event)) as delivering:
        await delivering.push(make_push_chunk(0, 100))
        await trio.sleep(5)
        count = await delivering.engine.cancel("default", "b", [0, 1, 99], now_ms())
        assert count.cancelled == 3
        await trio.sleep(60)
        again = Counter(delivering.sent)
        words = await delivering.read()
    assert {again[position] for position in (0, 1, 99)} == {1}
    assert {(words[at].outcome, words[at].attempts) for at in (0, 1, 99)} == {(Outcome.CANCELLED, 1)}


async def test_nothing_is_sent_before_its_time(autojump_clock):
    async with open_delivery() as delivering:
        due_ms = now_ms() + 90_000
        chunk = msgspec.structs.replace(make_push_chunk(0, 10), not_before_ms=due_ms)
        await delivering.push(chunk)
        await trio.sleep(89)
        assert LANE not in delivering.delivery.statistics()
        assert delivering.engine.statistics().scheduled_rows == 10
        await trio.sleep(2)
        words = await delivering.read()
        assert min(entry.at for entry in delivering.simulator.ledger.entries) >= due_ms
    assert Counter(word.outcome for word in words.values()) == {Outcome.PROVIDER_ACCEPTED: 10}


async def test_what_may_have_arrived_is_tried_again_and_its_result_says_so(autojump_clock):
    async with open_delivery(scenario=answering(ResetEvent(every=1, times=30))) as delivering:
        await delivering.push(make_push_chunk(0, 30))
        await trio.sleep(120)
        words = await delivering.read()
    assert {(word.outcome, word.attempts, word.uncertain_attempts) for word in words.values()} == {
        (Outcome.PROVIDER_ACCEPTED, 2, 1)
    }


async def test_a_certain_failure_after_an_uncertain_attempt_is_unknown(autojump_clock):
    events = (ResetEvent(every=1, times=1), failing(500, "InternalServerError"))
    async with open_delivery(scenario=answering(*events)) as delivering:
        await delivering.push(make_push_chunk(0, 1))
        await trio.sleep(3600)
        (word,) = (await delivering.read()).values()
    assert (word.outcome, word.reason) == (Outcome.UNKNOWN, Reason.ATTEMPTS_EXHAUSTED)
    assert (word.attempts, word.uncertain_attempts) == (10, 1)


async def test_what_is_to_be_reported_is_sent_at_most_once_after_it_may_have_arrived(autojump_clock):
    async with open_delivery(scenario=answering(failing(503, "ServiceUnavailable"))) as delivering:
        await delivering.push(make_push_chunk(0, 20, report_unknown=True))
        await trio.sleep(0.5)
        delivering.simulator.scenario = answering(ResetEvent(every=1))
        await trio.sleep(600)
        words = await delivering.read()
        processed = Counter(delivering.sent)
    # Deferred is certain: that was tried again. The reset was not.
    assert {(word.outcome, word.attempts, word.uncertain_attempts) for word in words.values()} == {
        (Outcome.UNKNOWN, 2, 1)
    }
    assert set(processed.values()) == {2}
