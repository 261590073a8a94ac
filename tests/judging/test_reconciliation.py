"""Every way in which a caller's history and the providers' ledgers can disagree, by records made by hand."""

from collections.abc import Sequence

import msgspec
import pytest

from bench.judging.arrivals import Arrival
from bench.judging.cases import FaultKind
from bench.judging.history import Answer, History, Kind, ProviderName, Receipt, Refusal, Submission
from bench.judging.reconciliation import Reconciliation, reconcile

KINDS = (Kind.LIVE, Kind.DEAD, Kind.MALFORMED)
TOKENS = ("a" * 64, "dead" + "b" * 60, "no token")
LIVE, DEAD, MALFORMED = range(3)


def submission(index: int, **changes: object) -> Submission:
    made = Submission(
        batch_id="b",
        index=index,
        id=f"n{index}",
        provider=ProviderName.APNS,
        kind=KINDS[index],
        destination=TOKENS[index],
        body_sha256=f"hash {index}",
        refusal="invalid_token" if index == MALFORMED else None,
        sent_at=10.0,
    )
    return msgspec.structs.replace(made, **changes)


def receipt(index: int, **changes: object) -> Receipt:
    made = Receipt(
        batch_id="b",
        index=index,
        id=f"n{index}",
        provider="apns",
        outcome="rejected" if index == DEAD else "provider_accepted",
        reason="dead_token" if index == DEAD else None,
        provider_id=f"id {index}",
        attempts=1,
        uncertain_attempts=0,
        received_at=11.0,
    )
    return msgspec.structs.replace(made, **changes)


def arrival(index: int, **changes: object) -> Arrival:
    made = Arrival(
        provider=ProviderName.APNS,
        at=1_000,
        settled_at=1_020,
        session=1,
        stream=2 * index + 1,
        destination=TOKENS[index],
        body_sha256=f"hash {index}",
        status=410 if index == DEAD else 200,
        reason="Unregistered" if index == DEAD else None,
        processed=True,
        provider_id=f"id {index}",
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
    arrivals: Sequence[Arrival] | None = None,
    submissions: Sequence[Submission] | None = None,
    kills: int = 0,
) -> Reconciliation:
    """Reconcile a run in which everything is right but for what is given."""
    history = History(
        submissions=[submission(index) for index in range(3)] if submissions is None else list(submissions),
        answers=[answer()] if answers is None else list(answers),
        receipts=[receipt(LIVE), receipt(DEAD)] if receipts is None else list(receipts),
    )
    given = [arrival(LIVE), arrival(DEAD)] if arrivals is None else list(arrivals)
    return reconcile(history, given, kills=kills)


def counts(reconciliation: Reconciliation) -> tuple[int, int, int]:
    """Return lost, duplicates, mismatches; no message is unreadable where it isn't said so."""
    lost, duplicates, mismatches, unreadable = (reconciliation.count(kind) for kind in FaultKind)
    assert unreadable == 0
    return lost, duplicates, mismatches


def test_a_run_in_which_everything_is_right_has_no_faults():
    reconciliation = check()
    assert reconciliation.faults == []
    assert reconciliation.answered == 3


def test_a_repeat_of_what_was_not_processed_is_no_duplicate():
    refused = arrival(LIVE, status=None, processed=False)
    reconciliation = check(arrivals=[refused, arrival(LIVE, session=2), arrival(DEAD)])
    assert reconciliation.faults == []
    assert [case.was_repeated for case in reconciliation.cases] == [True, False, False]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_repeat_that_the_provider_asked_for_is_no_duplicate(status: int):
    assert check(arrivals=[arrival(LIVE, status=status), arrival(LIVE, session=2), arrival(DEAD)]).faults == []


# --- lost ---


def test_accepted_without_a_result_is_lost():
    reconciliation = check(receipts=[receipt(DEAD)])
    assert counts(reconciliation) == (1, 0, 0)
    assert reconciliation.answered == 2
    assert reconciliation.faults[0].where == "b[0]"


