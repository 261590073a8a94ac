"""Answers of providers that other tools were seen to misread, each with what it must come to."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from protocol.outcomes import Advice, AttemptOutcome, Remedy, Verdict
from protocol.providers import apns, fcm, webpush
from protocol.reasons import Reason

CASES: dict[str, dict[str, Any]] = {
    case["name"]: case
    for case in map(
        msgspec.json.decode, (Path(__file__).parent / "data" / "provider_answers.ndjson").read_bytes().splitlines()
    )
}
NOW = 1_780_000_000.0
REPEATED = (AttemptOutcome.DEFERRED, Reason.PROVIDER_ERROR, Advice.RETRY_LATER)


def judge(name: str, provider: str | None = None) -> Verdict:
    case = CASES[name]
    kind, _, service = (provider or case["provider"]).partition("/")
    body = case["body"]
    data = body.encode() if isinstance(body, str) else msgspec.json.encode(body)
    if kind == "webpush":
        return webpush.classify(webpush.Service(service), case["status"], (), data, NOW)
    return {"apns": apns, "fcm": fcm}[kind].classify(case["status"], (), data, NOW)


def test_no_case_is_left_out():
    assert len(CASES) == 10


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("fcm_bad_token", (AttemptOutcome.REJECTED, Reason.INVALID_TOKEN, Advice.FIX_TARGET, Remedy.NONE)),
        ("fcm_too_big", (AttemptOutcome.REJECTED, Reason.PAYLOAD_TOO_LARGE, Advice.FIX_PAYLOAD, Remedy.NONE)),
        ("fcm_push_bad_endpoint", (AttemptOutcome.REJECTED, Reason.INVALID_TOKEN, Advice.FIX_TARGET, Remedy.NONE)),
        ("mozilla_android_size", (AttemptOutcome.REJECTED, Reason.PAYLOAD_TOO_LARGE, Advice.FIX_PAYLOAD, Remedy.NONE)),
        (
            "mozilla_expired_token",
            (AttemptOutcome.DEFERRED, Reason.BAD_CREDENTIALS, Advice.FIX_CREDENTIALS, Remedy.FRESH_TOKEN),
        ),
        ("apple_topic", (AttemptOutcome.REJECTED, Reason.INVALID_OPTION, Advice.FIX_PAYLOAD, Remedy.NONE)),
    ],
)
def test_an_answer_with_words_means_what_they_say(name, expected):
    verdict = judge(name)
    assert (verdict.outcome, verdict.reason, verdict.advice, verdict.remedy) == expected


def test_what_a_reader_of_results_is_told_tells_the_two_invalid_arguments_apart():
    assert judge("fcm_bad_token").provider_reason != judge("fcm_too_big").provider_reason


@pytest.mark.parametrize("provider", ["apns", "fcm", *(f"webpush/{service.value}" for service in webpush.Service)])
def test_what_was_not_acted_upon_is_repeated_and_a_misdirected_one_on_another_connection(provider):
    for name, remedy in [
        ("misdirected", Remedy.FRESH_SESSION),
        ("request_timeout", Remedy.NONE),
        ("too_early", Remedy.NONE),
    ]:
        verdict = judge(name, provider)
        assert (verdict.outcome, verdict.reason, verdict.advice, verdict.remedy) == (*REPEATED, remedy)
    assert judge("odd_success", provider).outcome is AttemptOutcome.ACCEPTED
