"""Verdicts on attempts that no provider answered, from how the session saw them end."""

from protocol.exchanges import Cause, Ending
from protocol.outcomes import AttemptOutcome, Verdict
from protocol.reasons import Reason

# A lost link is not a word of the provider's, so these delays are ours: long enough for a new session to stand.
FIRST_DELAY_SECONDS = 1.0
CEILING_SECONDS = 900.0

_REASONS = {
    Cause.NONE: Reason.LINK_LOST,
    Cause.REFUSED_STREAM: Reason.LINK_LOST,
    Cause.GOAWAY: Reason.LINK_LOST,
    Cause.RESET: Reason.PROVIDER_ERROR,
    Cause.TIMEOUT: Reason.TIMEOUT,
    Cause.LINK_LOST: Reason.LINK_LOST,
    Cause.RESPONSE_TOO_LARGE: Reason.PROVIDER_ERROR,
    Cause.MALFORMED_RESPONSE: Reason.PROVIDER_ERROR,
    Cause.EXPIRED: Reason.EXPIRED,
}


def judge_unanswered(ending: Ending, cause: Cause) -> Verdict:
    """Return the verdict on an attempt without an answer. Raises ValueError for an answered one."""
    if ending is Ending.ANSWERED:
        raise ValueError("an answered attempt is judged by its answer")
    certain = ending in {Ending.UNPROCESSED, Ending.UNREACHABLE}
    return Verdict(
        outcome=AttemptOutcome.UNREACHABLE if certain else AttemptOutcome.UNCERTAIN,
        reason=_REASONS[cause],
        first_delay_seconds=FIRST_DELAY_SECONDS,
        ceiling_seconds=CEILING_SECONDS,
    )