def test_a_batch_without_an_answer_is_lost():
    assert counts(check(answers=[], receipts=[], arrivals=[])) == (3, 0, 0)


def test_a_batch_refused_whole_is_lost_and_says_why():
    reconciliation = check(answers=[answer(accepted=0, refused=[], error="overloaded")], receipts=[], arrivals=[])
    assert counts(reconciliation) == (3, 0, 0)
    assert "overloaded" in reconciliation.faults[0].detail


# --- duplicates ---


def test_two_results_are_a_duplicate():
    assert counts(check(receipts=[receipt(LIVE), receipt(DEAD), receipt(LIVE)])) == (0, 1, 0)


def test_processed_twice_is_a_duplicate():
    assert counts(check(arrivals=[arrival(LIVE), arrival(DEAD), arrival(LIVE, stream=9)])) == (0, 1, 0)


@pytest.mark.parametrize("status", [None, 410, 400])
def test_processed_again_after_no_answer_or_a_final_one_is_a_duplicate(status: int | None):
    assert counts(check(arrivals=[arrival(LIVE, status=status), arrival(LIVE), arrival(DEAD)]))[:2] == (0, 1)


def test_a_second_answer_to_a_batch_is_a_duplicate():
    assert counts(check(answers=[answer(), answer()])) == (0, 1, 0)


# --- mismatches ---


def test_another_body_is_a_mismatch():
    assert counts(check(arrivals=[arrival(LIVE, body_sha256="other"), arrival(DEAD)])) == (0, 0, 1)


def test_another_body_in_a_request_that_was_not_processed_is_a_mismatch_too():
    spoilt = arrival(LIVE, body_sha256="other", status=None, processed=False)
    assert counts(check(arrivals=[spoilt, arrival(LIVE), arrival(DEAD)])) == (0, 0, 1)


ENDS = [
    # which, how it ended, statuses that the provider gave, whether that is right and true
    (LIVE, "provider_accepted", None, [200], True),
    (LIVE, "provider_accepted", None, [503, 200], True),
    (LIVE, "provider_accepted", None, [], False),
    (LIVE, "provider_accepted", None, [410], False),
    (LIVE, "provider_accepted", None, [None], False),
    (LIVE, "rejected", "dead_token", [410], False),
    (LIVE, "rejected", "invalid_payload", [400], False),
    (LIVE, "failed", "rate_limited", [429], False),
    (LIVE, "failed", "link_lost", [], False),
    (LIVE, "expired", "expired", [], False),
    (LIVE, "unknown", "link_lost", [None], False),
    (DEAD, "rejected", "dead_token", [410], True),
    (DEAD, "rejected", "dead_token", [503, 410], True),
    (DEAD, "rejected", "dead_token", [400], False),
    (DEAD, "rejected", "dead_token", [200], False),
    (DEAD, "rejected", "dead_token", [], False),
    (DEAD, "rejected", "invalid_token", [410], False),
    (DEAD, "provider_accepted", None, [200], False),
    (DEAD, "failed", "provider_error", [500], False),
]


@pytest.mark.parametrize(("index", "outcome", "reason", "statuses", "is_right"), ENDS)
def test_an_end_must_be_the_planned_one_and_what_the_ledger_says(
    index: int, outcome: str, reason: str | None, statuses: list[int | None], is_right: bool
):
    told = receipt(index, outcome=outcome, reason=reason)
    seen = [arrival(index, status=status) for status in statuses]
    other = DEAD if index == LIVE else LIVE
    reconciliation = check(receipts=[told, receipt(other)], arrivals=[*seen, arrival(other)])
    assert counts(reconciliation) == (0, 0, 0 if is_right else 1)


def test_dead_needs_that_nothing_went_without_an_answer():
    seen = [arrival(LIVE), arrival(DEAD, status=None), arrival(DEAD)]
    assert counts(check(arrivals=seen)) == (0, 1, 1)


def test_an_outcome_from_a_request_that_was_not_processed_is_a_mismatch():
    assert counts(check(arrivals=[arrival(LIVE, processed=False), arrival(DEAD)])) == (0, 0, 1)


