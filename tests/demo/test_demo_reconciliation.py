"""Every way in which a caller's history and a provider's ledger can disagree, by records made by hand."""

from collections.abc import Sequence

import msgspec
import pytest

from bench.demo.cases import FaultKind
from bench.demo.history import Answer, History, Receipt, Refusal, Submission
from bench.demo.plan import Kind
from bench.demo.reconcile import Reconciliation, reconcile
from bench.simulators.apns import ApnsLedgerEntry

KINDS = (Kind.LIVE, Kind.DEAD, Kind.MALFORMED)
TOKENS = ("a" * 64, "dead" + "b" * 60, "no token")
LIVE, DEAD, MALFORMED = range(3)


def submission(index: int, **changes: object) -> Submission:
    made = Submission(
        batch_id="b",
        index=index,
        id=f"n{index}",
        kind=KINDS[index],
        destination=TOKENS[index],
        body_sha256=f"hash {index}",
        sent_at=10.0,
    )
    return msgspec.structs.replace(made, **changes)


def receipt(index: int, **changes: object) -> Receipt:
    made = Receipt(
        batch_id="b",
        index=index,
        id=f"n{index}",
        outcome="rejected" if index == DEAD else "provider_accepted",
        reason="dead_token" if index == DEAD else None,
        provider_id=f"apns {index}",
        attempts=1,
        uncertain_attempts=0,
        received_at=11.0,
    )
    return msgspec.structs.replace(made, **changes)


def entry(index: int, **changes: object) -> ApnsLedgerEntry:
    made = ApnsLedgerEntry(
        at=1,
        session=1,
        stream=2 * index + 1,
        destination=TOKENS[index],
        apns_id=f"apns {index}",
        body_sha256=f"hash {index}",
        bytes=300,
        status=410 if index == DEAD else 200,
        reason="Unregistered" if index == DEAD else None,
        processed=True,
    )
    return msgspec.structs.replace(made, **changes)


def answer(**changes: object) -> Answer:
    made = Answer(
        batch_id="b",
        accepted=2,
        refused=[Refusal(index=MALFORMED, reason="invalid_token")],
        error=None,
        answered_at=10.5,
    )
    return msgspec.structs.replace(made, **changes)


def check(
    *,
    answers: Sequence[Answer] | None = None,
    receipts: Sequence[Receipt] | None = None,
    ledger: Sequence[ApnsLedgerEntry] | None = None,
    submissions: Sequence[Submission] | None = None,
) -> Reconciliation:
    """Reconcile a run in which everything is right but for what is given."""
    history = History(
        submissions=[submission(index) for index in range(3)] if submissions is None else list(submissions),
        answers=[answer()] if answers is None else list(answers),
        receipts=[receipt(LIVE), receipt(DEAD)] if receipts is None else list(receipts),
    )
    return reconcile(history, [entry(LIVE), entry(DEAD)] if ledger is None else list(ledger))


def counts(reconciliation: Reconciliation) -> tuple[int, int, int]:
    """Return lost, duplicates, mismatches."""
    lost, duplicates, mismatches = (reconciliation.count(kind) for kind in FaultKind)
    return lost, duplicates, mismatches


def test_a_run_in_which_everything_is_right_has_no_faults():
    reconciliation = check()
    assert reconciliation.faults == []
    assert reconciliation.answered == 3


def test_a_repeat_of_what_was_not_processed_is_no_duplicate():
    refused = entry(LIVE, status=None, processed=False)
    reconciliation = check(ledger=[refused, entry(LIVE, session=2), entry(DEAD)])
    assert reconciliation.faults == []
    assert [case.was_repeated for case in reconciliation.cases] == [True, False, False]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_repeat_that_the_provider_asked_for_is_no_duplicate(status: int):
    assert check(ledger=[entry(LIVE, status=status), entry(LIVE, session=2), entry(DEAD)]).faults == []


# --- lost ---


def test_accepted_without_a_result_is_lost():
    reconciliation = check(receipts=[receipt(DEAD)])
    assert counts(reconciliation) == (1, 0, 0)
    assert reconciliation.answered == 2
    assert reconciliation.faults[0].where == "b[0]"


def test_a_batch_without_an_answer_is_lost():
    assert counts(check(answers=[], receipts=[], ledger=[])) == (3, 0, 0)


def test_a_batch_refused_whole_is_lost_and_says_why():
    reconciliation = check(answers=[answer(accepted=0, refused=[], error="overloaded")], receipts=[], ledger=[])
    assert counts(reconciliation) == (3, 0, 0)
    assert "overloaded" in reconciliation.faults[0].detail


# --- duplicates ---


def test_two_results_are_a_duplicate():
    assert counts(check(receipts=[receipt(LIVE), receipt(DEAD), receipt(LIVE)])) == (0, 1, 0)


def test_processed_twice_is_a_duplicate():
    assert counts(check(ledger=[entry(LIVE), entry(DEAD), entry(LIVE, stream=9)])) == (0, 1, 0)


@pytest.mark.parametrize("status", [None, 410, 400])
def test_processed_again_after_no_answer_or_a_final_one_is_a_duplicate(status: int | None):
    assert counts(check(ledger=[entry(LIVE, status=status), entry(LIVE), entry(DEAD)]))[:2] == (0, 1)


def test_a_second_answer_to_a_batch_is_a_duplicate():
    assert counts(check(answers=[answer(), answer()])) == (0, 1, 0)


# --- mismatches ---


def test_another_body_is_a_mismatch():
    assert counts(check(ledger=[entry(LIVE, body_sha256="other"), entry(DEAD)])) == (0, 0, 1)


