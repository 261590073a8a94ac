"""What answers about credentials do to a lane: no storm of tokens, no token blamed, nothing lost."""

from collections import Counter

import pytest
import trio

from bench.simulators.apns import ApnsAnswerEvent, ApnsScenario
from bench.simulators.server import GoawayEvent
from protocol.outcomes import Outcome
from tests.support.lanes import make_push_chunk, open_delivery

# A token's age counts from the half hour on the clock; the virtual one starts 200 s before a new one.
NEW_HALF_HOUR_SECONDS = 300.0


def answering(reason, *, status=403, times=1, at_request=None):
    trigger = {"at_request": at_request} if at_request else {"share": 1.0}
    return ApnsScenario(events=(ApnsAnswerEvent(status=status, reason=reason, times=times, **trigger),))


def outcomes(words):
    return Counter((word.outcome, word.attempts) for word in words.values())


async def test_a_refused_credential_holds_the_lane_and_everything_goes_once_it_is_mended(autojump_clock):
    async with open_delivery(scenario=answering("InvalidProviderToken", times=3)) as delivering:
        await delivering.push(make_push_chunk(0, 100), make_push_chunk(100, 200))
        await trio.sleep(30)
        lane = delivering.lane()
        assert (lane.is_held, lane.pool.sessions, lane.queued_rows) == (True, 0, 200)
        assert await delivering.read() == {}
        assert delivering.delivery._active_set._rows == 0, "it keeps nothing of what others could use"
        assert delivering.sent == [0, 1], "a second row was asked, and no third"
        await trio.sleep(400)
        words = await delivering.read()
    held_for = [seconds for _, _, seconds in delivering.listener.held]
    assert held_for == [60.0, 120.0], "a longer wait each time it is refused again"
    assert len(delivering.listener.resumed) == 2
    assert Counter(word.outcome for word in words.values()) == {Outcome.PROVIDER_ACCEPTED: 200}


@pytest.mark.long
async def test_a_row_that_is_always_refused_waits_alone_and_stops_nobody(autojump_clock):
    refused = ApnsAnswerEvent(status=403, reason="InvalidProviderToken", destination_prefix=f"{3:064x}")
    async with open_delivery(scenario=ApnsScenario(events=(refused,))) as delivering:
        for position in (3, *range(4, 14)):  # the bad one comes first, when nobody has proved the credential yet
            await delivering.push(make_push_chunk(position, position + 1), batch_id=f"b{position}")
        await trio.sleep(2)
        assert set(await delivering.read()) == set(range(4, 14))
        assert not delivering.listener.held
        # Others keep proving the credential; the refused one comes back now and then, until its attempts are used up.
        for position in range(100, 240):
            await delivering.push(make_push_chunk(position, position + 1), batch_id=f"b{position}")
            await trio.sleep(50)
        words = await delivering.read()
        asked = delivering.sent.count(3)
    assert (asked, delivering.listener.held) == (10, [])
    assert (words.pop(3).outcome, len(words)) == (Outcome.FAILED, 150)
    assert {word.outcome for word in words.values()} == {Outcome.PROVIDER_ACCEPTED}


async def test_a_lane_with_nothing_but_a_refused_row_is_held_at_once(autojump_clock):
    async with open_delivery(scenario=answering("InvalidProviderToken", times=1)) as delivering:
        await delivering.push(make_push_chunk(0, 1))
        await trio.sleep(30)
        assert (delivering.lane().is_held, delivering.sent) == (True, [0])
        await trio.sleep(60)
        assert len(await delivering.read()) == 1


async def test_a_success_lets_the_next_hold_be_short_again_in_the_sandbox_too(autojump_clock):
    async with open_delivery(environment="sandbox", scenario=answering("InvalidProviderToken", times=2)) as delivering:
        await delivering.push(make_push_chunk(0, 10), batch_id="first")
        await trio.sleep(200)
        delivering.simulator.scenario = answering("InvalidProviderToken", times=10)
        await delivering.push(make_push_chunk(10, 20), batch_id="second")
        await trio.sleep(200)
        assert len(await delivering.read()) == 20
    assert [seconds for _, _, seconds in delivering.listener.held] == [60.0, 60.0]


async def test_an_expired_token_older_than_twenty_minutes_is_renewed_once_and_the_row_repeated_once(autojump_clock):
    async with open_delivery() as delivering:
        await trio.sleep(NEW_HALF_HOUR_SECONDS)
        await delivering.push(make_push_chunk(0, 10), batch_id="first")
        await trio.sleep(1300)
        generation = delivering.token.generation
        delivering.simulator.scenario = answering("ExpiredProviderToken")
        await delivering.push(make_push_chunk(10, 20), batch_id="second")
        await trio.sleep(10)
        words = await delivering.read()
    assert delivering.token.generation == generation + 1
    assert outcomes(words) == {(Outcome.PROVIDER_ACCEPTED, 1): 19, (Outcome.PROVIDER_ACCEPTED, 2): 1}
    assert not delivering.listener.held


async def test_a_young_token_called_expired_holds_the_lane_and_nothing_is_minted(autojump_clock):
    async with open_delivery(scenario=answering("ExpiredProviderToken", times=2)) as delivering:
        await trio.sleep(NEW_HALF_HOUR_SECONDS)
        await delivering.push(make_push_chunk(0, 10))
        await trio.sleep(30)
        assert delivering.lane().is_held
        assert delivering.token.generation == 1
        await trio.sleep(60)
        words = await delivering.read()
        assert delivering.token.generation == 1
    assert Counter(word.outcome for word in words.values()) == {Outcome.PROVIDER_ACCEPTED: 10}
    assert [reason for _, reason, _ in delivering.listener.held] == ["ExpiredProviderToken"]


async def test_too_many_token_updates_keep_the_token_and_try_again_later(autojump_clock):
    async with open_delivery() as delivering:
        await delivering.push(make_push_chunk(0, 10), batch_id="first")
        await trio.sleep(1700)
        delivering.simulator.scenario = answering("TooManyProviderTokenUpdates", status=429)
        await delivering.push(make_push_chunk(10, 60), batch_id="second")
        await trio.sleep(10)
        delivering.simulator.scenario = ApnsScenario()
        generation = delivering.token.generation
        kept = delivering.token.current(delivering.clock.wall())
        # The half hour changes in between; without the answer a new token would be due.
        await trio.sleep(1100)
        assert delivering.token.current(delivering.clock.wall()) is kept
        words = await delivering.read()
        assert delivering.token.generation == generation
        # One alarm for fifty rows refused for the same cause.
        assert delivering.listener.token_alarms == 1
    assert {(word.outcome, word.attempts) for word in words.values()} == {
        (Outcome.PROVIDER_ACCEPTED, 1),
        (Outcome.PROVIDER_ACCEPTED, 2),
    }
    assert len(words) == 60


async def test_a_goaway_about_the_certificate_holds_the_lane_and_loses_nothing(autojump_clock):
    goaway = GoawayEvent(on_connect=True, reason="BadCertificate", times=1, close="at_once")
    async with open_delivery(scenario=ApnsScenario(events=(goaway,))) as delivering:
        await delivering.push(make_push_chunk(0, 100))
        await trio.sleep(30)
        assert delivering.lane().is_held
        await trio.sleep(60)
        words = await delivering.read()
    assert [reason for _, reason, _ in delivering.listener.held] == ["BadCertificate"]
    assert outcomes(words) == {(Outcome.PROVIDER_ACCEPTED, 1): 100}
