"""From how an exchange ended to what becomes of its row: a final word, or a repeat.

Only rows that did not simply succeed come here. What is decided is decided by two tables in ``protocol``: the provider's
(its words into ours) and the disposition's (our words into a deed). This file does what they say, and keeps the rules
that need memory: one repeat after a remedy, a first free repeat for what was certainly not processed.
"""

from collections import defaultdict
from collections.abc import Iterable

from gateway.clock import Clock
from gateway.delivery.provider import Provider
from gateway.delivery.settle import FinalWord, Settler
from gateway.delivery.work import Span, Work, spans_of
from native import Exchange, Requests
from protocol.exchanges import Cause, Ending
from protocol.outcomes import AttemptOutcome, Outcome, Remedy, Verdict
from protocol.reasons import Reason

FIRST_TRY = FinalWord(outcome=Outcome.PROVIDER_ACCEPTED, provider_status=200)

_REASON_OF_CAUSE = {
    Cause.TIMEOUT: Reason.TIMEOUT,
    Cause.RESPONSE_TOO_LARGE: Reason.PROVIDER_ERROR,
    Cause.MALFORMED_RESPONSE: Reason.PROVIDER_ERROR,
}


class Conclusion:
    """What a lane must do after some exchanges ended; settled rows are already with the settler."""

    __slots__ = ("_free", "_paid", "hold", "replaces_session")

    def __init__(self) -> None:
        self._free: defaultdict[Work, list[int]] = defaultdict(list)
        self._paid: defaultdict[Work, list[int]] = defaultdict(list)
        self.hold: Verdict | None = None
        self.replaces_session = False

    def repeat_free(self, work: Work, row: int) -> None:
        """Have a row sent again at once."""
        self._free[work].append(row)

    def repeat_paid(self, work: Work, row: int) -> None:
        """Have a row sent again as soon as the retry budget allows."""
        self._paid[work].append(row)

    @property
    def free_spans(self) -> list[Span]:
        """Rows to send again at once."""
        return [span for work, rows in self._free.items() for span in spans_of(work, rows)]

    @property
    def paid_spans(self) -> list[Span]:
        """Rows to send again when the retry budget allows."""
        return [span for work, rows in self._paid.items() for span in spans_of(work, rows)]


class Attempts:
    """Concludes the exchanges of one lane."""

    def __init__(self, provider: Provider, settler: Settler, clock: Clock) -> None:
        self._provider = provider
        self._settler = settler
        self._clock = clock

    def succeed(self, touched: Iterable[Requests]) -> int:
        """Settle the plain successes of batches; return how many rows they were."""
        count = 0
        for requests in touched:
            work: Work = requests.owner
            ranges = requests.take_successes()
            count += sum(stop - start for start, stop in ranges)
            if not work.attempts:
                self._settler.settle_ranges(work, ranges, FIRST_TRY)
                continue
            for start, stop in ranges:
                for row in range(start, stop):
                    word = FinalWord(
                        outcome=Outcome.PROVIDER_ACCEPTED, provider_status=200, attempts=1 + work.attempts.get(row, 0)
                    )
                    self._settler.settle_row(work, row, word)
        return count

    def expire(self, work: Work, row: int) -> None:
        """Settle a row whose deadline passed before it could be sent."""
        word = FinalWord(outcome=Outcome.EXPIRED, reason=Reason.EXPIRED, attempts=work.attempts.get(row, 0))
        self._settler.settle_row(work, row, word)

    def conclude(self, exchanges: Iterable[Exchange]) -> Conclusion:
        """Settle what is final, and return what is to be repeated and done."""
        conclusion = Conclusion()
        for exchange in exchanges:
            if exchange.ending is Ending.ANSWERED:
                self._conclude_answered(exchange, conclusion)
            else:
                self._conclude_unanswered(exchange, conclusion)
        return conclusion