def test_refused_but_sent_is_a_mismatch():
    assert counts(check(arrivals=[arrival(LIVE), arrival(DEAD), arrival(MALFORMED)])) == (0, 0, 1)


def test_refused_with_the_whole_batch_but_sent_is_a_mismatch():
    refusal = answer(accepted=0, refused=[], error="overloaded")
    assert counts(check(answers=[refusal], receipts=[], arrivals=[arrival(LIVE)])) == (3, 0, 1)


def test_refused_with_a_result_is_a_mismatch():
    receipts = [receipt(LIVE), receipt(DEAD), receipt(MALFORMED, outcome="failed", reason="timeout")]
    assert counts(check(receipts=receipts)) == (0, 0, 1)


def test_refusing_what_is_well_formed_is_a_mismatch():
    refused = [Refusal(index=index, reason="invalid_token") for index in (LIVE, MALFORMED)]
    reconciliation = check(
        answers=[answer(accepted=1, refused=refused)], receipts=[receipt(DEAD)], arrivals=[arrival(DEAD)]
    )
    assert counts(reconciliation) == (0, 0, 1)


def test_refusing_what_is_malformed_for_another_reason_is_a_mismatch():
    refused = [Refusal(index=MALFORMED, reason="invalid_payload")]
    assert counts(check(answers=[answer(refused=refused)])) == (0, 0, 1)


def test_accepting_what_is_malformed_is_a_mismatch():
    receipts = [receipt(LIVE), receipt(DEAD), receipt(MALFORMED, outcome="rejected", reason="invalid_token")]
    ledger = [arrival(LIVE), arrival(DEAD), arrival(MALFORMED, status=400, reason="BadDeviceToken")]
    assert counts(check(answers=[answer(accepted=3, refused=[])], receipts=receipts, arrivals=ledger)) == (0, 0, 1)


def test_what_nobody_submitted_is_a_mismatch():
    assert counts(check(arrivals=[arrival(LIVE), arrival(DEAD), arrival(LIVE, destination="c" * 64)])) == (0, 0, 1)


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


def test_another_provider_id_than_the_provider_saw_is_a_mismatch():
    assert counts(check(receipts=[receipt(LIVE, provider_id="id 9"), receipt(DEAD)])) == (0, 0, 1)


def test_faults_never_name_a_destination():
    reconciliation = check(receipts=[receipt(LIVE)] * 2, arrivals=[arrival(LIVE, destination="c" * 64)])
    assert reconciliation.faults
    words = " ".join(f"{fault.where} {fault.detail}" for fault in reconciliation.faults)
    assert not any(token in words for token in (*TOKENS, "c" * 64))


def test_a_result_of_another_provider_is_a_mismatch():
    assert counts(check(receipts=[receipt(LIVE, provider="fcm"), receipt(DEAD)])) == (0, 0, 1)


def test_what_came_to_another_provider_is_a_mismatch():
    strayed = arrival(LIVE, provider=ProviderName.FCM)
    assert counts(check(arrivals=[arrival(LIVE), arrival(DEAD), strayed])) == (0, 0, 1)


@pytest.mark.parametrize(("told", "mismatches"), [("name", 0), ("other", 1), (None, 1)])
def test_an_accepted_message_has_the_name_that_its_success_gave(told: str | None, mismatches: int):
    """An attempt that was refused before gave none."""
    seen = [arrival(LIVE, status=503, provider_id=None), arrival(LIVE, provider_id="name"), arrival(DEAD)]
    receipts = [receipt(LIVE, provider_id=told), receipt(DEAD)]
    assert counts(check(arrivals=seen, receipts=receipts)) == (0, 0, mismatches)


def test_a_message_that_its_browser_cannot_read_is_a_decrypt_failure_and_nothing_else():
    unreadable = arrival(LIVE, undecryptable="no tag fits", body_sha256="")
    reconciliation = check(arrivals=[unreadable, arrival(DEAD)])
    assert [(fault.kind, fault.where) for fault in reconciliation.faults] == [(FaultKind.DECRYPT_FAILURE, "b[0]")]


