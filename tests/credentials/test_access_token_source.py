"""When a token is fetched and when not, in virtual time: exchanges end as a test's script says."""

import itertools

import pytest
import structlog.testing
import trio
import trio.testing

from gateway.clock import TrioClock
from gateway.delivery.credentials import AccessTokenSource, Unavailable
from gateway.delivery.pacing.backoff import Backoff
from gateway.errors import CredentialUnavailableError
from protocol.providers.fcm import AccessToken

HOUR = 3600.0
BROKEN = Unavailable(detail="answered 503", can_retry=True)
REFUSED = Unavailable(detail="answered 400 invalid_grant", can_retry=False)


def shortest(low, high):
    return low


def longest(low, high):
    return high


class Script:
    """Stands where exchanges are made: each takes two seconds and ends as ``outcome`` says then."""

    def __init__(self):
        self.clock = TrioClock()
        self.outcome = None  # a fresh token of an hour
        self.lifetime_seconds = HOUR
        self.began_at = []

    async def fetch(self, now):
        self.began_at.append(self.clock.wall())
        number = len(self.began_at)
        await trio.sleep(2)
        return self.outcome or AccessToken(token=f"t{number}", expires_at_seconds=now + self.lifetime_seconds)

    def open_source(self, uniform=shortest):
        return AccessTokenSource(
            "shop-1", self.fetch, retry=Backoff(1.0, 60.0, uniform), clock=self.clock, uniform=uniform
        )

    def gaps(self):
        """Return the seconds between the beginnings of exchanges."""
        return [round(later - earlier) for earlier, later in itertools.pairwise(self.began_at)]


@pytest.fixture
async def script(autojump_clock):
    return Script()


def current(source, script):
    return source.current(script.clock.wall())


async def acquire_into(source, got):
    try:
        got.append(await source.acquire())
    except CredentialUnavailableError as error:
        got.append((str(error), error.can_retry))


async def test_who_asks_while_a_token_is_fetched_waits_for_that_one(autojump_clock, script):
    source = script.open_source()
    assert current(source, script) is None
    got = []
    async with trio.open_nursery() as nursery:
        for _ in range(100):
            nursery.start_soon(acquire_into, source, got)
            await trio.sleep(0.01)
    assert set(got) == {b"Bearer t1"}
    assert len(script.began_at) == 1
    assert current(source, script) is got[0]


async def test_who_asks_while_an_exchange_fails_hears_why(autojump_clock, script):
    script.outcome = REFUSED
    source, got = script.open_source(), []
    async with trio.open_nursery() as nursery:
        for _ in range(100):
            nursery.start_soon(acquire_into, source, got)
    assert got == [("answered 400 invalid_grant", False)] * 100
    assert len(script.began_at) == 1


async def test_when_the_task_that_fetches_is_cancelled_one_of_the_others_begins_anew(autojump_clock, script):
    source, got = script.open_source(), []
    async with trio.open_nursery() as nursery, trio.open_nursery() as cancelled:
        cancelled.start_soon(source.acquire)
        await trio.testing.wait_all_tasks_blocked()
        for _ in range(100):
            nursery.start_soon(acquire_into, source, got)
        await trio.sleep(1)
        cancelled.cancel_scope.cancel()
    assert got == [b"Bearer t2"] * 100
    assert script.gaps() == [1]


async def test_the_next_token_is_fetched_five_minutes_ahead(autojump_clock, script):
    with trio.move_on_after(3 * HOUR):
        await script.open_source().run()
    assert len(script.began_at) == 4
    # Looked at once a minute, so up to a minute late.
    assert all(HOUR - 300 <= gap <= HOUR - 240 for gap in script.gaps())


async def test_an_old_token_serves_until_its_end_while_the_exchange_fails(autojump_clock, script):
    source = script.open_source()
    ends_at = script.clock.wall() + HOUR
    async with trio.open_nursery() as nursery:
        nursery.start_soon(source.run)
        await trio.sleep(10)
        token = current(source, script)
        script.outcome = BROKEN
        while (now := script.clock.wall()) < ends_at:
            assert source.current(now) is token
            assert await source.acquire() is token
            await trio.sleep(min(30, ends_at - now))
        assert len(script.began_at) > 50  # once it was due, about every 3 seconds: the shortest pauses
        assert current(source, script) is None
        with pytest.raises(CredentialUnavailableError, match="answered 503") as raised:
            await source.acquire()
        assert raised.value.can_retry
        script.outcome = None
        await trio.sleep(5)
        assert current(source, script) not in {None, token}
        nursery.cancel_scope.cancel()


