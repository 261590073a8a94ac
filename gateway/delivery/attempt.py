"""From how an exchange ended to what becomes of its row: a final word, or a repeat.

Only rows that did not simply succeed are looked at one by one. What is decided is decided by two tables in
``protocol``: the provider's (its words into ours) and the disposition's (our words into a deed). This file keeps the
history that the second one asks for, and carries out the deed or leaves it to the lane in a :class:`Conclusion`.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from math import ceil
from typing import assert_never

import msgspec

from gateway.clock import Clock
from gateway.delivery.provider import Provider
from gateway.delivery.settle import Delay, FinalWord, Settler
from gateway.delivery.work import Span, Work, spans_of, work_of
from native import Exchange, Requests
from protocol.disposition import (
    AttemptEnd,
    Hold,
    Policy,
    RepeatAtOnce,
    RetryAfter,
    Settle,
    dispose,
    settle_expired,
)
from protocol.exchanges import Ending
from protocol.outcomes import AttemptOutcome, Outcome, Remedy, Verdict
from protocol.unanswered import judge_unanswered


class Conclusion:
    """What a lane must do after some exchanges ended; settled rows are already with the settler."""

    __slots__ = ("_free", "_paid", "hold", "keeps_token", "replaces_session", "retried", "slows", "succeeded")

    def __init__(self) -> None:
        self._free: defaultdict[Work, list[int]] = defaultdict(list)
        self._paid: defaultdict[Work, list[int]] = defaultdict(list)
        self.hold: Verdict | None = None
        self.replaces_session = False
        self.keeps_token = False
        self.slows = False
        self.succeeded = 0  # rows that a provider accepted in more words than a plain success has
        self.retried = 0  # those of them that were retries

    def repeat(self, work: Work, row: int, *, spends_budget: bool) -> None:
        """Have a row sent again: at once, or as soon as the retry budget allows."""
        (self._paid if spends_budget else self._free)[work].append(row)

    @property
    def free_spans(self) -> list[Span]:
        """Rows to send again at once."""
        return _spans(self._free)

    @property
    def paid_spans(self) -> list[Span]:
        """Rows to send again when the retry budget allows."""
        return _spans(self._paid)


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

    def succeed(self, touched: Iterable[Requests]) -> tuple[int, int]:
        """Settle the plain successes of batches; return how many rows they were, and how many of them retries."""
        count = retried = 0
        for requests in touched:
            work = work_of(requests)
            ranges = requests.take_successes()
            rows = sum(stop - start for start, stop in ranges)
            count += rows
            retried += rows if work.ref.attempts else 0
            if not work.attempts:
                self._settler.settle_ranges(work, ranges, self._word_of_success(work, work.ref.attempts))
                continue
            for start, stop in ranges:
                for row in range(start, stop):
                    self._settler.settle_row(work, row, self._word_of_success(work, work.count_attempts(row)))
        return count, retried

    def _word_of_success(self, work: Work, attempts_before: int) -> FinalWord:
        uncertain_attempts = work.ref.uncertain_attempts
        if not attempts_before and not uncertain_attempts:
            return self._success
        return msgspec.structs.replace(
            self._success, attempts=attempts_before + 1, uncertain_attempts=uncertain_attempts
        )

    def expire(self, work: Work, row: int) -> None:
        """Settle a row whose deadline passed before it could be sent."""
        uncertain_attempts = work.ref.uncertain_attempts
        end = settle_expired(uncertain_attempts)
        word = FinalWord(
            outcome=end.outcome,
            reason=end.reason,
            attempts=work.count_attempts(row),
            uncertain_attempts=uncertain_attempts,
        )
        self._settler.settle_row(work, row, word)

    def refuse(self, work: Work, row: int, verdict: Verdict) -> None:
        """Settle a row that its provider's code won't send."""
        word = FinalWord(
            outcome=Outcome.REJECTED,
            reason=verdict.reason,
            advice=verdict.advice,
            attempts=work.count_attempts(row),
            uncertain_attempts=work.ref.uncertain_attempts,
        )
        self._settler.settle_row(work, row, word)

    def conclude(self, exchanges: Iterable[Exchange]) -> Conclusion:
        """Settle what is final, and return what is to be repeated and done."""
        conclusion = Conclusion()
        now_seconds = self._clock.wall()
        for exchange in exchanges:
            verdict = self._judge(exchange)
            if verdict.outcome is AttemptOutcome.ACCEPTED:
                conclusion.succeeded += 1
                conclusion.retried += work_of(exchange.requests).ref.attempts > 0
            self._dispose(exchange, verdict, now_seconds, conclusion)
        return conclusion

    def _judge(self, exchange: Exchange) -> Verdict:
        if exchange.ending is Ending.ANSWERED:
            return self._provider.classify(exchange)
        return judge_unanswered(exchange.ending, exchange.cause)

    def _dispose(self, exchange: Exchange, verdict: Verdict, now_seconds: float, conclusion: Conclusion) -> None:
        work = work_of(exchange.requests)
        row = exchange.row
        is_counted = verdict.outcome is not AttemptOutcome.UNREACHABLE
        variant = work.variant(row)
        end = AttemptEnd(
            verdict=verdict,
            attempts=work.count_attempts(row) + is_counted,
            uncertain_attempts=work.ref.uncertain_attempts + (verdict.outcome is AttemptOutcome.UNCERTAIN),
            # What was never written costs the provider nothing, however often: only what it refused is counted.
            repeats=work.repeats.get(row, 0) if exchange.ending is Ending.UNPROCESSED else 0,
            was_remedied=row in work.remedied,
            report_unknown=variant.report_unknown,
            single_try=variant.single_try,
            seconds_left=variant.expires_at_ms / 1000 - now_seconds,
        )
        if verdict.remedy is Remedy.KEEP_TOKEN:
            conclusion.keeps_token = True
        conclusion.slows |= verdict.remedy is Remedy.SLOW_LANE
        match dispose(end, self._policy, jitter=self._uniform(0.0, 1.0)):
            case Settle() as final:
                self._settle(exchange, verdict, final, end)
            case RepeatAtOnce(spends_budget=spends_budget, remedy=Remedy.NONE):
                if exchange.ending is Ending.UNPROCESSED:
                    work.repeats[row] = end.repeats + 1
                conclusion.repeat(work, row, spends_budget=spends_budget)
            case RepeatAtOnce(remedy=remedy):
                self._repeat_remedied(exchange, remedy, verdict, conclusion)
            case Hold():
                conclusion.hold = verdict
                conclusion.repeat(work, row, spends_budget=False)
            case RetryAfter(seconds=seconds):
                due_at_ms = _round_up(now_seconds + seconds)
                self._settler.postpone(work, row, Delay(due_at_ms, end.attempts, end.uncertain_attempts))
            case other:
                assert_never(other)

    def _repeat_remedied(self, exchange: Exchange, remedy: Remedy, verdict: Verdict, conclusion: Conclusion) -> None:
        work = work_of(exchange.requests)
        row = exchange.row
        if remedy is Remedy.FRESH_TOKEN:
            if not self._provider.renew_credential(exchange):
                # A token called expired that can't be renewed yet: a clock is wrong, and someone must look.
                conclusion.hold = verdict
                conclusion.repeat(work, row, spends_budget=False)
                return
            work.outdate()  # its requests may carry the old one
        if remedy is Remedy.FRESH_SESSION:
            conclusion.replaces_session = True
        work.remedied.add(row)
        work.attempts[row] = work.attempts.get(row, 0) + 1
        conclusion.repeat(work, row, spends_budget=True)

    def _settle(self, exchange: Exchange, verdict: Verdict, final: Settle, end: AttemptEnd) -> None:
        work = work_of(exchange.requests)
        word = FinalWord(
            outcome=final.outcome,
            reason=final.reason,
            advice=final.advice,
            provider_status=exchange.status or None,
            provider_reason=verdict.provider_reason,
            attempts=end.attempts,
            uncertain_attempts=end.uncertain_attempts,
        )
        self._settler.settle_row(
            work,
            exchange.row,
            word,
            dead_since_ms=verdict.dead_since_ms,
            provider_id=self._provider.provider_id(exchange),
        )


def _round_up(seconds: float) -> int:
    """Return the next whole second in milliseconds: what is due in the same one is kept and given out together."""
    return ceil(seconds) * 1000
