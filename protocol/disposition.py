"""What we do about one ended attempt: one pure table over its outcome, its history, the time left and the policy.

- Accepted and rejected are final words and settle.
- An attempt that certainly was not processed repeats at once and counts as none. When a server let go of it, the repeat
  is free twice, as long as its session had answered something; else it spends retry budget, which is for the caller of
  this module to grant.
- A bad credential holds the lane, whoever is in it: nothing is lost and no destination is blamed. One that serves
  others is not bad: the row that it was refused for is tried again later, alone.
- Deferred and uncertain attempts are tried again later, unless the caller wants a single try; for uncertain ones it may
  want to be told instead (``on_unknown: report``).
- Where any attempt ended uncertain and none was accepted, the end is ``unknown``: never expired, cancelled or failed.
"""

from collections.abc import Callable

import msgspec

from protocol.outcomes import Advice, AttemptOutcome, Outcome, Remedy, Verdict
from protocol.reasons import Reason

# A row that is refused with a credential that serves others: what is wrong with it takes a person's time to mend.
REFUSED_LEAST_SECONDS = 10.0
REFUSED_FIRST_SECONDS = 60.0
REFUSED_CEILING_SECONDS = 900.0


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """How far the gateway goes for a notification.

    ``free_repeats``: how many unprocessed attempts repeat without spending retry budget. ``attempts``: the most tries
    that count.
    """

    free_repeats: int = 2
    attempts: int = 10


class AttemptEnd(msgspec.Struct, frozen=True, kw_only=True):
    """One ended attempt with the history of its notification.

    ``attempts`` counts tries so far, this one included unless it was unprocessed; ``uncertain_attempts`` likewise.
    ``repeats`` counts earlier repeats of attempts that a server let go of; None: it was no server that let go of this
    one. ``session_served``: its session had answered something since it opened. ``was_remedied``: this one already was
    the one repeat after a fresh token or session. ``credential_serves``: others succeeded with it just now.
    ``seconds_left`` until the notification expires.
    """

    verdict: Verdict
    attempts: int
    uncertain_attempts: int = 0
    repeats: int | None = None
    session_served: bool = True
    was_remedied: bool = False
    credential_serves: bool = False
    report_unknown: bool = False
    single_try: bool = False
    seconds_left: float


class Settle(msgspec.Struct, frozen=True):
    """The final word."""

    outcome: Outcome
    reason: Reason | None
    advice: Advice = Advice.NONE


class RepeatAtOnce(msgspec.Struct, frozen=True):
    """Send again now, on a session that takes streams; first the ``remedy``, where there is one."""

    spends_budget: bool
    remedy: Remedy = Remedy.NONE


class RetryAfter(msgspec.Struct, frozen=True):
    """Give it back to the engine for ``seconds``."""

    seconds: float


class WaitForCredential(msgspec.Struct, frozen=True):
    """Keep it until the lane's credential is mended or it expires."""


Disposition = Settle | RepeatAtOnce | RetryAfter | WaitForCredential


def dispose(end: AttemptEnd, policy: Policy, jitter: float) -> Disposition:
    """Return what to do about an ended attempt; ``jitter`` is a random number from 0 up to 1."""
    return _TABLE[end.verdict.outcome](end, policy, jitter)


def settle_expired(uncertain_attempts: int) -> Settle:
    """Return the final word when time ran out before the next attempt."""
    return Settle(_without_answer(uncertain_attempts, Outcome.EXPIRED), Reason.EXPIRED)


def settle_cancelled(uncertain_attempts: int) -> Settle:
    """Return the final word when a caller cancelled in time."""
    return Settle(_without_answer(uncertain_attempts, Outcome.CANCELLED), Reason.CANCELLED)


def backoff_seconds(verdict: Verdict, attempts: int, jitter: float) -> float:
    """Return the delay before the next attempt: exponential with full jitter, at least the provider's own wish."""
    doublings = min(max(attempts - 1, 0), 32)
    widest = min(verdict.first_delay_seconds * 2.0**doublings, verdict.ceiling_seconds)
    least = verdict.least_delay_seconds
    return max(least + (widest - least) * jitter, verdict.retry_after_seconds or 0.0)


