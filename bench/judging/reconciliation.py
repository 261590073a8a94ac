"""Does the caller's history agree with what the providers received? Pure: records in, counts and faults out.

The gateway is never asked. What the caller submitted and was told stands on one side, the simulators' ledgers on the
other. Each rule looks at one case, which is everything known about a notification, and yields what it finds:

- *lost*: the notification has no final answer, neither a result nor a refusal in the answer to its batch.
- *duplicate*: it has more than one, or the provider processed it more than once without having asked for a repeat and
  without a kill of the gateway in between. What a kill made the gateway send again is counted elsewhere (`kills`).
- *decrypt failure*: it arrived so that its browser could not read it.
- *mismatch*: it ended otherwise than it had to, what the caller was told is not what the provider did, or what the
  provider received is not what the caller submitted.

What belongs to no submission (results, answers, requests) is a mismatch too.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise

import msgspec

from bench.judging.arrivals import Arrival
from bench.judging.cases import Case, Fault, FaultKind, file_cases
from bench.judging.history import History, Kind, Receipt

Finding = tuple[FaultKind, str]


class Reconciliation(msgspec.Struct, frozen=True):
    """Every case and every fault."""

    cases: list[Case]
    faults: list[Fault]

    def count(self, kind: FaultKind) -> int:
        """Return how many faults there are of a kind."""
        return sum(fault.kind is kind for fault in self.faults)

    @property
    def answered(self) -> int:
        """The notifications with a final answer."""
        return sum(case.has_final_answer for case in self.cases)


def reconcile(history: History, arrivals: Iterable[Arrival], *, kills: int = 0) -> Reconciliation:
    """Compare the two sides; ``kills`` is how often the gateway was killed."""
    cases, faults = file_cases(history, arrivals)
    for case in cases:
        faults += (Fault(kind, case.place, detail) for rule in _RULES for kind, detail in rule(case))
        if case.is_unknown and case.submission.reports_unknown:
            faults += (Fault(kind, case.place, detail) for kind, detail in _is_rightly_unknown(case, kills))
    return Reconciliation(cases, faults)


def _is_answered(case: Case) -> Iterator[Finding]:
    if case.has_final_answer:
        return
    if case.answer is None:
        yield FaultKind.LOST, "its batch was never answered"
    elif case.answer.error is not None:
        yield FaultKind.LOST, f"its batch was refused whole: {case.answer.error}"
    else:
        yield FaultKind.LOST, "was accepted and has no result"


def _is_answered_once(case: Case) -> Iterator[Finding]:
    for _ in case.results[1:]:
        yield FaultKind.DUPLICATE, f"has {len(case.results)} results"


def _is_processed_once(case: Case) -> Iterator[Finding]:
    for earlier, later in pairwise(case.processed):
        if not earlier.asks_for_repeat and earlier.life == later.life:
            yield FaultKind.DUPLICATE, f"was processed again on {later.place}"
        if earlier.life < later.life and case.submission.reports_unknown:
            yield FaultKind.MISMATCH, f"was to be reported, and was sent again on {later.place}"


def _is_let_in_rightly(case: Case) -> Iterator[Finding]:
    expected = case.submission.refusal
    if case.refusal is not None and case.refusal != expected:
        right = "nothing is wrong with it" if expected is None else f"it had to be refused as {expected}"
        yield FaultKind.MISMATCH, f"was refused as {case.refusal}, but {right}"
    if case.was_accepted and expected is not None:
        yield FaultKind.MISMATCH, f"was accepted, but had to be refused as {expected}"


def _is_kept_out_when_refused(case: Case) -> Iterator[Finding]:
    if case.was_accepted or case.answer is None:
        return
    if case.receipts:
        yield FaultKind.MISMATCH, "was refused and has a result all the same"
    if case.arrivals:
        yield FaultKind.MISMATCH, "was refused and went to the provider all the same"


def _is_readable(case: Case) -> Iterator[Finding]:
    for arrival in case.arrivals:
        if arrival.undecryptable is not None:
            yield FaultKind.DECRYPT_FAILURE, f"could not be read on {arrival.place}: {arrival.undecryptable}"


def _is_untouched(case: Case) -> Iterator[Finding]:
    for arrival in case.arrivals:
        if arrival.undecryptable is None and arrival.body_sha256 != case.submission.body_sha256:
            yield FaultKind.MISMATCH, f"arrived with another body on {arrival.place}"


def _is_named_rightly(case: Case) -> Iterator[Finding]:
    for receipt in case.results:
        if receipt.id != case.submission.id:
            yield FaultKind.MISMATCH, "its result carries another id"
        if receipt.provider != case.submission.provider:
            yield FaultKind.MISMATCH, f"its result names another provider: {receipt.provider}"
        if receipt.outcome == "unknown":
            continue  # it may have been taken under a name that nobody heard
        is_accepted = receipt.outcome == "provider_accepted"
        known = {arrival.provider_id for arrival in case.arrivals if arrival.is_success or not is_accepted}
        if known and receipt.provider_id not in known:
            yield FaultKind.MISMATCH, "its result has another provider_id than the provider gave or saw"


def _ends_rightly(case: Case) -> Iterator[Finding]:
    """Say once of a result what is wrong with it: that it is not the right one comes before that it is not true."""
    if case.submission.kind is Kind.MALFORMED:
        return
    right = ("provider_accepted", None) if case.submission.kind is Kind.LIVE else ("rejected", "dead_token")
    for receipt in case.results:
        if receipt.outcome == "unknown" and case.submission.reports_unknown:
            continue  # whether that may be is asked of the kills
        if (receipt.outcome, receipt.reason) != right:
            yield FaultKind.MISMATCH, f"ended {_describe_end(receipt)}, but is {case.submission.kind}"
        elif not _is_borne_out(case):
            seen = ", ".join(_describe(arrival) for arrival in case.processed) or "nothing"
            yield FaultKind.MISMATCH, f"ended {_describe_end(receipt)}, but the provider's ledger has {seen}"


def _is_rightly_unknown(case: Case, kills: int) -> Iterator[Finding]:
    """Only a gateway that was killed is uncertain here: neither without kills, nor the one after the last."""
    if not kills or any(arrival.life == kills for arrival in case.processed):
        yield FaultKind.MISMATCH, "ended unknown, but no gateway was killed that may have sent it"


_RULES: tuple[Callable[[Case], Iterator[Finding]], ...] = (
    _is_answered,
    _is_answered_once,
    _is_processed_once,
    _is_let_in_rightly,
    _is_kept_out_when_refused,
    _is_readable,
    _is_untouched,
    _is_named_rightly,
    _ends_rightly,
)


def _is_borne_out(case: Case) -> bool:
    """Tell whether the provider has done what the right result says."""
    if case.submission.kind is Kind.LIVE:
        return any(arrival.is_success for arrival in case.processed)
    # Without an answer it may have been taken: that would have been told as unknown, by who knows that it was sent.
    told_by = max((arrival.life for arrival in case.processed), default=0)
    may_be_taken = any(
        arrival.is_success or (arrival.status is None and arrival.life == told_by) for arrival in case.processed
    )
    return any(arrival.says_dead for arrival in case.processed) and not may_be_taken


def _describe_end(receipt: Receipt) -> str:
    return f"{receipt.outcome} ({receipt.reason})" if receipt.reason else receipt.outcome


def _describe(arrival: Arrival) -> str:
    answer = "no answer" if arrival.status is None else f"status {arrival.status}"
    return f"{answer} {arrival.reason}" if arrival.reason else answer
