"""What the providers' tables of answers are made of: the kinds of verdict, and judging by the status alone."""

from collections.abc import Mapping, Sequence

import msgspec

from protocol.outcomes import Advice, AttemptOutcome, Remedy, Verdict
from protocol.reasons import Reason
from protocol.retry_after import read_retry_after

SUCCESS_CLASS = 2
ACCEPTED = Verdict(outcome=AttemptOutcome.ACCEPTED)
# A redirect that nobody follows, or a status of no class: something else than the provider answers, and what it did is
# not known.
SOMEBODY_ELSE = Verdict(outcome=AttemptOutcome.UNCERTAIN, reason=Reason.PROVIDER_ERROR)


def reject(reason: Reason, advice: Advice = Advice.NONE) -> Verdict:
    """Return a no for good."""
    return Verdict(outcome=AttemptOutcome.REJECTED, reason=reason, advice=advice)


def defer(
    reason: Reason,
    first_delay_seconds: float,
    *,
    ceiling_seconds: float,
    least_delay_seconds: float = 0.0,
    remedy: Remedy = Remedy.NONE,
) -> Verdict:
    """Return a not now; what a credential is to blame for, its owner has to mend."""
    return Verdict(
        outcome=AttemptOutcome.DEFERRED,
        reason=reason,
        advice=Advice.FIX_CREDENTIALS if reason is Reason.BAD_CREDENTIALS else Advice.RETRY_LATER,
        remedy=remedy,
        least_delay_seconds=least_delay_seconds,
        first_delay_seconds=first_delay_seconds,
        ceiling_seconds=ceiling_seconds,
    )


class Fallbacks(msgspec.Struct, frozen=True, kw_only=True):
    """For an answer whose word is missing or new: the verdict by its status, and for other statuses by their class."""

    by_status: Mapping[int, Verdict] = {}
    by_class: Mapping[int, Verdict]

    def judge(self, status: int) -> Verdict:
        """Return what an answer means that says nothing known. An unknown success is one (RFC 9110 section 15)."""
        if status // 100 == SUCCESS_CLASS:
            return ACCEPTED
        return self.by_status.get(status) or self.by_class.get(status // 100) or SOMEBODY_ELSE


def repeat(by_server: Verdict) -> Mapping[int, Verdict]:
    """Return what means that a request was not acted upon, by status; ``by_server`` has the delays of a server's fault.

    408: it did not come in time (RFC 9110 section 15.5.9). 425: not as early data (RFC 8470 section 5.2). 421: not over
    this connection, but over another one (RFC 9110 section 15.5.20).
    """
    return {
        408: by_server,
        421: msgspec.structs.replace(by_server, remedy=Remedy.FRESH_SESSION),
        425: by_server,
    }


def read_wish(verdict: Verdict, headers: Sequence[tuple[bytes, bytes]], now_seconds: float) -> float | None:
    """Return the seconds that a provider asks to wait for with a *not now*; None where it names none, or with others.

    ``now_seconds`` is UNIX time, for a ``Retry-After`` that is a date.
    """
    return read_retry_after(headers, now_seconds) if verdict.outcome is AttemptOutcome.DEFERRED else None
