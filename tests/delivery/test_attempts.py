"""From the end of an exchange to what becomes of its row."""

import orjson
import pytest

from gateway.delivery.lanes.attempt import Attempts
from gateway.delivery.lanes.settle import Settler
from gateway.delivery.lanes.work import Work
from gateway.journal.engine import ChunkRef
from gateway.journal.leases import SOLE_LEASE
from native import Exchange
from protocol.chunks import Chunk, Variant
from protocol.disposition import Policy
from protocol.exchanges import Cause, Ending
from protocol.outcomes import Outcome
from protocol.providers import apns
from protocol.reasons import Reason
from tests.support.clocks import HandClock
from tests.support.journal import LANE, LATER_MS, START_MS, make_record
from tests.support.lanes import hold_sole_lease
from tests.support.sessions import make_built


class Apns:
    """A provider's words with a credential that can be renewed, or not."""

    def __init__(self):
        self.can_renew = True
        self.renewals = 0

    def classify(self, exchange):
        return apns.classify(exchange.status, exchange.headers, exchange.body, START_MS / 1000)

    def provider_id(self, exchange):
        return None

    success_status = 200
    judged_headers = frozenset((b"retry-after",))

    def renew_credential(self, exchange):
        self.renewals += 1
        return self.can_renew


class Desk:
    """Attempts of one chunk of five rows, and the settlements that come of them."""

    def __init__(self, *, report_unknown=False):
        self.chunk = Chunk(
            lane=LANE,
            queue=1,
            indexes=[0, 5],
            destinations=[b"t"] * 5,
            bodies=[b"{}"],
            variants=[Variant(expires_at_ms=LATER_MS, report_unknown=report_unknown)],
        )
        self.lease_again(0)
        self.provider = Apns()
        self.settled = []
        self.postponed = []
        self.clock = HandClock(START_MS / 1000)
        self.settler = Settler(self, hold_sole_lease(), self.clock, delay_seconds=0.0, on_released=lambda work: None)
        self.attempts = Attempts(self.provider, self.settler, self.clock, Policy(attempts=3), lambda _low, high: high)

    def lease_again(self, attempts, uncertain_attempts=0):
        """Have all rows in hand, as they are after so many attempts."""
        ref = ChunkRef(
            batch=1,
            chunk=0,
            start=0,
            stop=5,
            lane=LANE,
            queue=1,
            lease=SOLE_LEASE,
            record=make_record("b", 1),
            stored_bytes=9,
            attempts=attempts,
            uncertain_attempts=uncertain_attempts,
        )
        self.work = Work(ref, make_record("b", 5), self.chunk, built=make_built(5), provider="apns", now=0.0)

    async def settle(self, _lease, settlements):
        self.settled += settlements

    async def schedule(self, _lease, postponements):
        self.postponed += postponements

    def end(self, row=0, *, ending=Ending.ANSWERED, cause=Cause.NONE, status=0, reason=None, headers=()):
        """Conclude one exchange."""
        body = orjson.dumps({"reason": reason}) if reason else b""
        return self.attempts.conclude(
            [Exchange(self.work.requests, row, ending, cause, 0, status, headers, body, None, 0.0)]
        )

    async def words(self):
        """Return what was settled since the last call, as (outcome, reason, attempts, uncertain attempts)."""
        await self.settler.flush()
        settled, self.settled = self.settled, []
        return [(word.outcome, word.reason, word.attempts, word.uncertain_attempts) for word in settled]

    async def delays(self):
        """Return what was postponed since the last call, as (rows, seconds, attempts, uncertain attempts)."""
        await self.settler.flush()
        postponed, self.postponed = self.postponed, []
        return [
            (each.rows, each.due_at_ms / 1000 - self.clock.wall(), each.attempts, each.uncertain_attempts)
            for each in postponed
        ]


@pytest.fixture
async def desk():
    return Desk()


def rows(spans):
    return [row for span in spans for row in range(span.start, span.stop)]


async def test_what_was_never_written_repeats_freely_however_often(desk):
    for _ in range(20):
        conclusion = desk.end(ending=Ending.UNREACHABLE, cause=Cause.LINK_LOST)
        assert (rows(conclusion.free_spans), rows(conclusion.paid_spans)) == ([0], [])
    assert await desk.words() == []


