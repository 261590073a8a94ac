"""First answers: what is kept is small, is read back as it was, and says in which version it was written."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.answers import Answer, RejectedRowsBuilder, UnreadableAnswerError, decode_answer, encode_answer
from protocol.reasons import Reason
from protocol.rejections import Rejection

WORDS = st.tuples(
    st.sampled_from(Reason), st.none() | st.sampled_from(["to", "to.apns.token"]), st.sampled_from(["no", "é"])
)
ROWS = st.dictionaries(
    st.integers(0, 9_999), st.tuples(st.none() | st.sampled_from(["n1", "é", ""]), WORDS), max_size=40
)


def reject(index: int, given_id: str | None = None, detail: str = "not hex") -> Rejection:
    return Rejection(index=index, id=given_id, reason=Reason.INVALID_TOKEN, field="to.apns.token", detail=detail)


def make_answer(rows: list[Rejection], accepted: int = 0) -> Answer:
    builder = RejectedRowsBuilder()
    for at in range(0, len(rows), 3):
        builder.add(rows[at : at + 3])
    return Answer(batch_id="b", accepted=accepted, rejected=builder.finish())


@given(ROWS)
def test_an_answer_is_read_back_row_by_row_as_it_was_written(found):
    rows = [
        Rejection(index=index, id=given_id, reason=words[0], field=words[1], detail=words[2])
        for index, (given_id, words) in sorted(found.items())
    ]
    answer = decode_answer("b", encode_answer(make_answer(rows, accepted=7)))
    assert (answer.batch_id, answer.accepted) == ("b", 7)
    assert len(answer.rejected) == len(rows)
    assert list(answer.rejected) == rows


def test_words_that_rows_share_are_kept_once():
    alike = encode_answer(make_answer([reject(index) for index in range(10_000)]))
    assert len(alike) < 100
    of_two_kinds = encode_answer(make_answer([reject(index, detail="ab"[index % 2]) for index in range(10_000)]))
    assert len(of_two_kinds) < 100 + 10_000
    named = encode_answer(make_answer([reject(index, f"{index:08d}") for index in range(10_000)]))
    assert len(named) < 100 + 10_000 * 9


def test_without_rejected_rows_it_is_a_few_bytes():
    assert len(encode_answer(make_answer([], accepted=100))) <= 5


def test_what_version_1_writes_stays_what_it_is():
    answer = make_answer([reject(3, "n3", "no")], accepted=2)
    assert encode_answer(answer) == msgspec.msgpack.encode([1, 2, [[3, 4], ["n3"], [[2, "to.apns.token", "no"]], None]])


@pytest.mark.parametrize("data", [b"", b"\xc1", b"accepted", msgspec.msgpack.encode([2, 1, None])])
def test_what_is_no_answer_of_a_known_version_is_told_so(data):
    with pytest.raises(UnreadableAnswerError):
        decode_answer("b", data)
