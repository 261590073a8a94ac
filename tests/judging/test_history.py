"""What a caller wrote down can be read, however it ended."""

from pathlib import Path

import pytest

from bench.judging.history import Answer, HistoryWriter, Kind, ProviderName, Receipt, Refusal, Submission, read_history

SUBMISSION = Submission(
    batch_id="b",
    index=0,
    id="n0",
    provider=ProviderName.FCM,
    kind=Kind.LIVE,
    destination="ab",
    body_sha256="cd",
    refusal=None,
    sent_at=1.5,
)
ANSWER = Answer(batch_id="b", accepted=1, refused=[Refusal(index=1, reason="invalid_token")], error=None, answered_at=2)
RECEIPT = Receipt(
    batch_id="b",
    index=0,
    id="n0",
    provider="fcm",
    outcome="provider_accepted",
    reason=None,
    provider_id="x",
    attempts=1,
    uncertain_attempts=0,
    received_at=3.25,
)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    with HistoryWriter(tmp_path) as writer:
        writer.add_submissions([SUBMISSION, SUBMISSION])
        writer.add_answer(ANSWER)
        writer.add_receipts([RECEIPT])
        writer.add_receipts([])
    return tmp_path


def test_records_come_back_as_they_were_written(directory: Path):
    history = read_history(directory)
    assert history.submissions == [SUBMISSION, SUBMISSION]
    assert history.answers == [ANSWER]
    assert history.receipts == [RECEIPT]


def test_records_are_there_before_the_writer_is_closed(tmp_path: Path):
    with HistoryWriter(tmp_path) as writer:
        writer.add_submissions([SUBMISSION])
        assert read_history(tmp_path).submissions == [SUBMISSION]


def test_an_unfinished_last_line_is_left_out(directory: Path):
    for path in directory.iterdir():
        path.write_bytes(path.read_bytes()[:-1])
    history = read_history(directory)
    assert (len(history.submissions), len(history.answers), len(history.receipts)) == (1, 0, 0)


def test_a_caller_that_never_started_has_no_history(tmp_path: Path):
    history = read_history(tmp_path)
    assert (history.submissions, history.answers, history.receipts) == ([], [], [])
