"""What a provider may ask of its lane: wait for a credential, leave rows out, build requests anew, keep to a rate."""

from collections import Counter

import pytest
import trio

from bench.simulators.apns import ApnsScenario, ApnsStreamLimit
from bench.simulators.server import Latency
from gateway.delivery.pacing.rate import Rate, RateLimits
from gateway.delivery.providers.apns import ApnsProvider
from gateway.delivery.providers.provider import BuiltRequests
from gateway.errors import CredentialUnavailableError
from protocol.outcomes import Advice, AttemptOutcome, Outcome, Verdict
from protocol.reasons import Reason
from tests.support.lanes import make_push_chunk, open_delivery


def outcomes(words):
    return Counter(word.outcome for word in words.values())


class LateCredential(ApnsProvider):
    """Has no credential until it was asked for a third time."""

    can_retry = True
    asked = 0

    def session_headers(self):
        return super().session_headers() if type(self).asked >= 3 else None

    async def acquire_credential(self):
        type(self).asked += 1
        await trio.sleep(0.1)
        if type(self).asked < 3:
            raise CredentialUnavailableError("the issuer does not answer", can_retry=self.can_retry)


@pytest.mark.parametrize(("can_retry", "holds"), [(True, [1.0, 2.0]), (False, [60.0, 120.0])])
async def test_a_lane_waits_for_its_credential_and_sends_nothing_before(autojump_clock, can_retry, holds):
    provider_type = type("Late", (LateCredential,), {"can_retry": can_retry, "asked": 0})
    async with open_delivery(provider_type=provider_type) as delivering:
        await delivering.push(make_push_chunk(0, 100))
        await trio.sleep(0.5)
        assert delivering.lane().is_held
        assert delivering.sent == []
        await trio.sleep(400)
        words = await delivering.read()
    assert outcomes(words) == {Outcome.PROVIDER_ACCEPTED: 100}
    assert [(reason, seconds) for _, reason, seconds in delivering.listener.held] == [
        ("the issuer does not answer", seconds) for seconds in holds
    ]


REFUSED = Verdict(outcome=AttemptOutcome.REJECTED, reason=Reason.INVALID_TOKEN, advice=Advice.FIX_TARGET)


class Choosy(ApnsProvider):
    """Will not send the second row of a chunk."""

    async def build_requests(self, chunk, batch):
        built = await super().build_requests(chunk, batch)
        return BuiltRequests(built.requests, built.columns, {1: REFUSED})


async def test_a_refused_row_gets_its_final_word_and_the_others_go(autojump_clock):
    async with open_delivery(provider_type=Choosy) as delivering:
        await delivering.push(make_push_chunk(0, 10))
        await trio.sleep(5)
        words = await delivering.read()
    assert outcomes(words) == {Outcome.PROVIDER_ACCEPTED: 9, Outcome.REJECTED: 1}
    assert (words[1].reason, words[1].advice, words[1].attempts) == (Reason.INVALID_TOKEN, Advice.FIX_TARGET, 0)
    assert sorted(delivering.sent) == [0, *range(2, 10)]


class ShortLived(ApnsProvider):
    """Its requests are true for ten seconds."""

    requests_lifetime_seconds = 10.0
    built = 0

    async def build_requests(self, chunk, batch):
        type(self).built += 1
        return await super().build_requests(chunk, batch)


async def test_requests_that_waited_too_long_are_built_anew_before_they_go(autojump_clock):
    provider_type = type("Counting", (ShortLived,), {"built": 0})
    one_at_a_time = ApnsScenario(
        latency=Latency(distribution="fixed", seconds=15.0), stream_limit=ApnsStreamLimit(first=1, open=1)
    )
    async with open_delivery(provider_type=provider_type, scenario=one_at_a_time) as delivering:
        await delivering.push(make_push_chunk(0, 2))
        await trio.sleep(5)
        assert provider_type.built == 1
        await trio.sleep(100)
        words = await delivering.read()
    assert provider_type.built == 2
    assert outcomes(words) == {Outcome.PROVIDER_ACCEPTED: 2}
    assert delivering.sent == [0, 1]


class Metered(ApnsProvider):
    """Takes a hundred requests a second."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.rate = Rate(RateLimits(per_second=100.0, ramp_seconds=0.0), trio.current_time())


async def test_a_rate_is_kept_and_nothing_waits_for_ever(autojump_clock):
    async with open_delivery(provider_type=Metered) as delivering:
        await delivering.push(*(make_push_chunk(at, at + 100) for at in range(0, 500, 100)))
        await trio.sleep(2)
        assert 150 <= len(delivering.sent) <= 215
        await trio.sleep(4)
        words = await delivering.read()
    assert outcomes(words) == {Outcome.PROVIDER_ACCEPTED: 500}


class Closed(ApnsProvider):
    """Refuses everything."""

    refuses_all = True

    async def build_requests(self, chunk, batch):
        built = await super().build_requests(chunk, batch)
        return BuiltRequests(built.requests, built.columns, dict.fromkeys(range(len(chunk)), REFUSED))


async def test_where_every_row_is_refused_no_session_is_opened_for_them(autojump_clock):
    async with open_delivery(provider_type=Closed, active_rows=200) as delivering:
        await delivering.push(*(make_push_chunk(start, start + 100) for start in range(0, 3000, 100)))
        await trio.sleep(30)
        words = await delivering.read()
    assert outcomes(words) == {Outcome.REJECTED: 3000}
    assert delivering.listener.opened == 0
    assert delivering.sent == []
