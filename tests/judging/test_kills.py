"""What a kill may cost, and what it cost, by records made by hand."""

from pathlib import Path

import msgspec
import pytest

from bench.judging.arrivals import Arrival
from bench.judging.cases import Case
from bench.judging.history import Kind, ProviderName, Receipt, Submission
from bench.judging.kills import FLUSH_SECONDS, Kill, Toll, count_tolls, number_lives, read_kills, write_kills

KILL = Kill(at=50_000, restarted_at=50_010, ready_at=51_000)
FLUSH_MS = round(FLUSH_SECONDS * 1000)


def arrival(at: int, *, settled_at: int = 0, session: int = 1, life: int = 0, status: int | None = 200) -> Arrival:
    return Arrival(
        provider=ProviderName.APNS,
        at=at,
        settled_at=settled_at or at + 10,
        session=session,
        stream=1,
        destination="a",
        body_sha256="",
        status=status,
        reason=None,
        processed=True,
        provider_id="id",
        life=life,
    )


def case(*arrivals: Arrival, outcome: str = "provider_accepted") -> Case:
    submission = Submission(
        batch_id="b",
        index=0,
        id="n",
        provider=ProviderName.APNS,
        kind=Kind.LIVE,
        destination="a",
        body_sha256="",
        refusal=None,
        sent_at=1.0,
    )
    receipt = Receipt(
        batch_id="b",
        index=0,
        id="n",
        provider="apns",
        outcome=outcome,
        reason=None,
        provider_id="id",
        attempts=1,
        uncertain_attempts=0,
        received_at=2.0,
    )
    return Case(submission=submission, arrivals=list(arrivals), receipts=[receipt])


def toll_of(*cases: Case) -> Toll:
    (toll,) = count_tolls(cases, [KILL])
    return toll


# --- lives ---


def test_a_connection_belongs_to_the_gateway_that_ran_when_it_began():
    seen = [arrival(49_000), arrival(50_500, session=2), arrival(51_200, session=3), arrival(51_300, session=3)]
    seen[1] = msgspec.structs.replace(seen[1], session=1)  # written before the kill, read from the wire after it
    assert [each.life for each in number_lives(seen, [KILL])] == [0, 0, 1, 1]


def test_each_kill_ends_a_life():
    later = Kill(at=60_000, restarted_at=60_010, ready_at=61_000)
    seen = [arrival(at, session=at) for at in (1_000, 55_000, 62_000)]
    assert [each.life for each in number_lives(seen, [KILL, later])] == [0, 1, 2]


def test_without_kills_there_is_one_life():
    assert [each.life for each in number_lives([arrival(1), arrival(2, session=2)], [])] == [0, 0]


# --- tolls ---


@pytest.mark.parametrize(
    ("settled_at", "counts"),
    [
        (KILL.at + 300, (1, 0)),
        (KILL.at, (1, 0)),
        (KILL.at - 1, (0, 1)),
        (KILL.at - FLUSH_MS, (0, 1)),
        (KILL.at - FLUSH_MS - 1, (0, 0)),
    ],
)
def test_a_request_may_be_uncertain_until_one_flush_interval_after_its_answer(settled_at: int, counts: tuple[int, int]):
    toll = toll_of(case(arrival(45_000, settled_at=settled_at)))
    assert (toll.in_flight, toll.just_answered) == counts
    assert toll.bound == sum(counts)


def test_requests_of_other_lives_are_not_in_flight():
    assert toll_of(case(arrival(52_000, life=1))).bound == 0


def test_what_the_next_gateway_sends_again_is_counted_with_its_age():
    cut = case(arrival(49_990, settled_at=50_005, status=None), arrival(51_500, life=1))
    uncommitted = case(arrival(49_900, settled_at=49_970), arrival(51_500, life=1))
    toll = toll_of(cut, uncommitted, case(arrival(49_980, settled_at=49_990)))
    assert (toll.sent_again, toll.bound, toll.oldest_ms) == (2, 3, 30)
    assert toll.is_within_bound


def test_what_was_answered_long_before_and_is_sent_again_is_beyond_the_bound():
    toll = toll_of(case(arrival(40_000), arrival(51_500, life=1)))
    assert (toll.sent_again, toll.bound) == (1, 0)
    assert not toll.is_within_bound


def test_what_the_provider_asked_to_be_sent_again_is_not_counted():
    assert toll_of(case(arrival(49_990, status=503), arrival(51_500, life=1))).sent_again == 0


def test_what_is_left_unknown_uses_up_the_bound_too():
    cut = arrival(49_990, settled_at=50_005, status=None)
    assert toll_of(case(cut, outcome="unknown")).left_unknown == 1
    old = toll_of(case(arrival(40_000), outcome="unknown"))
    assert (old.left_unknown, old.is_within_bound) == (1, False)


def test_what_is_unknown_and_was_never_sent_is_not_in_the_providers_books():
    assert toll_of(case(outcome="unknown")).left_unknown == 0


def test_kills_are_read_as_they_were_written(tmp_path: Path):
    path = tmp_path / "kills.ndjson"
    assert read_kills(path) == []
    write_kills(path, [KILL, KILL])
    assert read_kills(path) == [KILL, KILL]
