"""Every answer of APNs against what its pages say of it."""

import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from protocol.outcomes import Advice, AttemptOutcome, Remedy
from protocol.providers.apns import classify, classify_goaway
from protocol.providers.apns.responses import CEILING_SECONDS, RESPONSES
from protocol.reasons import Reason

NOW = 1_780_000_000.0
EXPECTED: list[dict[str, Any]] = tomllib.loads((Path(__file__).parent / "data" / "apns_responses.toml").read_text())[
    "response"
]


def error_body(reason: str, **more: object) -> bytes:
    return msgspec.json.encode({"reason": reason, **more})


def test_table_and_pages_have_the_same_rows():
    assert set(RESPONSES) == {(row["status"], row["reason"]) for row in EXPECTED}
    assert len(EXPECTED) == len(RESPONSES)


@pytest.mark.parametrize("row", EXPECTED, ids=lambda row: f"{row['status']}-{row['reason']}")
def test_every_documented_answer_has_the_meaning_of_its_page(row):
    verdict = classify(row["status"], (), error_body(row["reason"]), NOW)
    assert verdict.outcome is AttemptOutcome[row["outcome"].upper()]
    assert verdict.reason is Reason[row["word"].upper()]
    assert verdict.advice is Advice[row["advice"].upper()]
    assert verdict.remedy is Remedy[row["remedy"].upper()]
    assert verdict.provider_reason == row["reason"]


@pytest.mark.parametrize("row", EXPECTED, ids=lambda row: f"{row['status']}-{row['reason']}")
def test_the_action_of_the_page_is_obeyed(row):
    verdict = classify(row["status"], (), error_body(row["reason"]), NOW)
    if row["action"] == "RETRY":
        assert verdict.outcome is AttemptOutcome.DEFERRED
        assert 0 < verdict.first_delay_seconds <= verdict.ceiling_seconds == CEILING_SECONDS
    elif row["action"] == "ONCE":
        assert verdict.remedy in {Remedy.FRESH_TOKEN, Remedy.FRESH_SESSION}
    elif row["action"] == "FIX":
        assert verdict.outcome is AttemptOutcome.REJECTED or verdict.remedy is Remedy.HOLD_LANE


def test_reasons_stand_under_one_status_so_that_goaway_can_name_them():
    assert len({row["reason"] for row in EXPECTED}) == len(EXPECTED)


def test_only_410_with_its_reason_makes_a_token_dead():
    dead = {key for key, verdict in RESPONSES.items() if verdict.advice is Advice.DELETE_PENDING}
    assert dead == {(410, "ExpiredToken"), (410, "Unregistered")}
    for status in (200, 400, 401, 403, 404, 410, 429, 500, 503):
        for body in (b"", error_body("NewWord"), b"<html>"):
            assert classify(status, (), body, NOW).advice is not Advice.DELETE_PENDING


def test_200_is_accepted():
    assert classify(200, (), b"", NOW).outcome is AttemptOutcome.ACCEPTED


@pytest.mark.parametrize(
    ("status", "outcome", "reason"),
    [
        (400, AttemptOutcome.REJECTED, Reason.PROVIDER_ERROR),
        (401, AttemptOutcome.REJECTED, Reason.BAD_CREDENTIALS),
        (403, AttemptOutcome.REJECTED, Reason.BAD_CREDENTIALS),
        (404, AttemptOutcome.REJECTED, Reason.PROVIDER_ERROR),
        (410, AttemptOutcome.REJECTED, Reason.INVALID_TOKEN),
        (413, AttemptOutcome.REJECTED, Reason.PAYLOAD_TOO_LARGE),
        (418, AttemptOutcome.REJECTED, Reason.PROVIDER_ERROR),
        (429, AttemptOutcome.DEFERRED, Reason.RATE_LIMITED),
        (500, AttemptOutcome.DEFERRED, Reason.PROVIDER_ERROR),
        (502, AttemptOutcome.DEFERRED, Reason.PROVIDER_ERROR),
        (599, AttemptOutcome.DEFERRED, Reason.PROVIDER_ERROR),
        (204, AttemptOutcome.ACCEPTED, None),
        (299, AttemptOutcome.ACCEPTED, None),
        (408, AttemptOutcome.DEFERRED, Reason.PROVIDER_ERROR),
        (421, AttemptOutcome.DEFERRED, Reason.PROVIDER_ERROR),
        (425, AttemptOutcome.DEFERRED, Reason.PROVIDER_ERROR),
        (302, AttemptOutcome.UNCERTAIN, Reason.PROVIDER_ERROR),
    ],
)
@pytest.mark.parametrize(
    "body", [b"", b"<html>busy</html>", b"[1]", b'{"reason": 7}', b'{"reason": "BrandNew"}', b"\xff"]
)
def test_an_unknown_reason_or_an_unreadable_body_is_judged_by_the_status(status, outcome, reason, body):
    verdict = classify(status, (), body, NOW)
    assert (verdict.outcome, verdict.reason) == (outcome, reason)
    assert verdict.provider_reason == ("BrandNew" if b"BrandNew" in body else None)


@pytest.mark.parametrize("reason", ["", "has\nnewline", "x" * 65, "Dead\x00", "1a"])
def test_a_reason_that_is_no_word_is_not_repeated(reason):
    assert classify(400, (), error_body(reason), NOW).provider_reason is None


@pytest.mark.parametrize(
    ("timestamp", "expected"),
    [(1_779_999_000_123, 1_779_999_000_123), ("soon", None), (-5, None), (1.5, None), (10**18, None), (None, None)],
)
def test_410_tells_since_when_in_milliseconds_and_stays_dead_without(timestamp, expected):
    verdict = classify(410, (), error_body("Unregistered", timestamp=timestamp), NOW)
    assert verdict.reason is Reason.DEAD_TOKEN
    assert verdict.dead_since_ms == expected


def test_a_timestamp_means_nothing_beside_another_reason():
    assert classify(400, (), error_body("BadDeviceToken", timestamp=1_779_999_000_123), NOW).dead_since_ms is None


def test_retry_after_is_honoured_where_a_retry_is_due():
    headers = ((b"content-type", b"application/json"), (b"retry-after", b"17"))
    assert classify(503, headers, error_body("ServiceUnavailable"), NOW).retry_after_seconds == 17
    assert classify(400, headers, error_body("BadTopic"), NOW).retry_after_seconds is None
    assert classify(503, (), error_body("ServiceUnavailable"), NOW).retry_after_seconds is None


@pytest.mark.parametrize("reason", ["BadCertificate", "BadCertificateEnvironment", "InvalidProviderToken"])
def test_goaway_about_the_credential_holds_the_lane(reason):
    verdict = classify_goaway(error_body(reason))
    assert verdict is not None
    assert (verdict.remedy, verdict.provider_reason) == (Remedy.HOLD_LANE, reason)


@pytest.mark.parametrize("data", [b"", b"Maximum active streams violated", b"{}", error_body("Unheard")])
def test_goaway_that_says_nothing_known_has_no_verdict(data):
    assert classify_goaway(data) is None
