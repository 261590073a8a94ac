import pytest

from protocol.exchanges import Cause, Ending
from protocol.outcomes import AttemptOutcome
from protocol.reasons import Reason
from protocol.unanswered import judge_unanswered


@pytest.mark.parametrize("cause", Cause)
def test_what_was_not_processed_is_free_to_repeat_and_the_rest_is_uncertain(cause):
    assert judge_unanswered(Ending.UNPROCESSED, cause).outcome is AttemptOutcome.UNREACHABLE
    assert judge_unanswered(Ending.UNREACHABLE, cause).outcome is AttemptOutcome.UNREACHABLE
    assert judge_unanswered(Ending.UNCERTAIN, cause).outcome is AttemptOutcome.UNCERTAIN


def test_the_reason_says_how_it_ended():
    assert judge_unanswered(Ending.UNCERTAIN, Cause.TIMEOUT).reason is Reason.TIMEOUT
    assert judge_unanswered(Ending.UNCERTAIN, Cause.LINK_LOST).reason is Reason.LINK_LOST
    assert judge_unanswered(Ending.UNCERTAIN, Cause.MALFORMED_RESPONSE).reason is Reason.PROVIDER_ERROR


def test_an_answer_is_not_judged_here():
    with pytest.raises(ValueError, match="answer"):
        judge_unanswered(Ending.ANSWERED, Cause.NONE)
