"""A lane at work, in virtual time: deadlines, marks, memory, fairness, repeats."""

from collections import Counter

import msgspec
import pytest
import trio
import trio.testing

from bench.simulators.apns import ApnsAnswerEvent, ApnsScenario, ApnsStreamLimit
from bench.simulators.server import GoawayEvent, Latency, ResetEvent, SilenceEvent
from gateway.config.sections import ApnsSettings
from gateway.errors import SessionOpenError
from gateway.journal.memory.engine import MemoryEngine
from protocol.chunks import decode_chunk, encode_chunk
from protocol.outcomes import Outcome
from protocol.reasons import Reason
from tests.support.journal import LANE, LATER_MS, START_MS
from tests.support.lanes import make_push_chunk, open_delivery

OTHER_LANE = "shop/apns/sandbox"


def slow(seconds, *events, limit=1000):
    latency = Latency(distribution="fixed", seconds=seconds)
    return ApnsScenario(latency=latency, stream_limit=ApnsStreamLimit(first=limit, open=limit), events=events)


def outcomes(words):
    return Counter((word.outcome, word.reason) for word in words.values())


ACCEPTED = (Outcome.PROVIDER_ACCEPTED, None)
EXPIRED = (Outcome.EXPIRED, Reason.EXPIRED)


# Deadlines and marks


async def test_a_row_past_its_deadline_is_never_submitted_and_those_behind_it_are(autojump_clock):
    now_ms = START_MS + int(trio.current_time() * 1000)
    # One at a time, 0.1 s each: of the rows with two seconds only the first few get their turn.
    async with open_delivery(scenario=slow(0.1, limit=1)) as delivering:
        await delivering.push(make_push_chunk(0, 60, expires_at_ms=[now_ms + 2000, LATER_MS]))
        await trio.sleep(30)
        words = await delivering.read()
    assert set(outcomes(words)) == {ACCEPTED, EXPIRED}
    expired = {position for position, word in words.items() if word.outcome is Outcome.EXPIRED}
    assert expired
    assert expired < set(range(0, 60, 2))
    assert not expired & set(delivering.sent)
    assert sorted(delivering.sent) == sorted(set(range(60)) - expired)
    assert {words[position].attempts for position in expired} == {0}
    late = [entry for entry in delivering.simulator.ledger.entries if entry.at > now_ms + 2300]
    assert not [entry for entry in late if int(entry.destination, 16) % 2 == 0]


class MarkingEngine(MemoryEngine):
    """Notes what was marked as started, and takes a second over it."""

    def __init__(self, clock):
        super().__init__(clock)
        self.marks = []
        self.look = lambda: None

    async def mark_started(self, lease, batch, chunk, rows):
        self.marks.append((list(rows), self.look()))
        await trio.sleep(1)


async def test_rows_that_report_unknown_are_marked_started_before_they_are_submitted(autojump_clock):
    async with open_delivery(engine_type=MarkingEngine) as delivering:
        delivering.engine.look = lambda: len(delivering.sent)
        await delivering.push(make_push_chunk(0, 50, report_unknown=True))
        await trio.sleep(10)
        words = await delivering.read()
    assert delivering.engine.marks == [([0, 1], 0), ([1, 50], 1)]
    assert outcomes(words) == {ACCEPTED: 50}


async def test_rows_of_many_chunks_are_marked_together(autojump_clock):
    async with open_delivery(engine_type=MarkingEngine) as delivering:
        await delivering.push(make_push_chunk(0, 1), batch_id="opens the session")
        await trio.sleep(5)
        began_at = trio.current_time()
        await delivering.push(*(make_push_chunk(row, row + 1, report_unknown=True) for row in range(1, 101)))
        while delivering.engine.statistics().owed_rows:
            await delivering.engine.wait_change()
        took = trio.current_time() - began_at
    assert len(delivering.engine.marks) == 100
    assert took < 5.0, (
        "a hundred marks of a second each, one after the other, take a hundred; together they are one or two"
    )


