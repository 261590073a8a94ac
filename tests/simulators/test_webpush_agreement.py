"""Two readings of the same texts: what the simulator says must mean to the gateway what the simulator meant by it."""

import pytest

from bench.simulators.server import Answer
from bench.simulators.webpush import Fault, WebPushAnswerEvent
from bench.simulators.webpush.services import HABITS, SERVICE_OF_ORIGIN
from protocol.outcomes import Advice, AttemptOutcome, Verdict
from protocol.providers.webpush import Service, classify, read_receipt
from protocol.reasons import Reason
from tests.support.push_sender import NOW, ORIGINS, PushServices

ALL = list(SERVICE_OF_ORIGIN)
ABOUT_THE_TOKEN = [fault for fault in Fault if fault.name.startswith(("JWT_", "AUTHORIZATION_", "VAPID_"))]
ABOUT_THE_REQUEST = [
    (fault, service)
    for fault in Fault
    for service in HABITS
    if fault not in (*ABOUT_THE_TOKEN, Fault.KEY_MISMATCH, Fault.UNKNOWN_PATH, Fault.BODY_TOO_LARGE)
    and (fault is not Fault.TTL_CACHE_CONFLICT or service == "wns")
]


def understand(service: str, answer: Answer) -> Verdict:
    return classify(Service(service), answer.status, (*answer.headers, *answer.unique_headers), answer.body, NOW)


def understand_refusal(service: str, fault: Fault) -> Verdict:
    return understand(service, HABITS[service].refuse(fault))


@pytest.mark.parametrize("service", list(HABITS))
@pytest.mark.parametrize("fault", ABOUT_THE_TOKEN)
def test_refused_token_is_a_matter_of_credentials(fault, service):
    assert understand_refusal(service, fault).reason is Reason.BAD_CREDENTIALS


@pytest.mark.parametrize(("fault", "service"), ABOUT_THE_REQUEST)
def test_wrong_request_is_rejected_and_kills_no_subscription(fault, service):
    verdict = understand_refusal(service, fault)
    assert verdict.outcome is AttemptOutcome.REJECTED
    assert verdict.reason in (Reason.PROVIDER_ERROR, Reason.INVALID_OPTION)
    assert verdict.advice is not Advice.DELETE_PENDING


@pytest.mark.parametrize("service", list(HABITS))
def test_unknown_subscription_is_dead_and_large_body_too_large(service):
    assert understand_refusal(service, Fault.UNKNOWN_PATH).reason is Reason.DEAD_TOKEN
    assert understand_refusal(service, Fault.BODY_TOO_LARGE).reason is Reason.PAYLOAD_TOO_LARGE


@pytest.mark.parametrize(
    ("service", "reason"),
    [
        ("mozilla", Reason.SUBSCRIPTION_KEY_MISMATCH),
        ("fcm", Reason.SUBSCRIPTION_KEY_MISMATCH),
        ("apple", Reason.SUBSCRIPTION_KEY_MISMATCH),
        ("wns", Reason.BAD_CREDENTIALS),
        ("other", Reason.BAD_CREDENTIALS),
    ],
)
def test_key_of_another_subscription_is_named_where_the_service_names_it_and_holds_no_lane(service, reason):
    verdict = understand_refusal(service, Fault.KEY_MISMATCH)
    assert (verdict.outcome, verdict.reason) == (AttemptOutcome.REJECTED, reason)


@pytest.mark.parametrize("origin", ALL)
def test_taken_message_is_accepted_and_its_receipt_read(origin):
    answer = PushServices().push(origin, ttl="60").answer
    assert understand(SERVICE_OF_ORIGIN[origin], answer).outcome is AttemptOutcome.ACCEPTED
    receipt = read_receipt((*answer.headers, *answer.unique_headers))
    assert receipt.location is not None
    assert receipt.location.startswith(ORIGINS[origin])
    assert receipt.ttl_seconds == 60


@pytest.mark.parametrize("origin", ALL)
@pytest.mark.parametrize(
    ("status", "outcome", "reason"),
    [
        (200, AttemptOutcome.ACCEPTED, None),
        (202, AttemptOutcome.ACCEPTED, None),
        (308, AttemptOutcome.REJECTED, Reason.PROVIDER_ERROR),
        (404, AttemptOutcome.REJECTED, Reason.DEAD_TOKEN),
        (410, AttemptOutcome.REJECTED, Reason.DEAD_TOKEN),
        (413, AttemptOutcome.REJECTED, Reason.PAYLOAD_TOO_LARGE),
        (429, AttemptOutcome.DEFERRED, Reason.RATE_LIMITED),
        (500, AttemptOutcome.DEFERRED, Reason.PROVIDER_ERROR),
        (502, AttemptOutcome.DEFERRED, Reason.PROVIDER_ERROR),
        (503, AttemptOutcome.DEFERRED, Reason.PROVIDER_ERROR),
    ],
)
def test_status_that_a_scenario_plans_means_the_same_with_every_service(origin, status, outcome, reason):
    services = PushServices()
    request = services.make_request(origin)
    judgement = services.provider.judge(request, services.provider.meet(None))
    answer = services.provider.plan_answer(WebPushAnswerEvent(every=1, status=status), request, judgement)
    verdict = understand(SERVICE_OF_ORIGIN[origin], answer)
    assert (verdict.outcome, verdict.reason) == (outcome, reason)


@pytest.mark.parametrize("word", ["dropped", "channelthrottled", "appthrottled"])
def test_success_that_wns_did_not_take_is_no_delivery(word):
    assert understand("wns", HABITS["wns"].answer(201, word)).outcome is AttemptOutcome.DEFERRED


@pytest.mark.parametrize(("service", "seconds"), [("mozilla", 120.0), ("fcm", None)])
def test_mozilla_asks_for_two_minutes_when_it_is_overloaded(service, seconds):
    assert understand(service, HABITS[service].answer(503, None)).retry_after_seconds == seconds
