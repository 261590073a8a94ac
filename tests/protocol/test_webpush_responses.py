"""Every answer of the push services against what their pages say of it."""

import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.outcomes import Advice, AttemptOutcome, Remedy, Verdict
from protocol.providers.webpush import Receipt, Service, classify, read_receipt
from protocol.providers.webpush.responses import CEILING_SECONDS, RESPONSES, THROTTLED_DELAY_SECONDS
from protocol.reasons import Reason

NOW = 1_780_000_000.0
EXPECTED: list[dict[str, Any]] = tomllib.loads((Path(__file__).parent / "data" / "webpush_responses.toml").read_text())[
    "response"
]
HTML = b"<HTML>\n<HEAD>\n<TITLE>%s</TITLE>\n</HEAD>\n<BODY><H1>%s</H1></BODY>\n</HTML>"


def answer(service: str, status: int, word: str) -> tuple[tuple[tuple[bytes, bytes], ...], bytes]:
    """Return headers and body with which a service says a word."""
    if service == "mozilla":
        is_number = word.isdigit()
        error = {"code": status, "errno": int(word) if is_number else 109, "error": "Some Error", "more_info": "url"}
        return (), msgspec.json.encode(error | {"message": "text" if is_number else f"{word}: x"})
    if service == "fcm":
        return (), f"the key, it seems, {word.upper()}. Please\n".encode() if word else b"Forbidden"
    if service == "apple":
        return ((b"apns-id", b"x"),), msgspec.json.encode({"reason": word})
    if service == "wns" and word:
        return ((b"X-WNS-NotificationStatus", word.encode()), (b"x-wns-status", b"received")), b""
    return (), b""


def judge(row: dict[str, Any]) -> Verdict:
    service = Service.OTHER if row["service"] == "rfc8030" else Service(row["service"])
    return classify(service, row["status"], *answer(row["service"], row["status"], row["word"]), NOW)


def name(row: dict[str, Any]) -> str:
    return f"{row['service']}-{row['status']}-{row['word'].replace(' ', '_')}"


def test_table_and_pages_have_the_same_rows():
    pages = {
        (None if row["service"] == "rfc8030" else Service(row["service"]), row["status"], row["word"])
        for row in EXPECTED
    }
    assert set(RESPONSES) == pages
    assert len(EXPECTED) == len(RESPONSES)


@pytest.mark.parametrize("row", EXPECTED, ids=name)
def test_every_documented_answer_has_the_meaning_of_its_page(row):
    verdict = judge(row)
    assert verdict.outcome is AttemptOutcome[row["outcome"].upper()]
    assert ("" if verdict.reason is None else verdict.reason.word) == row["reason"]
    assert verdict.advice is Advice[row["advice"].upper()]
    assert verdict.remedy is Remedy[row["remedy"].upper()]
    assert (verdict.provider_reason or "") == row["word"]


@pytest.mark.parametrize("row", [row for row in EXPECTED if row["outcome"] == "deferred"], ids=name)
def test_what_is_deferred_says_how_long_to_wait(row):
    verdict = judge(row)
    assert 0 < verdict.first_delay_seconds <= verdict.ceiling_seconds == CEILING_SECONDS


def test_only_404_and_410_make_a_subscription_dead():
    dead = {status for (_, status, _), verdict in RESPONSES.items() if verdict.advice is Advice.DELETE_PENDING}
    assert dead == {404, 410}
    words = {word for _, _, word in RESPONSES}
    for service in Service:
        for status in (200, 201, 400, 401, 403, 405, 406, 413, 429, 500, 503):
            for word in words:
                headers, body = answer(service.value, status, word)
                verdict = classify(service, status, headers, body, NOW)
                assert Advice.DELETE_PENDING is not verdict.advice
                assert verdict.reason is not Reason.DEAD_TOKEN


@pytest.mark.parametrize("service", [service for service in Service if service is not Service.FCM])
@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_that_may_be_of_one_subscription_holds_no_lane(service, status):
    verdict = classify(service, status, (), b"", NOW)
    assert (verdict.outcome, verdict.reason, verdict.remedy) == (
        AttemptOutcome.REJECTED,
        Reason.BAD_CREDENTIALS,
        Remedy.NONE,
    )