async def test_a_row_that_a_server_lets_go_of_is_not_marked_twice(autojump_clock):
    refused = ResetEvent(every=2, code="REFUSED_STREAM", times=3)
    async with open_delivery(engine_type=MarkingEngine, scenario=slow(0.01, refused)) as delivering:
        await delivering.push(make_push_chunk(0, 10, report_unknown=True))
        await trio.sleep(10)
        assert outcomes(await delivering.read()) == {ACCEPTED: 10}
    marked = [row for rows, _ in delivering.engine.marks for row in range(rows[0], rows[-1])]
    assert sorted(marked) == list(range(10))


async def test_rows_that_may_be_sent_again_are_not_marked_with_those_of_their_chunk_that_may_not(autojump_clock):
    mixed = make_push_chunk(0, 5, expires_at_ms=[LATER_MS, LATER_MS])
    chunk = decode_chunk(mixed.stored)
    chunk.variants[1] = msgspec.structs.replace(chunk.variants[1], report_unknown=True)
    async with open_delivery(engine_type=MarkingEngine) as delivering:
        await delivering.push(make_push_chunk(5, 6), batch_id="first")
        await trio.sleep(5)
        await delivering.push(msgspec.structs.replace(mixed, stored=encode_chunk(chunk)))
        await trio.sleep(10)
    assert [rows for rows, _ in delivering.engine.marks] == [[1, 2, 3, 4]]


async def test_a_row_whose_deadline_passes_while_it_is_marked_is_not_submitted(autojump_clock):
    async with open_delivery(engine_type=MarkingEngine) as delivering:
        await delivering.push(make_push_chunk(0, 1, report_unknown=True), batch_id="first")
        await trio.sleep(5)
        deadline = int(delivering.clock.wall() * 1000) + 500
        await delivering.push(make_push_chunk(1, 2, report_unknown=True, expires_at_ms=[deadline]))
        await trio.sleep(5)
        words = await delivering.read()
    assert words[1].outcome is Outcome.EXPIRED
    assert delivering.sent == [0]


async def test_a_session_that_ends_while_rows_are_marked_takes_none_of_them_along(autojump_clock):
    async with open_delivery(engine_type=MarkingEngine) as delivering:
        await delivering.push(make_push_chunk(0, 1, report_unknown=True), batch_id="first")
        await trio.sleep(5)
        await delivering.push(make_push_chunk(1, 11, report_unknown=True))
        await trio.sleep(0.5)
        delivering.simulator.cut()
        await trio.sleep(20)
        words = await delivering.read()
    assert outcomes(words) == {ACCEPTED: 11}
    assert sorted(delivering.sent) == list(range(11))


# Memory and fairness


async def test_what_is_materialised_stays_in_its_bound_by_a_chunk_and_everything_goes(autojump_clock):
    async with open_delivery(scenario=slow(0.1, limit=50), active_rows=250) as delivering:
        await delivering.push(*(make_push_chunk(start, start + 100) for start in range(0, 2000, 100)))
        most = 0
        for _ in range(60):
            await trio.sleep(0.1)
            most = max(most, delivering.lane().ready_rows + delivering.lane().pool.in_flight)
        words = await delivering.read()
    assert 100 < most <= 300
    assert outcomes(words) == {ACCEPTED: 2000}


async def test_a_lane_with_nothing_in_hand_may_take_a_chunk_however_full_the_others_are(autojump_clock):
    async with open_delivery(scenario=slow(0.01), active_rows=100) as delivering:
        # Another lane's work that never ends holds the whole active set.
        delivering.delivery._active_set._rows = 100
        await delivering.push(*(make_push_chunk(start, start + 100) for start in range(0, 1000, 100)))
        # Ten chunks, one at a time, without waiting for a tick of the clock in between.
        await trio.sleep(0.9)
        assert len(await delivering.read()) == 1000


STALLED = range(0x10000, 0x10000 + 5000)