def _dispose_accepted(end: AttemptEnd, policy: Policy, jitter: float) -> Disposition:
    del end, policy, jitter
    return Settle(Outcome.PROVIDER_ACCEPTED, None)


def _dispose_rejected(end: AttemptEnd, policy: Policy, jitter: float) -> Disposition:
    del policy, jitter
    return Settle(Outcome.REJECTED, end.verdict.reason, end.verdict.advice)


def _dispose_unreachable(end: AttemptEnd, policy: Policy, jitter: float) -> Disposition:
    del jitter
    if end.seconds_left <= 0:
        return settle_expired(end.uncertain_attempts)
    is_refused_again = end.repeats is not None and (end.repeats >= policy.free_repeats or not end.session_served)
    return RepeatAtOnce(spends_budget=is_refused_again)


def _dispose_deferred(end: AttemptEnd, policy: Policy, jitter: float) -> Disposition:
    remedy = end.verdict.remedy
    if end.seconds_left <= 0:
        return settle_expired(end.uncertain_attempts)
    if remedy in {Remedy.FRESH_TOKEN, Remedy.FRESH_SESSION} and not end.was_remedied:
        return RepeatAtOnce(spends_budget=True, remedy=remedy)
    if end.verdict.reason is Reason.BAD_CREDENTIALS:
        return _retry_or_give_up(_wait_alone(end), policy, jitter) if end.credential_serves else WaitForCredential()
    return _retry_or_give_up(end, policy, jitter)


def _dispose_uncertain(end: AttemptEnd, policy: Policy, jitter: float) -> Disposition:
    if end.report_unknown or end.single_try:
        return Settle(Outcome.UNKNOWN, end.verdict.reason)
    return _retry_or_give_up(end, policy, jitter)


def _wait_alone(end: AttemptEnd) -> AttemptEnd:
    verdict = msgspec.structs.replace(
        end.verdict,
        least_delay_seconds=max(end.verdict.least_delay_seconds, REFUSED_LEAST_SECONDS),
        first_delay_seconds=REFUSED_FIRST_SECONDS,
        ceiling_seconds=REFUSED_CEILING_SECONDS,
    )
    return msgspec.structs.replace(end, verdict=verdict)


def _retry_or_give_up(end: AttemptEnd, policy: Policy, jitter: float) -> Disposition:
    if end.single_try:
        return _give_up(end, end.verdict.reason)
    if end.attempts >= policy.attempts:
        return _give_up(end, Reason.ATTEMPTS_EXHAUSTED)
    if end.seconds_left <= 0:
        return settle_expired(end.uncertain_attempts)
    seconds = backoff_seconds(end.verdict, end.attempts, jitter)
    if seconds >= end.seconds_left:
        # It has not expired yet, and would wait for nothing else.
        return Settle(
            Outcome.UNKNOWN if end.uncertain_attempts else Outcome.FAILED, end.verdict.reason, end.verdict.advice
        )
    return RetryAfter(seconds)


def _give_up(end: AttemptEnd, reason: Reason | None) -> Settle:
    if end.uncertain_attempts:
        return Settle(Outcome.UNKNOWN, Reason.ATTEMPTS_EXHAUSTED)
    return Settle(Outcome.FAILED, reason, end.verdict.advice)


def _without_answer(uncertain_attempts: int, certain: Outcome) -> Outcome:
    return Outcome.UNKNOWN if uncertain_attempts else certain


_TABLE: dict[AttemptOutcome, Callable[[AttemptEnd, Policy, float], Disposition]] = {
    AttemptOutcome.ACCEPTED: _dispose_accepted,
    AttemptOutcome.REJECTED: _dispose_rejected,
    AttemptOutcome.DEFERRED: _dispose_deferred,
    AttemptOutcome.UNREACHABLE: _dispose_unreachable,
    AttemptOutcome.UNCERTAIN: _dispose_uncertain,
}