async def test_what_a_serving_session_lets_go_of_repeats_freely_twice_and_then_from_the_budget(desk):
    ends = [desk.end(ending=Ending.UNPROCESSED, cause=Cause.REFUSED_STREAM) for _ in range(3)]
    assert [(rows(end.free_spans), rows(end.paid_spans)) for end in ends] == [([0], []), ([0], []), ([], [0])]
    assert [end.is_refused_again for end in ends] == [False, False, True]
    assert not desk.work.attempts
    desk.end(status=410, reason="Unregistered")
    assert await desk.words() == [(Outcome.REJECTED, Reason.DEAD_TOKEN, 1, 0)]


async def test_what_a_session_lets_go_of_that_served_nobody_spends_budget_at_once(desk):
    refused = Exchange(desk.work.requests, 0, Ending.UNPROCESSED, Cause.GOAWAY, 0, 0, (), b"", None, 0.0)
    conclusion = desk.attempts.conclude([refused], session_served=False)
    assert (rows(conclusion.paid_spans), conclusion.is_refused_again) == ([0], True)
    lost = refused._replace(row=1, ending=Ending.UNREACHABLE, cause=Cause.LINK_LOST)
    conclusion = desk.attempts.conclude([lost], session_served=False)
    assert (rows(conclusion.free_spans), conclusion.is_refused_again) == ([1], False)


async def test_rows_that_repeat_together_are_one_span(desk):
    ended = [
        Exchange(desk.work.requests, row, Ending.UNREACHABLE, Cause.LINK_LOST, 0, 0, (), b"", None, 0.0)
        for row in (3, 0, 1)
    ]
    spans = desk.attempts.conclude(ended).free_spans
    assert [(span.start, span.stop) for span in spans] == [(0, 2), (3, 4)]


async def test_a_held_row_is_kept_and_not_settled(desk):
    conclusion = desk.end(status=403, reason="InvalidProviderToken")
    assert conclusion.refusal.provider_reason == "InvalidProviderToken"
    assert [exchange.row for exchange in conclusion.refused] == [0]
    assert await desk.words() == []


async def test_an_expired_token_is_renewed_and_the_row_repeated_once(desk):
    first = desk.end(status=403, reason="ExpiredProviderToken")
    assert (first.refusal, rows(first.paid_spans), desk.provider.renewals) == (None, [0], 1)
    second = desk.end(status=403, reason="ExpiredProviderToken")
    assert second.refusal is not None
    assert ([exchange.row for exchange in second.refused], desk.provider.renewals) == ([0], 1)
    assert await desk.words() == []


async def test_an_expired_token_that_cannot_be_renewed_holds_the_lane(desk):
    desk.provider.can_renew = False
    conclusion = desk.end(status=403, reason="ExpiredProviderToken")
    assert conclusion.refusal.provider_reason == "ExpiredProviderToken"
    assert [exchange.row for exchange in conclusion.refused] == [0]
    assert not desk.work.remedied


async def test_a_row_refused_with_a_credential_that_serves_others_waits_alone_and_longer_each_time(desk):
    accepted = Exchange(desk.work.requests, 1, Ending.ANSWERED, Cause.NONE, 0, 200, (), b"", None, 0.0)
    refused = Exchange(
        desk.work.requests, 0, Ending.ANSWERED, Cause.NONE, 0, 403, (), b'{"reason":"InvalidProviderToken"}', None, 0.0
    )
    # In whichever order one read brings them: the credential is good.
    conclusion = desk.attempts.conclude([refused, accepted])
    assert (conclusion.refusal, conclusion.refused) == (None, [])
    assert [seconds for _, seconds, _, _ in await desk.delays()] == [60]
    desk.lease_again(1)
    desk.clock.now += 59
    desk.attempts.conclude([refused._replace(requests=desk.work.requests)])
    assert [(seconds, attempts) for _, seconds, attempts, _ in await desk.delays()] == [(120, 2)]
    desk.clock.now += 2
    assert desk.attempts.conclude([refused._replace(requests=desk.work.requests)]).refusal is not None


async def test_rows_that_end_alike_are_judged_once_and_settled_as_one(desk):
    judged = []
    classify = desk.provider.classify
    desk.provider.classify = lambda exchange: judged.append(exchange) or classify(exchange)
    body = b'{"reason":"Unregistered","timestamp":1780000000000}'
    headers = [((b"apns-id", b"%d" % row),) for row in range(5)]
    ended = [
        Exchange(desk.work.requests, row, Ending.ANSWERED, Cause.NONE, 0, 410, headers[row], body, None, 0.0)
        for row in range(5)
    ]
    desk.attempts.conclude(ended)
    await desk.settler.flush()
    assert len(judged) == 1
    ((word),) = desk.settled
    assert (word.rows, word.dead_since_ms) == ([0, 5], [1_780_000_000_000] * 5)