async def _time_three_thousand_rows(*stalled_chunks):
    silence = SilenceEvent(destination_prefix=f"{STALLED.start:064x}"[:60])
    async with open_delivery(scenario=slow(0.05, silence), active_rows=1_000) as delivering:
        await delivering.push(make_push_chunk(9999, 10_000), batch_id="opens the first session")
        await trio.sleep(1)
        await delivering.push(*stalled_chunks, batch_id="stalled")
        await trio.sleep(3)
        assert delivering.lane().pool.in_flight == (1000 if stalled_chunks else 0)
        await delivering.push(make_push_chunk(0, 1, lane=OTHER_LANE), batch_id="first")
        await trio.sleep(0.5)
        began_at, seen = trio.current_time(), len(delivering.sent)
        await delivering.push(*(make_push_chunk(at, at + 100, lane=OTHER_LANE) for at in range(1, 3001, 100)))
        while len(delivering.sent) - seen < 3000:
            await delivering.engine.wait_change()
        return trio.current_time() - began_at


async def test_a_stalled_provider_does_not_slow_a_healthy_one(autojump_clock):
    alone = await _time_three_thousand_rows()
    beside = await _time_three_thousand_rows(
        *(make_push_chunk(at, at + 100) for at in range(STALLED.start, STALLED.stop, 100))
    )
    assert beside <= 3 * alone, "half of the set is its share"


async def test_urgent_rows_pass_the_bulk_that_waits(autojump_clock):
    async with open_delivery(scenario=slow(0.1, limit=100)) as delivering:
        bulk = [make_push_chunk(start, start + 100, queue=2) for start in range(0, 10_000, 100)]
        await delivering.push(*bulk, batch_id="bulk")
        await trio.sleep(1)
        await delivering.push(make_push_chunk(20_000, 20_100, queue=0), batch_id="urgent")
        urgent = set(range(20_000, 20_100))
        with trio.fail_after(10):
            while not urgent <= set(delivering.sent):
                await delivering.engine.wait_change()
        sent = delivering.sent
    last = max(map(sent.index, urgent))
    assert last < 3000, "urgent rows wait for what is in hand, not for what is queued"


# Repeats


async def test_rows_that_are_refused_again_and_again_wait_and_all_go(autojump_clock):
    refused = ResetEvent(share=0.8, code="REFUSED_STREAM", times=300)
    async with open_delivery(scenario=slow(0.01, refused)) as delivering:
        await delivering.push(make_push_chunk(0, 100))
        await trio.sleep(120)
        words = await delivering.read()
    assert outcomes(words) == {ACCEPTED: 100}
    assert {word.attempts for word in words.values()} == {1}


@pytest.mark.parametrize("least", [0, 1])
async def test_a_server_that_closes_after_every_two_hundred_requests_takes_all_without_a_wait(autojump_clock, least):
    goaway = GoawayEvent(at_connection_request=201, unprocessed=1, close="drained")
    settings = ApnsSettings(least_sessions=least, most_sessions=1)
    async with open_delivery(scenario=slow(0.05, goaway), settings=settings) as delivering:
        began_at = trio.current_time()
        await delivering.push(*(make_push_chunk(start, start + 100) for start in range(0, 1500, 100)))
        while delivering.engine.statistics().owed_rows:
            await delivering.engine.wait_change()
        took = trio.current_time() - began_at
        words = await delivering.read()
    assert outcomes(words) == {ACCEPTED: 1500}
    assert delivering.listener.opened <= 10
    assert took < 5.0


async def test_rows_for_a_host_that_was_down_for_long_go_once_it_is_up_again(autojump_clock):
    settings = ApnsSettings()
    async with open_delivery(settings=settings) as delivering:
        delivering.dialer.error = SessionOpenError("refused")
        await delivering.push(make_push_chunk(0, 100))
        await trio.sleep(2000)
        assert delivering.dialer.dials > 30
        delivering.dialer.error = None
        await trio.sleep(settings.reconnect_ceiling_seconds + 1)
        words = await delivering.read()
    assert outcomes(words) == {ACCEPTED: 100}


async def test_an_opening_that_came_due_since_the_lane_last_looked_is_not_slept_over(mock_clock):
    async with open_delivery() as delivering:
        delivering.dialer.error = SessionOpenError("refused")
        await delivering.push(make_push_chunk(0, 1))
        await trio.testing.wait_all_tasks_blocked()
        sessions = delivering.delivery._lanes[LANE]._sessions
        wait = sessions.seconds_until_opening(delivering.clock.monotonic())
        assert 0 < wait < 10
        mock_clock.jump(wait + 0.001)
        assert sessions.seconds_until_opening(delivering.clock.monotonic()) == pytest.approx(-0.001)


