"""Cases: everything known about each notification, filed from the caller's history and the providers' ledgers.

What can't be filed, because it belongs to nothing that was submitted, is a fault already here.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from enum import StrEnum

import msgspec

from bench.judging.arrivals import Arrival
from bench.judging.history import Answer, History, Receipt, Refusal, Submission

Key = tuple[str, int]


class FaultKind(StrEnum):
    """The counters of the RESULT line that must stay at zero."""

    LOST = "lost"
    DUPLICATE = "duplicates"
    MISMATCH = "mismatches"
    DECRYPT_FAILURE = "decrypt_failures"


class Fault(msgspec.Struct, frozen=True):
    """One disagreement. ``where`` names a notification by batch and index: destinations are nobody's business."""

    kind: FaultKind
    where: str
    detail: str


class Case(msgspec.Struct, kw_only=True):
    """One notification: what was submitted, what the caller heard, what the provider received (oldest first)."""

    submission: Submission
    answer: Answer | None = None
    refusal: str | None = None
    """The reason word, when the answer to its batch refused it."""
    receipts: list[Receipt] = []
    arrivals: list[Arrival] = []

    @property
    def place(self) -> str:
        """How it is named to people."""
        return describe_place(self.submission.batch_id, self.submission.index)

    @property
    def was_accepted(self) -> bool:
        """Whether the gateway answered that it took it."""
        return self.answer is not None and self.answer.error is None and self.refusal is None

    @property
    def processed(self) -> list[Arrival]:
        """The requests that the provider did not disown, those of earlier gateways first."""
        return sorted((each for each in self.arrivals if each.processed), key=lambda each: each.life)

    @property
    def results(self) -> list[Receipt]:
        """What it was told to have ended as: without what came again, unchanged, when the caller read anew."""
        kept: list[Receipt] = []
        for at, receipt in enumerate(self.receipts):
            same = [other.reading for other in self.receipts[:at] if receipt.is_same_result(other)]
            if not same or max(same) >= receipt.reading:
                kept.append(receipt)
        return kept

    @property
    def is_unknown(self) -> bool:
        """Whether it ended without anybody knowing how."""
        return any(receipt.outcome == "unknown" for receipt in self.receipts)

    @property
    def has_final_answer(self) -> bool:
        """Whether the caller knows how it ended."""
        return bool(self.receipts) or self.refusal is not None

    @property
    def was_repeated(self) -> bool:
        """Whether one gateway made more than one request for it."""
        lives = {arrival.life for arrival in self.arrivals}
        return len(self.arrivals) > len(lives) or any(receipt.attempts > 1 for receipt in self.receipts)


def file_cases(history: History, arrivals: Iterable[Arrival]) -> tuple[list[Case], list[Fault]]:
    """Return a case for every submission, and a fault for all that belongs to none."""
    cases = {(submission.batch_id, submission.index): Case(submission=submission) for submission in history.submissions}
    faults = [
        *_file_answers(cases, history.answers),
        *_file_receipts(cases, history.receipts),
        *_file_arrivals(cases, arrivals),
    ]
    return list(cases.values()), faults


def describe_place(batch_id: str, index: int) -> str:
    """Return the name of a notification in a message."""
    return f"{batch_id}[{index}]"


def _file_answers(cases: dict[Key, Case], answers: Iterable[Answer]) -> Iterator[Fault]:
    batches: dict[str, list[Case]] = defaultdict(list)
    for case in cases.values():
        batches[case.submission.batch_id].append(case)
    for answer in answers:
        batch = batches.get(answer.batch_id, [])
        yield from _check_answer(answer, batch)
        for case in batch:
            case.answer = answer
        yield from _file_refusals(cases, answer.batch_id, answer.refused)


def _check_answer(answer: Answer, batch: list[Case]) -> Iterator[Fault]:
    if not batch:
        yield Fault(FaultKind.MISMATCH, answer.batch_id, "was answered but never submitted")
    elif batch[0].answer is not None:
        yield Fault(FaultKind.DUPLICATE, answer.batch_id, "was answered twice")
    elif answer.error is None and answer.accepted + len(answer.refused) != len(batch):
        told = f"{answer.accepted} accepted and {len(answer.refused)} refused"
        yield Fault(FaultKind.MISMATCH, answer.batch_id, f"has {len(batch)} notifications, the answer says {told}")


def _file_refusals(cases: dict[Key, Case], batch_id: str, refusals: Iterable[Refusal]) -> Iterator[Fault]:
    for refusal in refusals:
        case = cases.get((batch_id, refusal.index))
        if case is not None:
            case.refusal = refusal.reason
        else:
            yield Fault(FaultKind.MISMATCH, describe_place(batch_id, refusal.index), "was refused but never submitted")


def _file_receipts(cases: dict[Key, Case], receipts: Iterable[Receipt]) -> Iterator[Fault]:
    for receipt in receipts:
        case = cases.get((receipt.batch_id, receipt.index))
        if case is not None:
            case.receipts.append(receipt)
        else:
            place = describe_place(receipt.batch_id, receipt.index)
            yield Fault(FaultKind.MISMATCH, place, "has a result but was never submitted")


def _file_arrivals(cases: dict[Key, Case], arrivals: Iterable[Arrival]) -> Iterator[Fault]:
    case_of_destination = {(case.submission.provider, case.submission.destination): case for case in cases.values()}
    for arrival in arrivals:
        case = case_of_destination.get((arrival.provider, arrival.destination))
        if case is not None:
            case.arrivals.append(arrival)
        else:
            place = f"{arrival.provider}, {arrival.place}"
            yield Fault(FaultKind.MISMATCH, place, "the provider received what nobody submitted")
