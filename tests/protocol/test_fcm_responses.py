"""Every answer of FCM against what its pages say of it."""

import itertools
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.disposition import Policy, backoff_seconds
from protocol.outcomes import Advice, AttemptOutcome, Remedy, Verdict
from protocol.providers.fcm import classify, read_name
from protocol.providers.fcm.responses import RESPONSES
from protocol.reasons import Reason

NOW = 1_780_000_000.0  # Thu, 28 May 2026 20:26:40 GMT
DATA: dict[str, list[dict[str, Any]]] = tomllib.loads(
    (Path(__file__).parent / "data" / "fcm_responses.toml").read_text()
)
EXPECTED, CASES = DATA["response"], DATA["case"]
UNREADABLE = [b"", b"<html>502</html>", b'{"error":{"code":4', b"[1]", b"\xff", b'{"error":7}', b"[" * 9000]


def details_of(row: dict[str, Any]) -> list[dict[str, Any]]:
    details: list[dict[str, Any]] = []
    if "code" in row:
        details.append({"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": row["code"]})
    if "apns" in row:
        details.append({"@type": "type.googleapis.com/google.firebase.fcm.v1.ApnsError", **row["apns"]})
    if "violations" in row:
        violations = [{"field": field, "description": "Invalid"} for field in row["violations"]]
        details.append({"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": violations})
    if "quotas" in row:
        quotas = [{"subject": subject} if subject else {} for subject in row["quotas"]]
        details.append({"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": quotas})
    return details


def error_body(row: dict[str, Any], details: list[Any] | None = None) -> bytes:
    error = {"code": row["http"], "message": row.get("message", "UNREGISTERED QUOTA_EXCEEDED: for people")}
    if "status" in row:
        error["status"] = row["status"]
    listed = details_of(row) if details is None else details
    return msgspec.json.encode({"error": error | ({"details": listed} if listed else {})})


def name_of(row: dict[str, Any]) -> str:
    return row.get("name") or f"{row['http']}-{row.get('code', 'none')}"


def check(verdict: Verdict, row: dict[str, Any]) -> None:
    assert verdict.outcome is AttemptOutcome[row["outcome"].upper()]
    assert verdict.reason is Reason[row["word"].upper()]
    assert verdict.advice is Advice[row["advice"].upper()]
    assert verdict.remedy is Remedy[row["remedy"].upper()]


def test_table_and_pages_have_the_same_rows():
    assert set(RESPONSES) == {(row["http"], row.get("code")) for row in EXPECTED}
    assert len(EXPECTED) == len(RESPONSES)


@pytest.mark.parametrize("row", EXPECTED, ids=name_of)
def test_every_documented_answer_has_the_meaning_of_its_page(row):
    verdict = classify(row["http"], (), error_body(row), NOW)
    check(verdict, row)
    assert verdict.provider_reason == (row.get("code") or row.get("status"))


@pytest.mark.parametrize("row", EXPECTED, ids=name_of)
def test_the_action_of_the_page_is_obeyed(row):
    verdict = classify(row["http"], (), error_body(row), NOW)
    assert (row["action"] == "DROP") is (verdict.advice is Advice.DELETE_PENDING)
    assert (row["action"] == "ONCE") is (verdict.remedy is Remedy.FRESH_TOKEN)
    assert (row["action"] == "HOLD") is (verdict.remedy is Remedy.HOLD_LANE)
    assert (row["action"] in {"DROP", "FIX"}) is (verdict.outcome is AttemptOutcome.REJECTED)


@pytest.mark.parametrize("row", CASES, ids=name_of)
def test_all_details_are_read_in_whatever_order_and_company(row):
    strangers = [7, {"@type": 3}, {"@type": "type.googleapis.com/google.rpc.Help", "errorCode": "UNREGISTERED"}]
    for details in itertools.permutations([*details_of(row), strangers]):
        flat = [part for detail in details for part in (detail if isinstance(detail, list) else [detail])]
        verdict = classify(row["http"], (), error_body(row, flat), NOW)
        check(verdict, row)
        assert verdict.provider_reason == row.get("provider_reason", row.get("code"))


@pytest.mark.parametrize("body", UNREADABLE, ids=repr)
def test_an_unreadable_body_is_judged_by_the_status(body):
    for row in (row for row in EXPECTED if "code" not in row):
        check(classify(row["http"], (), body, NOW), row)


@pytest.mark.parametrize(
    ("status", "outcome", "reason"),
    [
        (413, AttemptOutcome.REJECTED, Reason.PAYLOAD_TOO_LARGE),
        (418, AttemptOutcome.REJECTED, Reason.PROVIDER_ERROR),
        (599, AttemptOutcome.DEFERRED, Reason.PROVIDER_ERROR),
        (204, AttemptOutcome.ACCEPTED, None),
        (302, AttemptOutcome.UNCERTAIN, Reason.PROVIDER_ERROR),
    ],
)
def test_a_status_that_the_pages_leave_out_is_judged_by_its_class(status, outcome, reason):
    verdict = classify(status, (), b"", NOW)
    assert (verdict.outcome, verdict.reason) == (outcome, reason)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 429, 500, 503])
def test_nothing_but_the_unmistakable_word_makes_a_token_dead(status):
    for body in [*UNREADABLE, error_body({"http": status, "status": "UNREGISTERED"})]:
        assert classify(status, (), body, NOW).advice is not Advice.DELETE_PENDING