async def test_a_session_is_replaced_by_a_goaway_before_it_has_ended(autojump_clock):
    goaway = GoawayEvent(at_request=50, reason="Shutdown")
    async with open_delivery(scenario=slow(2.0, goaway)) as delivering:
        await delivering.push(make_push_chunk(0, 100))
        await trio.sleep(2.5)
        assert delivering.lane().pool.sessions == 2
        assert delivering.lane().pool.usable == 1
        await trio.sleep(10)
        words = await delivering.read()
        processed = [int(entry.destination, 16) for entry in delivering.simulator.ledger.entries if entry.processed]
    assert outcomes(words) == {ACCEPTED: 100}
    assert sorted(processed) == list(range(100))


async def test_a_server_that_shuts_down_gets_no_more_and_the_row_goes_once_more_on_a_new_session(autojump_clock):
    leaving = ApnsAnswerEvent(at_request=5, status=503, reason="Shutdown")
    async with open_delivery(scenario=ApnsScenario(events=(leaving,))) as delivering:
        await delivering.push(make_push_chunk(0, 20))
        await trio.sleep(10)
        words = await delivering.read()
        assert delivering.listener.opened == 2
    assert outcomes(words) == {ACCEPTED: 20}
    assert Counter(word.attempts for word in words.values()) == {1: 19, 2: 1}


async def test_a_misdirected_row_goes_once_more_on_another_connection(autojump_clock):
    astray = ApnsAnswerEvent(at_request=5, status=421)
    async with open_delivery(scenario=ApnsScenario(events=(astray,))) as delivering:
        await delivering.push(make_push_chunk(0, 20))
        await trio.sleep(10)
        words = await delivering.read()
        row = next(entry.destination for entry in delivering.simulator.ledger.entries if entry.status == 421)
        ways = [entry.session for entry in delivering.simulator.ledger.entries if entry.destination == row]
    assert ways == [1, 2]
    assert outcomes(words) == {ACCEPTED: 20}
    assert Counter(word.attempts for word in words.values()) == {1: 19, 2: 1}


@pytest.mark.parametrize("status", [204, 299])
async def test_a_success_that_nobody_documents_is_one_and_is_not_sent_again(autojump_clock, status):
    async with open_delivery(scenario=ApnsScenario(events=(ApnsAnswerEvent(every=1, status=status),))) as delivering:
        await delivering.push(make_push_chunk(0, 20))
        await trio.sleep(600)
        words = await delivering.read()
        asked = len(delivering.sent)
    assert (asked, outcomes(words)) == (20, {ACCEPTED: 20})
    assert {(word.attempts, word.provider_status) for word in words.values()} == {(1, status)}


@pytest.mark.parametrize("status", [408, 425])
async def test_a_row_that_was_not_looked_at_is_sent_again_and_holds_nothing(autojump_clock, status):
    async with open_delivery(
        scenario=ApnsScenario(events=(ApnsAnswerEvent(at_request=5, status=status),))
    ) as delivering:
        await delivering.push(make_push_chunk(0, 20))
        await trio.sleep(10)
        words = await delivering.read()
        assert (delivering.listener.opened, delivering.listener.held) == (1, [])
    assert outcomes(words) == {ACCEPTED: 20}
    assert Counter(word.attempts for word in words.values()) == {1: 19, 2: 1}


async def test_its_counts_are_frozen_and_its_repr_tells_where_rows_are(autojump_clock):
    async with open_delivery(settings=ApnsSettings(), scenario=slow(1.0)) as delivering:
        await delivering.push(make_push_chunk(0, 10))
        await trio.sleep(0.5)
        lane = delivering.delivery._lanes["shop/apns/production"]
        assert repr(lane).startswith("<Lane shop/apns/production, <Backlog 0 rows>, <InHand 9 rows ready, 0 waiting, ")
        assert type(delivering.lane()).__struct_config__.frozen
