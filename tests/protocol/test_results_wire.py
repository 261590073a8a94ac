"""Results in columns and as records."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.chunks import pack_ranges
from protocol.outcomes import Advice, Outcome
from protocol.providers.apns import provider_id
from protocol.reasons import Reason
from protocol.results import ResultBlock, expand, make_block

PREFIX = bytes.fromhex("ec1bf194aaaa8bbb8ccc0102")


def block(**fields) -> ResultBlock:
    return make_block(
        **{
            "batch_id": "campaign-81",
            "app": "shop",
            "labels": (),
            "accepted_at_ms": 1_780_000_000_000,
            "provider_id_prefix": PREFIX,
            "provider": "apns",
            "outcome": Outcome.PROVIDER_ACCEPTED,
            "reason": None,
            "advice": Advice.NONE,
            "provider_status": 200,
            "provider_reason": None,
            "attempts": 1,
            "uncertain_attempts": 0,
            "indexes": [0, 1],
            "finished_at_ms": 1_780_000_000_123,
        }
        | fields
    )


def test_a_result_is_the_record_of_the_api_field_by_field():
    (result,) = expand(block(ids=["n1"]))
    assert msgspec.json.decode(msgspec.json.encode(result)) == {
        "batch_id": "campaign-81",
        "index": 0,
        "id": "n1",
        "app": "shop",
        "provider": "apns",
        "outcome": "provider_accepted",
        "reason": None,
        "advice": "none",
        "provider_id": "ec1bf194-aaaa-8bbb-8ccc-010200000000",
        "provider_status": 200,
        "provider_reason": None,
        "attempts": 1,
        "uncertain_attempts": 0,
        "accepted_at": 1_780_000_000_000,
        "finished_at": 1_780_000_000_123,
        "dead_since": None,
        "labels": [],
        "track": None,
    }


def test_what_differs_by_row_comes_from_its_column():
    rejected = block(
        outcome=Outcome.REJECTED,
        reason=Reason.DEAD_TOKEN,
        advice=Advice.DELETE_PENDING,
        provider_status=410,
        provider_reason="Unregistered",
        labels=("a", "b"),
        indexes=[3, 5, 9, 10],
        ids=["n3", None, "n9"],
        tracks=[None, b"\x00\xff", b""],
        dead_since_ms=[1, 2, None],
    )
    assert len(rejected) == 3
    results = list(expand(rejected))
    assert [result.index for result in results] == [3, 4, 9]
    assert [result.id for result in results] == ["n3", None, "n9"]
    assert [result.track for result in results] == [None, "AP8=", ""]
    assert [result.dead_since for result in results] == [1, 2, None]
    assert [result.provider_id for result in results] == [provider_id(PREFIX, index) for index in (3, 4, 9)]
    assert {(result.outcome, result.reason, result.advice) for result in results} == {
        ("rejected", "dead_token", "delete_pending")
    }
    assert results[0].labels == ["a", "b"]


def test_where_no_request_was_made_there_is_no_provider_id():
    (result,) = expand(block(outcome=Outcome.EXPIRED, reason=Reason.EXPIRED, provider_status=None, attempts=0))
    assert result.provider_id is None


def test_the_providers_own_ids_go_before_derived_ones():
    given_ids = block(provider="fcm", indexes=[0, 2], provider_ids=["projects/x/messages/1", None])
    assert [result.provider_id for result in expand(given_ids)] == ["projects/x/messages/1", None]


def test_a_thousand_plain_successes_are_small_on_the_wire():
    assert len(msgspec.msgpack.encode(block(indexes=[0, 1000]))) < 256


@pytest.mark.parametrize("column", ["ids", "tracks", "provider_ids", "dead_since_ms"])
def test_a_column_of_another_length_is_an_error(column):
    with pytest.raises(ValueError, match="1 entries for 2 rows"):
        list(expand(block(indexes=[0, 2], **{column: [None]})))


@given(
    rows=st.dictionaries(
        st.integers(0, 300),
        st.tuples(st.none() | st.text(min_size=1, max_size=5), st.none() | st.binary(max_size=4)),
        min_size=1,
    )
)
def test_every_row_comes_back_from_the_wire_exactly_once(rows):
    indexes = sorted(rows)
    sent = block(
        indexes=pack_ranges(indexes),
        ids=[rows[index][0] for index in indexes],
        tracks=[rows[index][1] for index in indexes],
    )
    received = msgspec.msgpack.decode(msgspec.msgpack.encode(sent), type=ResultBlock)
    assert received == sent
    assert [(result.index, result.id) for result in expand(received)] == [(index, rows[index][0]) for index in indexes]