@pytest.mark.parametrize("code", ["", "has blank", "x" * 65, "DEAD\n", 7, None])
def test_a_code_that_is_no_word_is_not_repeated(code):
    assert classify(404, (), error_body({"http": 404, "code": code}), NOW).provider_reason is None


@pytest.mark.parametrize("apns", [{"statusCode": "410"}, {"statusCode": True, "reason": "Unregistered"}, {}])
def test_an_apns_error_without_its_parts_counts_as_none(apns):
    row = {"http": 400, "code": "INVALID_ARGUMENT", "apns": apns}
    assert classify(400, (), error_body(row), NOW).reason is Reason.INVALID_PAYLOAD
    row["apns"] = {"statusCode": 410, "reason": "Un\nregistered"}
    assert classify(400, (), error_body(row), NOW).reason is Reason.INVALID_PAYLOAD


@pytest.mark.parametrize("violations", [7, [7], [{"field": 7}], []])
def test_strange_violations_blame_no_destination(violations):
    detail = {"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": violations}
    assert classify(400, (), error_body({"http": 400}, [detail]), NOW).reason is Reason.INVALID_PAYLOAD


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (b"17", 17.0),
        (b"0", 0.0),
        (b"Thu, 28 May 2026 20:27:10 GMT", 30.0),
        (b"Thu, 28 May 2020 20:27:10 GMT", 0.0),
        (b"9999999999", 3600.0),
        (b"Thu, 28 May 2099 20:27:10 GMT", 3600.0),
        (b"soon", None),
        (b"-5", None),
    ],
)
def test_retry_after_is_honoured_up_to_the_hour_at_which_the_page_gives_up(header, seconds):
    verdict = classify(503, ((b"retry-after", header),), b"", NOW)
    assert verdict.retry_after_seconds == seconds
    assert backoff_seconds(verdict, 1, 0.0) == max(seconds or 0, 10)


def test_a_wish_means_nothing_where_no_retry_is_due():
    assert classify(404, ((b"retry-after", b"17"),), b"", NOW).retry_after_seconds is None


@pytest.mark.parametrize(
    ("delay", "header", "seconds"),
    [
        ("12s", None, 12),
        ("3.5s", None, 3.5),
        ("12s", b"40", 40),
        ("50s", b"40", 50),
        ("soon", b"40", 40),
        (7, None, None),
    ],
)
def test_retry_info_counts_beside_the_header_and_the_longer_one_holds(delay, header, seconds):
    detail = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay}
    headers = () if header is None else ((b"retry-after", header),)
    assert classify(503, headers, error_body({"http": 503}, [detail]), NOW).retry_after_seconds == seconds


@pytest.mark.parametrize("row", [row for row in EXPECTED if row["action"] == "RETRY"], ids=name_of)
def test_delays_are_those_of_the_page(row):
    verdict = classify(row["http"], (), error_body(row), NOW)
    least = 60 if row["http"] == 429 else 10
    delays = [[backoff_seconds(verdict, attempt, jitter) for jitter in (0.0, 0.999)] for attempt in range(1, 10)]
    assert min(delay for pair in delays for delay in pair) == least
    assert delays[0][0] < delays[0][1] < delays[1][1]
    assert len(delays) == Policy().attempts - 1
    assert sum(latest for _, latest in delays) <= 3600


def test_a_quota_with_a_time_of_its_own_waits_for_that_and_not_for_a_minute():
    verdict = classify(429, ((b"retry-after", b"15"),), b"", NOW)
    assert backoff_seconds(verdict, 1, 0.0) == 15


def test_200_is_accepted_and_names_the_message():
    body = b'{"name": "projects/shop-1/messages/0:1500415314455276%31bd1c9631bd1c96"}'
    assert classify(200, (), body, NOW) == Verdict(outcome=AttemptOutcome.ACCEPTED)
    assert read_name(body) == "projects/shop-1/messages/0:1500415314455276%31bd1c9631bd1c96"


@pytest.mark.parametrize(
    "body",
    [*UNREADABLE, b"{}", b'{"name":7}', b'{"name":"projects/x/messages/a b"}', b'{"name":"messages/1"}'],
    ids=repr,
)
def test_a_body_without_a_name_is_accepted_all_the_same(body):
    assert classify(200, (), body, NOW).outcome is AttemptOutcome.ACCEPTED
    assert read_name(body) is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(max_size=8) | st.sampled_from(["12s", "410"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["error", "details", "errorCode", "violations", "fieldViolations", "retryDelay", "reason"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
TYPES = ["firebase.fcm.v1.FcmError", "firebase.fcm.v1.ApnsError", "rpc.BadRequest", "rpc.QuotaFailure", "rpc.RetryInfo"]
details = st.lists(
    st.tuples(st.sampled_from(TYPES), st.dictionaries(st.text(max_size=10), json_values)).map(
        lambda pair: {**pair[1], "@type": f"type.googleapis.com/google.{pair[0]}"}
    )
)
answers = (json_values | details.map(lambda listed: {"error": {"details": listed}})).map(msgspec.json.encode)


@given(
    status=st.integers(-1, 1000),
    headers=st.lists(st.tuples(st.sampled_from([b"retry-after", b"x"]), st.binary(max_size=30)), max_size=2),
    body=st.binary(max_size=60) | answers,
)
def test_whatever_fcm_answers_there_is_a_verdict(status, headers, body):
    verdict = classify(status, headers, body, NOW)
    assert isinstance(verdict, Verdict)
    assert verdict.outcome is not AttemptOutcome.DEFERRED or backoff_seconds(verdict, 1, 0.0) >= 10
    read_name(body)