def test_another_body_in_a_request_that_was_not_processed_is_a_mismatch_too():
    spoilt = entry(LIVE, body_sha256="other", status=None, processed=False)
    assert counts(check(ledger=[spoilt, entry(LIVE), entry(DEAD)])) == (0, 0, 1)


OUTCOMES = [
    # outcome, reason, statuses that the provider gave, whether both can be true
    ("provider_accepted", None, [200], True),
    ("provider_accepted", None, [], False),
    ("provider_accepted", None, [410], False),
    ("provider_accepted", None, [None], False),
    ("rejected", "dead_token", [410], True),
    ("rejected", "dead_token", [400], False),
    ("rejected", "dead_token", [200], False),
    ("rejected", "invalid_token", [400], True),
    ("rejected", "invalid_token", [410], False),
    ("rejected", "invalid_token", [429], False),
    ("rejected", "invalid_token", [], False),
    ("rejected", "invalid_token", [200], False),
    ("failed", "rate_limited", [429], True),
    ("failed", "link_lost", [], True),
    ("failed", "provider_error", [200], False),
    ("failed", "link_lost", [None], False),
    ("expired", "expired", [], True),
    ("expired", "expired", [200], False),
    ("cancelled", "cancelled", [200], False),
]


@pytest.mark.parametrize(("outcome", "reason", "statuses", "agrees"), OUTCOMES)
def test_an_outcome_must_be_what_the_ledger_says(
    outcome: str, reason: str | None, statuses: list[int | None], agrees: bool
):
    told = receipt(LIVE, outcome=outcome, reason=reason)
    seen = [entry(LIVE, status=status) for status in statuses]
    assert counts(check(receipts=[told, receipt(DEAD)], ledger=[*seen, entry(DEAD)])) == (0, 0, 0 if agrees else 1)


@pytest.mark.parametrize(("uncertain", "mismatches"), [(1, 0), (0, 1)])
def test_unknown_needs_an_attempt_without_an_answer(uncertain: int, mismatches: int):
    told = receipt(LIVE, outcome="unknown", reason="link_lost", uncertain_attempts=uncertain)
    ledger = [entry(LIVE, status=None), entry(DEAD)]
    assert counts(check(receipts=[told, receipt(DEAD)], ledger=ledger)) == (0, 0, mismatches)


def test_an_outcome_from_a_request_that_was_not_processed_is_a_mismatch():
    assert counts(check(ledger=[entry(LIVE, processed=False), entry(DEAD)])) == (0, 0, 1)


def test_refused_but_sent_is_a_mismatch():
    assert counts(check(ledger=[entry(LIVE), entry(DEAD), entry(MALFORMED)])) == (0, 0, 1)


def test_refused_with_the_whole_batch_but_sent_is_a_mismatch():
    refusal = answer(accepted=0, refused=[], error="overloaded")
    assert counts(check(answers=[refusal], receipts=[], ledger=[entry(LIVE)])) == (3, 0, 1)


def test_refused_with_a_result_is_a_mismatch():
    receipts = [receipt(LIVE), receipt(DEAD), receipt(MALFORMED, outcome="failed", reason="timeout")]
    assert counts(check(receipts=receipts)) == (0, 0, 1)


def test_refusing_what_is_well_formed_is_a_mismatch():
    refused = [Refusal(index=index, reason="invalid_token") for index in (LIVE, MALFORMED)]
    reconciliation = check(
        answers=[answer(accepted=1, refused=refused)], receipts=[receipt(DEAD)], ledger=[entry(DEAD)]
    )
    assert counts(reconciliation) == (0, 0, 1)


def test_accepting_what_is_malformed_is_a_mismatch():
    receipts = [receipt(LIVE), receipt(DEAD), receipt(MALFORMED, outcome="rejected", reason="invalid_token")]
    ledger = [entry(LIVE), entry(DEAD), entry(MALFORMED, status=400, reason="BadDeviceToken")]
    assert counts(check(answers=[answer(accepted=3, refused=[])], receipts=receipts, ledger=ledger)) == (0, 0, 1)


def test_what_nobody_submitted_is_a_mismatch():
    assert counts(check(ledger=[entry(LIVE), entry(DEAD), entry(LIVE, destination="c" * 64)])) == (0, 0, 1)


def test_a_result_of_what_was_never_submitted_is_a_mismatch():
    assert counts(check(receipts=[receipt(LIVE), receipt(DEAD), msgspec.structs.replace(receipt(LIVE), index=7)])) == (
        0,
        0,
        1,
    )


def test_a_refusal_of_what_was_never_submitted_is_a_mismatch():
    refused = [Refusal(index=index, reason="invalid_token") for index in (MALFORMED, 7)]
    assert counts(check(answers=[answer(accepted=1, refused=refused)])) == (0, 0, 1)


def test_an_answer_to_a_batch_that_was_never_submitted_is_a_mismatch():
    assert counts(check(answers=[answer(), answer(batch_id="other", refused=[])])) == (0, 0, 1)


def test_an_answer_that_counts_wrong_is_a_mismatch():
    assert counts(check(answers=[answer(accepted=3)])) == (0, 0, 1)


def test_another_id_is_a_mismatch():
    assert counts(check(receipts=[receipt(LIVE, id="n9"), receipt(DEAD)])) == (0, 0, 1)


def test_another_apns_id_than_the_provider_saw_is_a_mismatch():
    assert counts(check(receipts=[receipt(LIVE, provider_id="apns 9"), receipt(DEAD)])) == (0, 0, 1)


def test_faults_never_name_a_destination():
    reconciliation = check(receipts=[receipt(LIVE)] * 2, ledger=[entry(LIVE, destination="c" * 64)])
    assert reconciliation.faults
    words = " ".join(f"{fault.where} {fault.detail}" for fault in reconciliation.faults)
    assert not any(token in words for token in (*TOKENS, "c" * 64))