async def test_exchanges_that_fail_are_tried_again_ever_more_slowly(autojump_clock, script):
    script.outcome = BROKEN
    with trio.move_on_after(HOUR):
        await script.open_source(longest).run()
    assert [gap - 2 for gap in script.gaps()[:8]] == [1, 2, 4, 8, 16, 32, 60, 60]


async def test_what_only_a_person_can_mend_is_asked_about_once_a_quarter_of_an_hour(autojump_clock, script):
    script.outcome = REFUSED
    source = script.open_source(longest)
    with trio.move_on_after(HOUR):
        await source.run()
    assert [gap - 2 for gap in script.gaps()] == [60, 120, 240, 480, 900, 900]


async def test_a_failure_is_told_to_all_who_ask_until_the_pause_is_over(autojump_clock, script):
    script.outcome = REFUSED
    source = script.open_source()
    got = []
    await acquire_into(source, got)
    script.outcome = None
    for _ in range(59):
        await trio.sleep(1)
        await acquire_into(source, got)
    assert set(got) == {("answered 400 invalid_grant", False)}
    assert len(script.began_at) == 1
    await trio.sleep(1)
    assert await source.acquire() == b"Bearer t2"


async def test_a_token_that_fcm_refuses_is_replaced_at_once_however_young_and_once_a_minute(autojump_clock, script):
    source = script.open_source()
    first = await source.acquire()
    assert source.renew(first)
    assert current(source, script) is None
    assert source.renew(first)  # the others that carried it
    second = await source.acquire()
    assert second == b"Bearer t2"
    assert source.renew(first)  # and the stragglers
    assert await source.acquire() is second
    await trio.sleep(59)
    assert not source.renew(second)
    assert await source.acquire() is second
    await trio.sleep(1)
    assert source.renew(second)
    assert await source.acquire() == b"Bearer t3"
    assert len(script.began_at) == 3


async def test_tokens_of_a_short_life_are_not_fetched_one_after_the_other(autojump_clock, script):
    script.lifetime_seconds = 10
    source = script.open_source()
    with trio.move_on_after(HOUR):
        await source.run()
    assert 50 <= len(script.began_at) <= 61


async def test_a_token_that_has_ended_when_it_comes_is_a_failure(autojump_clock, script):
    script.lifetime_seconds = 1
    source = script.open_source()
    got = []
    await acquire_into(source, got)
    assert got == [("the access token had expired when it came", True)]
    assert len(script.began_at) == 1


async def test_a_clock_that_is_set_forward_is_noticed_within_a_minute(autojump_clock, script):
    source = script.open_source()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(source.run)
        await trio.sleep(100)
        script.clock._offset += 10 * HOUR
        assert current(source, script) is None
        await trio.sleep(65)
        assert current(source, script) == b"Bearer t2"
        nursery.cancel_scope.cancel()


async def test_operators_hear_of_a_failure_louder_when_nothing_can_be_sent(autojump_clock, script):
    source = script.open_source()
    with structlog.testing.capture_logs() as events, trio.move_on_after(HOUR + 60):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(source.run)
            await trio.sleep(10)
            script.outcome = BROKEN
    levels = [event["log_level"] for event in events]
    assert levels[0] == "info"
    assert levels[1] == "warning"
    assert levels[-1] == "error"
    assert levels.index("error") > 50
    assert events[-1] == {
        "event": "access_token_unavailable",
        "log_level": "error",
        "project": "shop-1",
        "detail": "answered 503",
        "retry_in_seconds": 1.0,
    }


async def test_two_background_tasks_of_one_source_make_the_exchanges_of_one(autojump_clock, script):
    source = script.open_source()
    with trio.move_on_after(2 * HOUR):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(source.run)
            nursery.start_soon(source.run)
    assert len(script.began_at) == 3
