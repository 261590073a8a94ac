"""Every outcome against history, time left and policy."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.disposition import (
    AttemptEnd,
    Policy,
    RepeatAtOnce,
    RetryAfter,
    Settle,
    WaitForCredential,
    backoff_seconds,
    dispose,
    settle_cancelled,
    settle_expired,
)
from protocol.exchanges import Cause, Ending
from protocol.outcomes import Advice, AttemptOutcome, Outcome, Remedy, Verdict
from protocol.providers.apns.responses import RESPONSES
from protocol.reasons import Reason
from protocol.unanswered import judge_unanswered

POLICY = Policy(attempts=3)

ACCEPTED = Verdict(outcome=AttemptOutcome.ACCEPTED)
DEAD = RESPONSES[410, "Unregistered"]
BUSY = RESPONSES[503, "ServiceUnavailable"]
EXPIRED_TOKEN = RESPONSES[403, "ExpiredProviderToken"]
FORBIDDEN = RESPONSES[403, "Forbidden"]
SHUTDOWN = RESPONSES[503, "Shutdown"]
REFUSED = judge_unanswered(Ending.UNPROCESSED, Cause.REFUSED_STREAM)
LOST = judge_unanswered(Ending.UNCERTAIN, Cause.LINK_LOST)
LATE = judge_unanswered(Ending.UNCERTAIN, Cause.TIMEOUT)

REFUSED_ALONE = Settle(Outcome.FAILED, Reason.BAD_CREDENTIALS, FORBIDDEN.advice)
GIVEN_UP = Settle(Outcome.FAILED, Reason.PROVIDER_ERROR, Advice.RETRY_LATER)


def end(verdict, **history) -> AttemptEnd:
    return AttemptEnd(verdict=verdict, **{"attempts": 1, "seconds_left": 3600.0} | history)


@pytest.mark.parametrize(
    ("verdict", "history", "expected"),
    [
        (ACCEPTED, {}, Settle(Outcome.PROVIDER_ACCEPTED, None)),
        (ACCEPTED, {"uncertain_attempts": 1, "seconds_left": -1.0}, Settle(Outcome.PROVIDER_ACCEPTED, None)),
        (DEAD, {}, Settle(Outcome.REJECTED, Reason.DEAD_TOKEN, Advice.DELETE_PENDING)),
        (REFUSED, {}, RepeatAtOnce(spends_budget=False)),
        (REFUSED, {"repeats": 1}, RepeatAtOnce(spends_budget=False)),
        (REFUSED, {"repeats": 2}, RepeatAtOnce(spends_budget=True)),
        (REFUSED, {"repeats": 0, "session_served": False}, RepeatAtOnce(spends_budget=True)),
        (REFUSED, {"session_served": False}, RepeatAtOnce(spends_budget=False)),
        (REFUSED, {"single_try": True}, RepeatAtOnce(spends_budget=False)),
        (REFUSED, {"seconds_left": 0.0}, Settle(Outcome.EXPIRED, Reason.EXPIRED)),
        (REFUSED, {"seconds_left": 0.0, "uncertain_attempts": 1}, Settle(Outcome.UNKNOWN, Reason.EXPIRED)),
        (BUSY, {"single_try": True}, GIVEN_UP),
        (BUSY, {}, RetryAfter(0.5)),
        (BUSY, {"attempts": 2}, RetryAfter(1.0)),
        (BUSY, {"attempts": 3}, Settle(Outcome.FAILED, Reason.ATTEMPTS_EXHAUSTED, Advice.RETRY_LATER)),
        (BUSY, {"attempts": 3, "uncertain_attempts": 1}, Settle(Outcome.UNKNOWN, Reason.ATTEMPTS_EXHAUSTED)),
        (BUSY, {"uncertain_attempts": 1, "single_try": True}, Settle(Outcome.UNKNOWN, Reason.ATTEMPTS_EXHAUSTED)),
        (BUSY, {"seconds_left": 0.5}, GIVEN_UP),
        (BUSY, {"seconds_left": 0.0}, Settle(Outcome.EXPIRED, Reason.EXPIRED)),
        (SHUTDOWN, {}, RepeatAtOnce(spends_budget=True, remedy=Remedy.FRESH_SESSION)),
        (SHUTDOWN, {"was_remedied": True}, RetryAfter(0.5)),
        (SHUTDOWN, {"was_remedied": True, "single_try": True}, GIVEN_UP),
        (EXPIRED_TOKEN, {}, RepeatAtOnce(spends_budget=True, remedy=Remedy.FRESH_TOKEN)),
        (EXPIRED_TOKEN, {"was_remedied": True}, WaitForCredential()),
        (FORBIDDEN, {}, WaitForCredential()),
        (FORBIDDEN, {"single_try": True}, WaitForCredential()),
        (FORBIDDEN, {"credential_serves": True}, RetryAfter(35.0)),
        (FORBIDDEN, {"credential_serves": True, "attempts": 2}, RetryAfter(65.0)),
        (FORBIDDEN, {"credential_serves": True, "single_try": True}, REFUSED_ALONE),
        (EXPIRED_TOKEN, {"was_remedied": True, "credential_serves": True}, RetryAfter(35.0)),
        (FORBIDDEN, {"seconds_left": -1.0}, Settle(Outcome.EXPIRED, Reason.EXPIRED)),
        (LATE, {"uncertain_attempts": 1, "report_unknown": True}, Settle(Outcome.UNKNOWN, Reason.TIMEOUT)),
        (LOST, {"uncertain_attempts": 1, "report_unknown": True}, Settle(Outcome.UNKNOWN, Reason.LINK_LOST)),
        (LOST, {"uncertain_attempts": 1, "single_try": True}, Settle(Outcome.UNKNOWN, Reason.LINK_LOST)),
        (LOST, {"uncertain_attempts": 1}, RetryAfter(0.5)),
        (LOST, {"uncertain_attempts": 1, "seconds_left": 0.5}, Settle(Outcome.UNKNOWN, Reason.LINK_LOST)),
        (LOST, {"uncertain_attempts": 1, "seconds_left": 0.0}, Settle(Outcome.UNKNOWN, Reason.EXPIRED)),
    ],
)
def test_disposition_follows_the_table(verdict, history, expected):
    assert dispose(end(verdict, **history), POLICY, 0.5) == expected


def test_waiting_longer_than_is_left_ends_it_now_as_failed_since_it_has_not_expired():
    slow = Verdict(outcome=AttemptOutcome.DEFERRED, reason=Reason.RATE_LIMITED, retry_after_seconds=90.0)
    assert dispose(end(slow, seconds_left=60.0), POLICY, 0.5) == Settle(Outcome.FAILED, Reason.RATE_LIMITED)


def test_an_end_without_a_certain_answer_is_unknown():
    assert settle_expired(0) == Settle(Outcome.EXPIRED, Reason.EXPIRED)
    assert settle_expired(1) == Settle(Outcome.UNKNOWN, Reason.EXPIRED)
    assert settle_cancelled(0) == Settle(Outcome.CANCELLED, Reason.CANCELLED)
    assert settle_cancelled(2) == Settle(Outcome.UNKNOWN, Reason.CANCELLED)


def test_backoff_doubles_to_its_ceiling_and_obeys_the_provider():
    verdict = Verdict(outcome=AttemptOutcome.DEFERRED, first_delay_seconds=2.0, ceiling_seconds=10.0)
    assert [backoff_seconds(verdict, attempts, 1.0) for attempts in (1, 2, 3, 4, 10_000)] == [2, 4, 8, 10, 10]
    assert backoff_seconds(verdict, 1, 0.0) == 0
    wish = Verdict(
        outcome=AttemptOutcome.DEFERRED, first_delay_seconds=2.0, ceiling_seconds=10.0, retry_after_seconds=30
    )
    assert backoff_seconds(wish, 1, 0.5) == 30


def test_backoff_is_drawn_above_the_least_delay_that_a_provider_demands():
    verdict = Verdict(
        outcome=AttemptOutcome.DEFERRED, least_delay_seconds=10, first_delay_seconds=20, ceiling_seconds=60
    )
    assert [backoff_seconds(verdict, 1, jitter) for jitter in (0.0, 0.5, 1.0)] == [10, 15, 20]
    assert [backoff_seconds(verdict, 9, jitter) for jitter in (0.0, 1.0)] == [10, 60]


verdicts = st.sampled_from([*RESPONSES.values(), ACCEPTED, REFUSED, LOST, LATE])
ends = st.builds(
    AttemptEnd,
    verdict=verdicts,
    attempts=st.integers(0, 20),
    uncertain_attempts=st.integers(0, 3),
    repeats=st.integers(0, 5),
    was_remedied=st.booleans(),
    credential_serves=st.booleans(),
    report_unknown=st.booleans(),
    single_try=st.booleans(),
    seconds_left=st.floats(-10, 1000),
)


@given(end=ends, jitter=st.floats(0, 1, exclude_max=True))
def test_nothing_uncertain_ever_ends_as_certainly_not_taken(end, jitter):
    disposition = dispose(end, POLICY, jitter)
    if end.uncertain_attempts and isinstance(disposition, Settle):
        assert disposition.outcome not in {Outcome.EXPIRED, Outcome.CANCELLED, Outcome.FAILED}


@given(end=ends, jitter=st.floats(0, 1, exclude_max=True))
def test_what_is_to_be_tried_once_is_never_tried_again_later(end, jitter):
    once = msgspec.structs.replace(end, single_try=True)
    assert not isinstance(dispose(once, POLICY, jitter), RetryAfter)


@given(end=ends, jitter=st.floats(0, 1, exclude_max=True))
def test_no_attempt_begins_after_expiry(end, jitter):
    disposition = dispose(end, POLICY, jitter)
    if end.seconds_left <= 0:
        assert isinstance(disposition, Settle)
    if isinstance(disposition, RetryAfter):
        assert disposition.seconds < end.seconds_left


@given(end=ends, jitter=st.floats(0, 1, exclude_max=True))
def test_expired_is_said_only_when_time_has_run_out(end, jitter):
    disposition = dispose(end, POLICY, jitter)
    if isinstance(disposition, Settle) and Reason.EXPIRED is disposition.reason is not end.verdict.reason:
        assert end.seconds_left <= 0