def test_an_unreadable_request_that_was_not_processed_is_a_decrypt_failure_too():
    unreadable = arrival(LIVE, undecryptable="no tag fits", body_sha256="", status=None, processed=False)
    reconciliation = check(arrivals=[unreadable, arrival(LIVE), arrival(DEAD)])
    assert [fault.kind for fault in reconciliation.faults] == [FaultKind.DECRYPT_FAILURE]


# --- kills ---


def reported(index: int = LIVE) -> list[Submission]:
    """Return submissions of which one is not to be sent again."""
    return [submission(each, reports_unknown=each == index) for each in range(3)]


def test_what_a_later_gateway_sends_again_is_no_duplicate_of_one_gateway():
    again = [arrival(LIVE, status=None), arrival(LIVE, life=1), arrival(DEAD)]
    reconciliation = check(arrivals=again, kills=1)
    assert reconciliation.faults == []
    assert not any(case.was_repeated for case in reconciliation.cases)


def test_lives_are_told_apart_in_whatever_order_the_ledger_has_them():
    """A connection's end may be seen after the next gateway's first request."""
    assert check(arrivals=[arrival(LIVE, life=1), arrival(LIVE, status=None), arrival(DEAD)], kills=1).faults == []


def test_a_duplicate_of_one_gateway_stays_one_whatever_was_killed():
    twice = [arrival(LIVE), arrival(LIVE, life=1), arrival(LIVE, life=1, stream=9), arrival(DEAD)]
    assert counts(check(arrivals=twice, kills=1)) == (0, 1, 0)


def test_a_dead_destination_may_have_been_cut_off_by_a_kill():
    assert check(arrivals=[arrival(LIVE), arrival(DEAD, status=None), arrival(DEAD, life=1)], kills=1).faults == []


def test_the_same_result_read_anew_is_no_duplicate():
    receipts = [receipt(LIVE), receipt(DEAD), receipt(LIVE, reading=2, received_at=19.0)]
    assert check(receipts=receipts, kills=1).faults == []


def test_the_same_result_twice_in_one_reading_is_a_duplicate():
    receipts = [receipt(LIVE), receipt(DEAD), *[receipt(LIVE, reading=2)] * 2]
    assert counts(check(receipts=receipts, kills=1)) == (0, 1, 0)


def test_another_final_result_is_a_duplicate_however_often_it_was_read():
    receipts = [receipt(LIVE), receipt(DEAD), receipt(LIVE, reading=2, attempts=2)]
    assert counts(check(receipts=receipts, kills=1)) == (0, 1, 0)


UNKNOWN_ENDS = [
    # requests of which gateways, kills, whether it may be reported as unknown
    ([0], 1, True),
    ([], 1, True),  # about to be sent
    ([0], 0, False),
    ([1], 1, False),  # the last gateway was not killed
    ([1], 2, True),
]


@pytest.mark.parametrize(("lives", "kills", "is_right"), UNKNOWN_ENDS)
def test_what_is_to_be_reported_may_end_unknown_by_a_kill_alone(lives: list[int], kills: int, is_right: bool):
    receipts = [receipt(LIVE, outcome="unknown", reason="link_lost"), receipt(DEAD)]
    seen = [*(arrival(LIVE, status=None, life=life) for life in lives), arrival(DEAD)]
    reconciliation = check(submissions=reported(), receipts=receipts, arrivals=seen, kills=kills)
    assert counts(reconciliation) == (0, 0, 0 if is_right else 1)


def test_what_is_to_be_sent_again_must_not_end_unknown():
    receipts = [receipt(LIVE, outcome="unknown", reason="link_lost"), receipt(DEAD)]
    assert counts(check(receipts=receipts, kills=1)) == (0, 0, 1)


def test_what_is_to_be_reported_must_not_be_sent_again():
    again = [arrival(LIVE, status=None), arrival(LIVE, life=1), arrival(DEAD)]
    assert counts(check(submissions=reported(), arrivals=again, kills=1)) == (0, 0, 1)