@pytest.mark.parametrize("service", list(Service))
@pytest.mark.parametrize(
    "body",
    [
        b"",
        HTML % (b"Error 410 (Gone)", b"busy"),
        b"[1]",
        b"null",
        b"\xff",
        b'{"errno": null, "message": null, "reason": null}',
        b'{"errno": true, "message": 7, "reason": {}}',
        b'{"errno": -1, "reason": "has blank"}',
        b'{"errno": 1e3}',
        b"[" * 10_000,
    ],
)
@pytest.mark.parametrize(
    ("status", "outcome", "reason"),
    [
        (201, AttemptOutcome.ACCEPTED, None),
        (400, AttemptOutcome.REJECTED, Reason.PROVIDER_ERROR),
        (404, AttemptOutcome.REJECTED, Reason.DEAD_TOKEN),
        (410, AttemptOutcome.REJECTED, Reason.DEAD_TOKEN),
        (413, AttemptOutcome.REJECTED, Reason.PAYLOAD_TOO_LARGE),
        (418, AttemptOutcome.REJECTED, Reason.PROVIDER_ERROR),
        (429, AttemptOutcome.DEFERRED, Reason.RATE_LIMITED),
        (500, AttemptOutcome.DEFERRED, Reason.PROVIDER_ERROR),
        (599, AttemptOutcome.DEFERRED, Reason.PROVIDER_ERROR),
        (302, AttemptOutcome.REJECTED, Reason.PROVIDER_ERROR),
        (206, AttemptOutcome.ACCEPTED, None),
    ],
)
def test_an_answer_that_says_nothing_is_judged_by_its_status(service, body, status, outcome, reason):
    verdict = classify(service, status, (), body, NOW)
    assert (verdict.outcome, verdict.reason, verdict.provider_reason) == (outcome, reason, None)


def test_fcm_says_it_in_html_too():
    body = HTML % (b"UnauthorizedRegistration", b"UnauthorizedRegistration")
    verdict = classify(Service.FCM, 400, (), body, NOW)
    assert (verdict.reason, verdict.provider_reason) == (Reason.INVALID_TOKEN, "UnauthorizedRegistration")


def test_a_word_that_is_not_known_is_told_and_the_status_decides():
    verdict = classify(Service.MOZILLA, 503, (), b'{"errno": 777}', NOW)
    assert (verdict.reason, verdict.provider_reason) == (Reason.PROVIDER_ERROR, "777")
    verdict = classify(Service.APPLE, 410, (), b'{"reason": "BrandNew"}', NOW)
    assert (verdict.reason, verdict.provider_reason) == (Reason.DEAD_TOKEN, "BrandNew")


def test_apples_reason_means_the_same_under_another_status_but_kills_only_under_its_own():
    verdict = classify(Service.APPLE, 403, (), b'{"reason": "BadAuthorizationHeader"}', NOW)
    assert (verdict.remedy, verdict.provider_reason) == (Remedy.HOLD_LANE, "BadAuthorizationHeader")
    for status in (400, 403):
        assert classify(Service.APPLE, status, (), b'{"reason": "Unregistered"}', NOW).reason is not Reason.DEAD_TOKEN


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
@pytest.mark.parametrize("header", [b"X-WNS-Status", b"x-wns-notificationstatus"])
@pytest.mark.parametrize("word", [b"channelthrottled", b"Dropped", b"appthrottled"])
def test_a_success_of_wns_that_was_not_taken_is_none(status, header, word):
    assert classify(Service.WNS, status, ((header, word),), b"", NOW).outcome is AttemptOutcome.DEFERRED
    assert classify(Service.OTHER, status, ((header, word),), b"", NOW).outcome is AttemptOutcome.ACCEPTED


@pytest.mark.parametrize(
    ("status", "wish", "seconds"),
    [
        (429, None, THROTTLED_DELAY_SECONDS),
        (429, b"17", 17),
        (429, b"soon", THROTTLED_DELAY_SECONDS),
        (503, b"120", 120),
        (503, None, None),
        (503, b"Thu, 28 May 2026 20:26:50 GMT", 10),
        (400, b"17", None),
    ],
)
def test_the_wait_is_the_services_wish_or_a_minute_after_too_many_requests(status, wish, seconds):
    headers = () if wish is None else ((b"Retry-After", wish),)
    assert classify(Service.MOZILLA, status, headers, b"", NOW).retry_after_seconds == seconds


@given(
    st.sampled_from(Service),
    st.integers(100, 599),
    st.lists(st.tuples(st.sampled_from([b"x-wns-status", b"retry-after", b"x"]), st.binary(max_size=20)), max_size=3),
    st.binary(max_size=60),
)
def test_any_answer_has_a_verdict(service, status, headers, body):
    verdict = classify(service, status, headers, body, NOW)
    assert verdict.reason is not Reason.DEAD_TOKEN or status in {404, 410}


@pytest.mark.parametrize(
    ("headers", "receipt"),
    [
        ((), Receipt()),
        (
            ((b"Location", b"https://updates.push.services.mozilla.com/m/gAAA"), (b"TTL", b"60")),
            Receipt(location="https://updates.push.services.mozilla.com/m/gAAA", ttl_seconds=60),
        ),
        (((b"location", b"/message/x"), (b"ttl", b"0")), Receipt(location="/message/x", ttl_seconds=0)),
        (((b"location", b"javascript:x"), (b"ttl", b"-1")), Receipt()),
        (((b"location", b"https://a/ b"), (b"ttl", b"9" * 11)), Receipt()),
        (((b"location", b"https://" + b"a" * 2041), (b"ttl", b"1.5")), Receipt()),
    ],
)
def test_a_receipt_has_what_can_be_read(headers, receipt):
    assert read_receipt(headers) == receipt
