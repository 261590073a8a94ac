"""From how an exchange ended to what becomes of its row: a final word, or a repeat.

Only rows that did not simply succeed are looked at. What is decided is decided by two tables in ``protocol``: the
provider's (its words into ours) and the disposition's (our words into a deed). This file keeps the history that the
second one asks for, and carries out the deed or leaves it to the lane in a :class:`Conclusion`.

A provider in trouble gives a thousand rows the same answer in one read, so each distinct answer is read once, and rows
of one work that differ in nothing that counts are disposed of together.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from math import ceil, inf
from typing import assert_never

import msgspec

from gateway.clock import Clock
from gateway.delivery.lanes.settle import Delay, FinalWord, Settler
from gateway.delivery.lanes.work import Span, Work, spans_of, work_of
from gateway.delivery.providers.provider import Provider
from native import Exchange, Requests
from protocol.disposition import (
    AttemptEnd,
    Disposition,
    Policy,
    RepeatAtOnce,
    RetryAfter,
    Settle,
    WaitForCredential,
    dispose,
    settle_expired,
)
from protocol.exchanges import Ending
from protocol.outcomes import AttemptOutcome, Outcome, Remedy, Verdict
from protocol.unanswered import judge_unanswered

# A credential that was good for a row so recently is not what is wrong with one that is refused
# (docs/operations.md#when-a-provider-does-not-answer).
CREDENTIAL_SERVES_SECONDS = 60.0
# What is drawn by chance, or depends on it, is drawn for each row: rows that failed together must not return together.
_DRAWN = {AttemptOutcome.DEFERRED, AttemptOutcome.UNCERTAIN}


class Conclusion:
    """What a lane must do after some exchanges ended; settled rows are already with the settler.

    ``refused`` are those that a credential was refused for: whether it is bad is for the lane to find out.
    """

    __slots__ = (
        "_free",
        "_paid",
        "at_seconds",
        "is_refused_again",
        "keeps_token",
        "refusal",
        "refused",
        "replaces_session",
        "retried",
        "session_served",
        "slows",
        "succeeded",
    )

    def __init__(self, at_seconds: float, *, session_served: bool) -> None:
        self.at_seconds = at_seconds  # UNIX time
        self.session_served = session_served
        self._free: defaultdict[Work, list[int]] = defaultdict(list)
        self._paid: defaultdict[Work, list[int]] = defaultdict(list)
        self.refused: list[Exchange] = []
        self.refusal: Verdict | None = None
        self.replaces_session = False
        self.is_refused_again = False  # a server lets go of rows again and again, or of rows without serving any
        self.keeps_token = False
        self.slows = False
        self.succeeded = 0  # rows that a provider accepted in more words than a plain success has
        self.retried = 0  # those of them that were retries

    def repeat(self, work: Work, row: int, *, spends_budget: bool) -> None:
        """Have a row sent again: at once, or as soon as the retry budget allows."""
        (self._paid if spends_budget else self._free)[work].append(row)

    def refuse(self, exchanges: Sequence[Exchange], verdict: Verdict) -> None:
        """Leave it to the lane what becomes of rows for which the credential was refused."""
        self.refused += exchanges
        self.refusal = verdict

    @property
    def free_spans(self) -> list[Span]:
        """Rows to send again at once."""
        return _spans(self._free)

    @property
    def paid_spans(self) -> list[Span]:
        """Rows to send again when the retry budget allows."""
        return _spans(self._paid)


class _Case:
    """Rows of one work that ended alike and have the same history: they differ in nothing but their number."""

    __slots__ = ("exchanges", "variant", "verdict", "work")

    def __init__(self, work: Work, verdict: Verdict, variant: int) -> None:
        self.work = work
        self.verdict = verdict
        self.variant = variant
        self.exchanges: list[Exchange] = []


def _spans(rows_of_work: dict[Work, list[int]]) -> list[Span]:
    return [span for work, rows in rows_of_work.items() for span in spans_of(work, rows)]


class Attempts:
    """Concludes the exchanges of one lane. ``uniform`` draws the jitter of delays, as :func:`random.uniform` does."""

    def __init__(
        self,
        provider: Provider,
        settler: Settler,
        clock: Clock,
        policy: Policy,
        uniform: Callable[[float, float], float],
    ) -> None:
        self._provider = provider
        self._settler = settler
        self._clock = clock
        self._policy = policy
        self._uniform = uniform
        self._success = FinalWord(outcome=Outcome.PROVIDER_ACCEPTED, provider_status=provider.success_status)
        self._served_at = -inf  # when the credential was last good for a row

    def succeed(self, touched: Iterable[Requests]) -> tuple[int, int]:
        """Settle the plain successes of batches; return how many rows they were, and how many of them retries."""
        count = retried = 0
        for requests in touched:
            work = work_of(requests)
            ranges = requests.take_successes()
            rows = sum(stop - start for start, stop in ranges)
            count += rows
            retried += rows if work.ref.is_retry else 0
            if not work.attempts:
                self._settler.settle_ranges(work, ranges, self._word_of_success(work, work.ref.attempts))
                continue
            for start, stop in ranges:
                for row in range(start, stop):
                    self._settler.settle_rows(work, (row,), self._word_of_success(work, work.count_attempts(row)))
        if count:
            self._served_at = self._clock.monotonic()
        return count, retried

    def _word_of_success(self, work: Work, attempts_before: int) -> FinalWord:
        uncertain_attempts = work.ref.uncertain_attempts
        if not attempts_before and not uncertain_attempts:
            return self._success
        return msgspec.structs.replace(
            self._success, attempts=attempts_before + 1, uncertain_attempts=uncertain_attempts
        )

    def expire(self, span: Span, stop: int) -> int:
        """Settle the expired rows at the head of ``span``; return where the rows that may be sent end."""
        now_ms = int(self._clock.steady() * 1000) - span.work.ref.lead_ms
        if now_ms < span.work.earliest_expiry_ms:
            return stop
        while span.start < stop and span.work.variant(span.start).expires_at_ms <= now_ms:
            self._expire(span.work, span.start)
            span.start += 1
        live = span.start
        while live < stop and span.work.variant(live).expires_at_ms > now_ms:
            live += 1
        return live

    def _expire(self, work: Work, row: int) -> None:
        uncertain_attempts = work.ref.uncertain_attempts
        end = settle_expired(uncertain_attempts)
        word = FinalWord(
            outcome=end.outcome,
            reason=end.reason,
            attempts=work.count_attempts(row),
            uncertain_attempts=uncertain_attempts,
        )
        self._settler.settle_rows(work, (row,), word)

    def refuse(self, work: Work, row: int, verdict: Verdict) -> None:
        """Settle a row that its provider's code won't send."""
        word = FinalWord(
            outcome=Outcome.REJECTED,
            reason=verdict.reason,
            advice=verdict.advice,
            attempts=work.count_attempts(row),
            uncertain_attempts=work.ref.uncertain_attempts,
        )
        self._settler.settle_rows(work, (row,), word)

    def conclude(self, exchanges: Iterable[Exchange], *, session_served: bool = True) -> Conclusion:
        """Settle what is final, and return what is to be repeated and done.

        ``session_served``: their session had answered something since it opened.
        """
        conclusion = Conclusion(self._clock.wall(), session_served=session_served)
        cases = self._sort(exchanges)
        for case in cases:
            if case.verdict.outcome is AttemptOutcome.ACCEPTED:
                conclusion.succeeded += len(case.exchanges)
                conclusion.retried += len(case.exchanges) if case.work.ref.is_retry else 0
        if conclusion.succeeded:
            self._served_at = self._clock.monotonic()
        for case in cases:
            self._dispose(case, conclusion)
        return conclusion

    def _sort(self, exchanges: Iterable[Exchange]) -> Sequence[_Case]:
        verdicts: dict[object, Verdict] = {}
        cases: dict[object, _Case] = {}
        judged_headers = self._provider.judged_headers
        for exchange in exchanges:
            requests, row, ending, cause, _, status, headers, body, *_ = exchange
            if headers:
                headers = tuple([header for header in headers if header[0] in judged_headers])
            answer = (ending, cause, status, headers, body)
            verdict = verdicts.get(answer)
            if verdict is None:
                verdict = verdicts[answer] = self._judge(exchange)
            work = work_of(requests)
            variant = work.number_of_variant(row)
            # Rows with a history of their own are a case each.
            key = (requests, id(verdict), variant, row if work.has_history(row) else -1)
            case = cases.get(key)
            if case is None:
                case = cases[key] = _Case(work, verdict, variant)
            case.exchanges.append(exchange)
        return list(cases.values())

    def _judge(self, exchange: Exchange) -> Verdict:
        if exchange.ending is Ending.ANSWERED:
            return self._provider.classify(exchange)
        return judge_unanswered(exchange.ending, exchange.cause)

    def _dispose(self, case: _Case, conclusion: Conclusion) -> None:
        verdict = case.verdict
        if verdict.remedy is Remedy.KEEP_TOKEN:
            conclusion.keeps_token = True
        conclusion.slows |= verdict.remedy is Remedy.SLOW_LANE
        end = self._describe(case, conclusion)
        if verdict.outcome not in _DRAWN:
            self._dispose_alike(case, case.exchanges, end, dispose(end, self._policy, jitter=0.0), conclusion)
            return
        drawn: defaultdict[Disposition, list[Exchange]] = defaultdict(list)
        for exchange in case.exchanges:
            disposition = dispose(end, self._policy, jitter=self._uniform(0.0, 1.0))
            drawn[_round_up(disposition, conclusion.at_seconds)].append(exchange)
        for disposition, exchanges in drawn.items():
            self._dispose_alike(case, exchanges, end, disposition, conclusion)

    def _describe(self, case: _Case, conclusion: Conclusion) -> AttemptEnd:
        work, verdict, first = case.work, case.verdict, case.exchanges[0]
        row = first.row
        variant = work.chunk.variants[case.variant]
        return AttemptEnd(
            verdict=verdict,
            attempts=work.count_attempts(row) + (verdict.outcome is not AttemptOutcome.UNREACHABLE),
            uncertain_attempts=work.ref.uncertain_attempts + (verdict.outcome is AttemptOutcome.UNCERTAIN),
            # What was never written costs the provider nothing, however often: only what it refused is counted.
            repeats=work.repeats.get(row, 0) if first.ending is Ending.UNPROCESSED else None,
            session_served=conclusion.session_served,
            was_remedied=row in work.remedied,
            credential_serves=self._clock.monotonic() - self._served_at < CREDENTIAL_SERVES_SECONDS,
            report_unknown=variant.report_unknown,
            single_try=variant.single_try,
            seconds_left=(variant.expires_at_ms + work.ref.lead_ms) / 1000 - self._clock.steady(),
        )

    def _dispose_alike(
        self,
        case: _Case,
        exchanges: Sequence[Exchange],
        end: AttemptEnd,
        disposition: Disposition,
        conclusion: Conclusion,
    ) -> None:
        work = case.work
        match disposition:
            case Settle() as final:
                self._settle(work, exchanges, final, end)
            case RepeatAtOnce(spends_budget=spends_budget, remedy=Remedy.NONE):
                conclusion.is_refused_again |= spends_budget
                for exchange in exchanges:
                    if end.repeats is not None:
                        work.repeats[exchange.row] = end.repeats + 1
                    conclusion.repeat(work, exchange.row, spends_budget=spends_budget)
            case RepeatAtOnce(remedy=remedy):
                for exchange in exchanges:
                    self._repeat_remedied(case, exchange, end, remedy, conclusion)
            case WaitForCredential():
                conclusion.refuse(exchanges, end.verdict)
            case RetryAfter(seconds=seconds):
                due_at_ms = round((conclusion.at_seconds + seconds) * 1000)
                delay = Delay(due_at_ms, end.attempts, end.uncertain_attempts)
                self._settler.postpone(work, [exchange.row for exchange in exchanges], delay)
            case other:
                assert_never(other)

    def _repeat_remedied(
        self, case: _Case, exchange: Exchange, end: AttemptEnd, remedy: Remedy, conclusion: Conclusion
    ) -> None:
        work, row = case.work, exchange.row
        if remedy is Remedy.FRESH_TOKEN:
            if not self._provider.renew_credential(exchange):
                # Called expired, and can't be renewed yet: no remedy, and what is wrong is not the token's age.
                cured = msgspec.structs.replace(end, was_remedied=True)
                disposition = dispose(cured, self._policy, jitter=self._uniform(0.0, 1.0))
                disposition = _round_up(disposition, conclusion.at_seconds)
                return self._dispose_alike(case, [exchange], cured, disposition, conclusion)
            work.outdate()  # its requests may carry the old one
        if remedy is Remedy.FRESH_SESSION:
            conclusion.replaces_session = True
        work.remedied.add(row)
        work.attempts[row] = work.attempts.get(row, 0) + 1
        conclusion.repeat(work, row, spends_budget=True)
        return None

    def _settle(self, work: Work, exchanges: Sequence[Exchange], final: Settle, end: AttemptEnd) -> None:
        word = FinalWord(
            outcome=final.outcome,
            reason=final.reason,
            advice=final.advice,
            provider_status=exchanges[0].status or None,
            provider_reason=end.verdict.provider_reason,
            attempts=end.attempts,
            uncertain_attempts=end.uncertain_attempts,
        )
        ids = {exchange.row: id_ for exchange in exchanges if (id_ := self._provider.provider_id(exchange)) is not None}
        rows = [exchange.row for exchange in exchanges]
        self._settler.settle_rows(work, rows, word, dead_since_ms=end.verdict.dead_since_ms, provider_ids=ids)


def _round_up(disposition: Disposition, now_seconds: float) -> Disposition:
    """Return a delay that ends with a whole second: what is due in the same one is kept and given out together."""
    if not isinstance(disposition, RetryAfter):
        return disposition
    return RetryAfter(ceil(now_seconds + disposition.seconds) - now_seconds)
