"""Does the caller's history agree with what the simulator received? Pure: records in, counts and faults out.

The gateway is never asked. What the caller submitted and was told stands on one side, the simulator's ledger on the
other. Each rule looks at one case, which is everything known about a notification, and yields what it finds:

- *lost*: the notification has no final answer, neither a result nor a refusal in the answer to its batch.
- *duplicate*: it has more than one, or the provider processed it more than once without having asked for a repeat.
- *mismatch*: what the caller was told, or what the provider received, is not what the other side says.

What belongs to no submission (results, answers, ledger entries) is a mismatch too.
"""

from collections.abc import Callable, Iterator
from itertools import pairwise

import msgspec

from bench.demo.cases import Case, Fault, FaultKind, file_cases
from bench.demo.history import History, Receipt
from bench.demo.plan import Kind
from bench.simulators.apns import ApnsLedgerEntry

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


def reconcile(history: History, ledger: list[ApnsLedgerEntry]) -> Reconciliation:
    """Compare the two sides."""
    cases, faults = file_cases(history, ledger)
    for case in cases:
        faults += (Fault(kind, case.place, detail) for rule in _RULES for kind, detail in rule(case))
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
    for _ in case.receipts[1:]:
        yield FaultKind.DUPLICATE, f"has {len(case.receipts)} results"


def _is_processed_once(case: Case) -> Iterator[Finding]:
    """Allow a repeat only after an answer that asks for one: APNs says so with 429, 500 and 503."""
    for earlier, later in pairwise(case.processed):
        if not _asks_for_repeat(earlier):
            yield FaultKind.DUPLICATE, f"was processed again on session {later.session}, stream {later.stream}"


def _is_let_in_rightly(case: Case) -> Iterator[Finding]:
    is_malformed = case.submission.kind is Kind.MALFORMED
    if case.refusal is not None and not is_malformed:
        yield FaultKind.MISMATCH, f"was refused although nothing is wrong with it: {case.refusal}"
    if case.was_accepted and is_malformed:
        yield FaultKind.MISMATCH, "was accepted although its destination is malformed"


def _is_kept_out_when_refused(case: Case) -> Iterator[Finding]:
    if case.was_accepted or case.answer is None:
        return
    if case.receipts:
        yield FaultKind.MISMATCH, "was refused and has a result all the same"
    if case.entries:
        yield FaultKind.MISMATCH, "was refused and went to the provider all the same"


def _is_untouched(case: Case) -> Iterator[Finding]:
    for entry in case.entries:
        if entry.body_sha256 != case.submission.body_sha256:
            yield FaultKind.MISMATCH, f"arrived with another body on session {entry.session}, stream {entry.stream}"


def _is_named_rightly(case: Case) -> Iterator[Finding]:
    for receipt in case.receipts:
        if receipt.id != case.submission.id:
            yield FaultKind.MISMATCH, "its result carries another id"
        known = {entry.apns_id for entry in case.entries}
        if known and receipt.provider_id not in known:
            yield FaultKind.MISMATCH, "its result names an apns-id that the provider never saw with it"


def _is_told_truly(case: Case) -> Iterator[Finding]:
    for receipt in case.receipts:
        if not _agrees(receipt, case.processed):
            seen = ", ".join(_describe(entry) for entry in case.processed) or "nothing"
            reason = f" ({receipt.reason})" if receipt.reason else ""
            yield FaultKind.MISMATCH, f"ended {receipt.outcome}{reason}, but the provider's ledger has {seen}"


_RULES: tuple[Callable[[Case], Iterator[Finding]], ...] = (
    _is_answered,
    _is_answered_once,
    _is_processed_once,
    _is_let_in_rightly,
    _is_kept_out_when_refused,
    _is_untouched,
    _is_named_rightly,
    _is_told_truly,
)


def _agrees(receipt: Receipt, processed: list[ApnsLedgerEntry]) -> bool:
    """Tell whether an outcome can be true, given what the provider processed and how it answered."""
    statuses = {entry.status for entry in processed}
    match receipt.outcome:
        case "provider_accepted":
            return 200 in statuses
        case "unknown":
            return receipt.uncertain_attempts > 0
        case "rejected" if receipt.reason == "dead_token":
            return 410 in statuses and statuses.isdisjoint((200, None))
        case "rejected":
            return any(_is_refusal(status) for status in statuses) and statuses.isdisjoint((200, None))
        case _:  # all others promise: certainly not taken
            return statuses.isdisjoint((200, None))


def _is_refusal(status: int | None) -> bool:
    return status is not None and 400 <= status < 500 and status not in (410, 429)


def _asks_for_repeat(entry: ApnsLedgerEntry) -> bool:
    return entry.status is not None and (entry.status == 429 or entry.status >= 500)


def _describe(entry: ApnsLedgerEntry) -> str:
    answer = "no answer" if entry.status is None else f"status {entry.status}"
    return f"{answer} {entry.reason}" if entry.reason else answer
