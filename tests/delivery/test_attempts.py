"""From the end of an exchange to what becomes of its row."""

import orjson
import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from gateway.clock import TrioClock
from gateway.delivery.attempt import Attempts
from gateway.delivery.settle import Settler
from gateway.delivery.work import Work
from gateway.journal.engine import ChunkRef
from native import Exchange
from protocol.chunks import Chunk, Variant
from protocol.disposition import Policy
from protocol.exchanges import Cause, Ending
from protocol.outcomes import Outcome
from protocol.providers import apns
from protocol.reasons import Reason
from tests.support.journal import LANE, LATER_MS, make_record
from tests.support.sessions import make_built


class Apns:
    """A provider's words with a credential that can be renewed, or not."""

    def __init__(self):
        self.can_renew = True
        self.renewals = 0

    def classify(self, exchange):
        return apns.classify(exchange.status, exchange.headers, exchange.body, 0.0)

    def provider_id(self, exchange):
        return None

    success_status = 200

    def renew_credential(self, exchange):
        self.renewals += 1
        return self.can_renew


class Desk:
    """Attempts of one chunk of five rows, and the settlements that come of them."""

    def __init__(self):
        chunk = Chunk(
            lane=LANE,
            queue=1,
            indexes=[0, 5],
            destinations=[b"t"] * 5,
            bodies=[b"{}"],
            variants=[Variant(expires_at_ms=LATER_MS)],
        )
        ref = ChunkRef(batch=1, chunk=0, start=0, stop=5, lane=LANE, queue=1, principal="default", stored_bytes=9)
        self.work = Work(ref, make_record("b", 5), chunk, built=make_built(5), provider="apns", now=0.0)
        self.provider = Apns()
        self.settled = []
        self.settler = Settler(self, TrioClock(), delay_seconds=0.0, on_released=lambda work: None)
        self.attempts = Attempts(self.provider, self.settler, TrioClock(), Policy(), lambda low, _high: low)

    async def settle(self, settlements):
        self.settled += settlements

    def end(self, row=0, *, ending=Ending.ANSWERED, cause=Cause.NONE, status=0, reason=None):
        """Conclude one exchange."""
        body = orjson.dumps({"reason": reason}) if reason else b""
        return self.attempts.conclude(
            [Exchange(self.work.requests, row, ending, cause, 0, status, (), body, None, 0.0)]
        )

    async def words(self):
        """Return what was settled since the last call, as (outcome, reason, attempts, uncertain attempts)."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.settler.run)
            await wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        settled, self.settled = self.settled, []
        return [(word.outcome, word.reason, word.attempts, word.uncertain_attempts) for word in settled]


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


async def test_what_was_not_processed_repeats_freely_once_and_then_from_the_budget(desk):
    ends = [desk.end(ending=Ending.UNPROCESSED, cause=Cause.REFUSED_STREAM) for _ in range(3)]
    assert [(rows(end.free_spans), rows(end.paid_spans)) for end in ends] == [([0], []), ([], [0]), ([], [0])]
    assert not desk.work.attempts
    desk.end(status=410, reason="Unregistered")
    assert await desk.words() == [(Outcome.REJECTED, Reason.DEAD_TOKEN, 1, 0)]


async def test_rows_that_repeat_together_are_one_span(desk):
    ended = [
        Exchange(desk.work.requests, row, Ending.UNREACHABLE, Cause.LINK_LOST, 0, 0, (), b"", None, 0.0)
        for row in (3, 0, 1)
    ]
    spans = desk.attempts.conclude(ended).free_spans
    assert [(span.start, span.stop) for span in spans] == [(0, 2), (3, 4)]


async def test_a_held_row_is_kept_and_not_settled(desk):
    conclusion = desk.end(status=403, reason="InvalidProviderToken")
    assert conclusion.hold.provider_reason == "InvalidProviderToken"
    assert rows(conclusion.free_spans) == [0]
    assert await desk.words() == []


async def test_an_expired_token_is_renewed_and_the_row_repeated_once(desk):
    first = desk.end(status=403, reason="ExpiredProviderToken")
    assert (first.hold, rows(first.paid_spans), desk.provider.renewals) == (None, [0], 1)
    second = desk.end(status=403, reason="ExpiredProviderToken")
    assert second.hold is not None
    assert (rows(second.free_spans), desk.provider.renewals) == ([0], 1)
    assert await desk.words() == []


async def test_an_expired_token_that_cannot_be_renewed_holds_the_lane(desk):
    desk.provider.can_renew = False
    conclusion = desk.end(status=403, reason="ExpiredProviderToken")
    assert conclusion.hold.provider_reason == "ExpiredProviderToken"
    assert rows(conclusion.free_spans) == [0]
    assert not desk.work.remedied


async def test_a_fresh_session_is_asked_for_once_and_both_tries_count(desk):
    first = desk.end(status=503, reason="Shutdown")
    assert (first.replaces_session, rows(first.paid_spans)) == (True, [0])
    second = desk.end(status=503, reason="Shutdown")
    assert (second.replaces_session, second.paid_spans) == (False, [])
    assert await desk.words() == [(Outcome.FAILED, Reason.PROVIDER_ERROR, 2, 0)]


async def test_a_success_after_a_remedied_repeat_counts_both_attempts(desk):
    desk.end(status=503, reason="Shutdown")
    conclusion = desk.end(status=200)
    assert conclusion.succeeded == 1
    assert await desk.words() == [(Outcome.PROVIDER_ACCEPTED, None, 2, 0)]


async def test_tokens_that_change_too_often_are_kept(desk):
    conclusion = desk.end(status=429, reason="TooManyProviderTokenUpdates")
    assert conclusion.keeps_token
    assert desk.provider.renewals == 0
    assert await desk.words() == [(Outcome.FAILED, Reason.RATE_LIMITED, 1, 0)]


@pytest.mark.parametrize(
    ("status", "reason", "expected"), [(429, "TooManyRequests", "rate_limited"), (500, None, "provider_error")]
)
async def test_a_deferred_row_settles_failed_while_retries_are_not_durable(desk, status, reason, expected):
    conclusion = desk.end(status=status, reason=reason)
    assert (conclusion.free_spans, conclusion.paid_spans, conclusion.hold) == ([], [], None)
    assert await desk.words() == [(Outcome.FAILED, Reason[expected.upper()], 1, 0)]


@pytest.mark.parametrize(
    ("cause", "expected"),
    [(Cause.LINK_LOST, Reason.LINK_LOST), (Cause.TIMEOUT, Reason.TIMEOUT), (Cause.RESET, Reason.PROVIDER_ERROR)],
)
async def test_an_uncertain_row_settles_unknown_with_its_reason(desk, cause, expected):
    desk.end(ending=Ending.UNCERTAIN, cause=cause)
    assert await desk.words() == [(Outcome.UNKNOWN, expected, 1, 1)]