async def test_a_fresh_session_is_asked_for_once_and_both_tries_count(desk):
    first = desk.end(status=503, reason="Shutdown")
    assert (first.replaces_session, rows(first.paid_spans)) == (True, [0])
    second = desk.end(status=503, reason="Shutdown")
    assert (second.replaces_session, second.paid_spans) == (False, [])
    assert await desk.delays() == [([0, 1], 2, 2, 0)]


async def test_a_success_after_a_remedied_repeat_counts_both_attempts(desk):
    desk.end(status=503, reason="Shutdown")
    conclusion = desk.end(status=200)
    assert conclusion.succeeded == 1
    assert await desk.words() == [(Outcome.PROVIDER_ACCEPTED, None, 2, 0)]


async def test_tokens_that_change_too_often_are_kept(desk):
    conclusion = desk.end(status=429, reason="TooManyProviderTokenUpdates")
    assert conclusion.keeps_token
    assert desk.provider.renewals == 0
    assert [attempts for _, _, attempts, _ in await desk.delays()] == [1]


async def test_a_deferred_row_waits_longer_each_time_and_ends_when_its_attempts_are_used_up(desk):
    for attempts, seconds in ((0, 1), (1, 2)):
        desk.lease_again(attempts)
        conclusion = desk.end(status=500)
        assert (conclusion.free_spans, conclusion.paid_spans, conclusion.refusal) == ([], [], None)
        assert await desk.delays() == [([0, 1], seconds, attempts + 1, 0)]
    desk.lease_again(2)
    desk.end(status=500)
    assert await desk.words() == [(Outcome.FAILED, Reason.ATTEMPTS_EXHAUSTED, 3, 0)]


@pytest.mark.parametrize(
    ("wish", "seconds"),
    [(b"90", 90), (b"Thu, 28 May 2026 20:27:22 GMT", 42), (b"soon", 10), (b"-5", 10)],
    ids=["seconds", "date", "garbage", "negative"],
)
async def test_a_row_comes_back_no_sooner_than_the_provider_wishes(desk, wish, seconds):
    desk.end(status=429, reason="TooManyRequests", headers=((b"retry-after", wish),))
    assert await desk.delays() == [([0, 1], seconds, 1, 0)]


@pytest.mark.parametrize("cause", [Cause.LINK_LOST, Cause.TIMEOUT, Cause.RESET])
async def test_an_uncertain_row_is_tried_again_and_in_the_end_is_unknown(desk, cause):
    for attempts in range(2):
        desk.lease_again(attempts, attempts)
        desk.end(ending=Ending.UNCERTAIN, cause=cause)
        assert [delay[2:] for delay in await desk.delays()] == [(attempts + 1, attempts + 1)]
    desk.lease_again(2, 2)
    desk.end(ending=Ending.UNCERTAIN, cause=cause)
    assert await desk.words() == [(Outcome.UNKNOWN, Reason.ATTEMPTS_EXHAUSTED, 3, 3)]


@pytest.mark.parametrize(
    ("cause", "expected"),
    [(Cause.LINK_LOST, Reason.LINK_LOST), (Cause.TIMEOUT, Reason.TIMEOUT), (Cause.RESET, Reason.PROVIDER_ERROR)],
)
async def test_an_uncertain_row_that_is_to_be_reported_settles_unknown_with_its_reason(cause, expected):
    desk = Desk(report_unknown=True)
    desk.end(ending=Ending.UNCERTAIN, cause=cause)
    assert await desk.words() == [(Outcome.UNKNOWN, expected, 1, 1)]


async def test_a_success_tells_of_the_attempts_before_it(desk):
    desk.lease_again(2, 1)
    desk.end(status=200)
    assert await desk.words() == [(Outcome.PROVIDER_ACCEPTED, None, 3, 1)]


async def test_rows_that_come_due_together_are_one_postponement(desk):
    for row in (3, 0, 1):
        desk.end(row, status=500)
    assert await desk.delays() == [([0, 2, 3, 4], 1, 1, 0)]
