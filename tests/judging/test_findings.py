"""The judge of a history: each fault it knows, planted in one that is right."""

import pytest

from bench.judging.findings import History, KillMoment, SubmittedBatch, judge
from bench.simulators.apns import ApnsLedgerEntry
from protocol.results import Result


def arrival(destination, session=1, status=200, *, processed=True, at=None):
    values = {
        "at": 1000 * session if at is None else at,
        "session": session,
        "stream": 1,
        "destination": destination,
        "bytes": 1,
    }
    values |= {"body_sha256": "", "status": status, "reason": None, "processed": processed, "apns_id": ""}
    known = {name: values.get(name) for name in ApnsLedgerEntry.__struct_fields__}
    return ApnsLedgerEntry(**known)


def result(index, outcome="provider_accepted", **changes):
    values = dict.fromkeys(Result.__struct_fields__)
    return Result(**values | {"batch_id": "b", "index": index, "outcome": outcome} | changes)


@pytest.fixture
def history():
    """Two notifications, one sent again because a kill came between."""
    return History(
        submitted={"b": SubmittedBatch(batch_id="b", destinations=("x", "y"), reports_unknown=False)},
        answers=[("b", 2), ("b", 2)],
        results=[result(0), result(1), result(1)],
        kills=[KillMoment(point="any moment", at_ms=1500, session=1)],
        ledger=[arrival("x"), arrival("y"), arrival("y", session=2)],
    )


def test_a_right_history_has_no_faults_and_tells_what_a_kill_cost(history):
    findings = judge(history)
    assert list(findings.failures()) == []
    assert (findings.accepted, findings.repeated_by_kill, findings.oldest_repeat_ms) == (2, [1], 500)
    assert findings.results_read_again == 1


def lose(history):
    history.results = history.results[1:]


def end_twice(history):
    history.results.append(result(0, finished_at=1))


def send_unasked(history):
    history.ledger = [*history.ledger, arrival("z")]


def invent(history):
    history.ledger = history.ledger[1:]


def answer_otherwise(history):
    history.answers.append(("b", 1))


def repeat(history):
    history.ledger = [*history.ledger, arrival("x")]


def repeat_reported(history):
    history.submitted["b"] = SubmittedBatch(batch_id="b", destinations=("x", "y"), reports_unknown=True)


@pytest.mark.parametrize(
    ("spoil", "name"),
    [
        (lose, "lost"),
        (end_twice, "ended_twice"),
        (send_unasked, "never_submitted"),
        (invent, "untold"),
        (answer_otherwise, "answered_otherwise"),
        (repeat, "repeated_without_kill"),
        (repeat_reported, "repeated_though_reported"),
    ],
)
def test_each_fault_is_found_and_no_other(history, spoil, name):
    spoil(history)
    findings = judge(history)
    assert len(getattr(findings, name)) == 1
    assert len(list(findings.failures())) == 1


def test_what_was_not_processed_or_not_answered_may_be_sent_again(history):
    refused = arrival("x", processed=False, status=None)
    history.ledger = [refused, arrival("x", status=None), *history.ledger]
    assert list(judge(history).failures()) == []


def test_sessions_side_by_side_are_told_in_the_order_of_time(history):
    history.ledger = [
        *history.ledger[1:],
        arrival("x", session=3, status=None, at=3000),
        arrival("x", session=2, at=3100),
    ]
    assert list(judge(history).failures()) == []
