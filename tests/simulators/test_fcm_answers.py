"""The error model as a scenario can ask for it, and what the gateway's own reading makes of it."""

import tomllib
from pathlib import Path

import orjson
import pytest

from bench.simulators.fcm import FcmAnswerEvent, FcmScenario
from bench.simulators.fcm.scenario import BARE_STATUSES, FCM_ERROR_STATUSES
from bench.simulators.server import AnswerEvent, ScenarioError, parse_scenario
from protocol.outcomes import Advice, AttemptOutcome, Remedy
from protocol.providers.fcm import classify, read_name
from protocol.reasons import Reason
from tests.support.fcm_sender import NOW, FcmRules, details_of

DATA = tomllib.loads((Path(__file__).parent.parent / "protocol" / "data" / "fcm_responses.toml").read_text())
QUOTAS = {"project:shop-1": "project", "device:c8": "device"}


def planned(rules=None, **event):
    rules = rules or FcmRules()
    judgement = rules.judge()
    return rules.provider.plan_answer(FcmAnswerEvent(every=1, **event), None, judgement)


def event_of(row):
    """Return what a scenario says to get this row of the gateway's table; None when it has no words for it."""
    if row.get("code") == "PERMISSION_DENIED" or len(row.get("quotas", ())) > 1 or row.get("quotas") == [""]:
        return None
    event = {"status": row["http"], "fields": tuple(row.get("violations", ()))}
    event["reason"] = row.get("code") or row.get("status") or "UNKNOWN"
    event["without_fcm_error"] = "code" not in row
    if "apns" in row:
        event |= {"apns_status": row["apns"]["statusCode"], "apns_reason": row["apns"]["reason"]}
    if "message" in row:
        event["text"] = row["message"]
    if "quotas" in row:
        event["quota"] = QUOTAS[row["quotas"][0]]
    return event


ROWS = [(row, event) for row in DATA["response"] + DATA["case"] if (event := event_of(row)) is not None]


@pytest.mark.parametrize("reverses_details", [False, True])
@pytest.mark.parametrize(("row", "event"), ROWS, ids=lambda value: value.get("name", "") if "http" in value else "")
def test_the_gateway_reads_every_planned_answer_as_it_should(row, event, reverses_details):
    answer = planned(**event, reverses_details=reverses_details)
    verdict = classify(answer.status, (), answer.body, NOW)
    assert verdict.outcome is AttemptOutcome[row["outcome"].upper()]
    assert verdict.reason is Reason[row["word"].upper()]
    assert verdict.advice is Advice[row["advice"].upper()]
    assert verdict.remedy is Remedy[row["remedy"].upper()]


@pytest.mark.parametrize(("reason", "status"), sorted(FCM_ERROR_STATUSES.items()))
def test_fcms_own_errors_bring_their_status_and_their_detail(reason, status):
    answer = planned(reason=reason)
    assert (answer.status, answer.reason) == (status, reason)
    assert details_of(answer.body)["FcmError"]["errorCode"] == reason
    assert orjson.loads(answer.body)["error"]["code"] == status


@pytest.mark.parametrize(("reason", "status"), sorted(BARE_STATUSES.items()))
def test_statuses_of_others_bring_no_detail_at_all(reason, status):
    answer = planned(reason=reason)
    error = orjson.loads(answer.body)["error"]
    assert (answer.status, answer.reason) == (status, reason)
    assert (error["status"], "details" in error) == (reason, False)


def test_details_stand_in_either_order():
    event = {"reason": "QUOTA_EXCEEDED", "quota": "device", "retry_delay_seconds": 12.5, "fields": ("a", "b")}
    answer = planned(**event)
    details = details_of(answer.body)
    assert list(details) == ["FcmError", "BadRequest", "QuotaFailure", "RetryInfo"]
    assert details["RetryInfo"]["retryDelay"] == "12.5s"
    assert details["QuotaFailure"]["violations"][0]["subject"] == "device:c8:x"
    assert [violation["field"] for violation in details["BadRequest"]["fieldViolations"]] == ["a", "b"]
    reversed_details = details_of(planned(**event, reverses_details=True).body)
    assert list(reversed_details.items()) == list(details.items())[::-1]


def test_an_apple_error_may_come_without_a_reason():
    detail = details_of(planned(reason="INVALID_ARGUMENT", apns_status=410).body)["ApnsError"]
    assert (detail["statusCode"], "reason" in detail) == (410, False)


def test_a_page_of_html_and_an_empty_body():
    page = planned(status=502, html=True)
    assert (page.status, page.body[:15]) == (502, b"<!DOCTYPE html>")
    empty = planned(status=503)
    assert (empty.status, empty.reason, empty.body) == (503, None, b"")


def test_a_success_is_read_by_the_gateway_as_its_name():
    judgement = FcmRules().judge()
    assert read_name(judgement.answer.body) == judgement.ledger_fields["message_id"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('at_request = 1\ndo = "answer"', "needs a status"),
        ('at_request = 1\ndo = "answer"\nreason = "NEW"', "'NEW'"),
        ('at_request = 1\ndo = "answer"\nreason = "UNREGISTERED"\nstatus = 99', "200 to 599"),
        ('at_request = 1\ndo = "answer"\nreason = "INTERNAL"\napns_reason = "x"', "apns_status"),
        ('at_request = 1\ndo = "answer"\nreason = "INTERNAL"\nquota = "user"', "quota"),
        ('on_connect = true\ndo = "answer"\nreason = "INTERNAL"', "on_connect"),
        ('do = "answer"\nreason = "INTERNAL"', "trigger"),
        ('at_request = 1\ndo = "answer"\nreason = "INTERNAL"\ndead_for_seconds = 1', "dead_for_seconds"),
    ],
)
def test_an_answer_that_cannot_be_given_is_refused_with_its_place(text, words):
    with pytest.raises(ScenarioError) as caught:
        parse_scenario(f"[[events]]\n{text}", FcmScenario)
    assert "events" in str(caught.value)
    assert words in str(caught.value)


def test_a_scenario_file_says_all_of_it():
    text = """
    seed = 3
    [stream_limit]
    open = 50
    [[events]]
    destination_prefix = "dead"
    do = "answer"
    reason = "UNREGISTERED"
    [[events]]
    every = 7
    do = "silence"
    [[exchanges]]
    times = 2
    status = 503
    """
    scenario = parse_scenario(text, FcmScenario)
    assert isinstance(scenario.events[0], AnswerEvent)
    assert scenario.events[0] == FcmAnswerEvent(destination_prefix="dead", reason="UNREGISTERED", status=404)
    assert (scenario.stream_limit.open, scenario.exchanges[0].status) == (50, 503)


def test_a_goaway_carries_its_reason_as_bare_text():
    assert FcmRules().provider.goaway_data("max_age") == b"max_age"
