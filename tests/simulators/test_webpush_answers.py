"""What the services say when they take a message, and when a scenario has them say something else."""

import uuid

import msgspec
import pytest

from bench.simulators.server import Answer
from bench.simulators.webpush import WebPushAnswerEvent
from bench.simulators.webpush.services import SERVICE_OF_ORIGIN
from tests.support.push_sender import ORIGINS, PushServices

ALL = list(SERVICE_OF_ORIGIN)


def headers_of(answer: Answer) -> dict[str, str]:
    fields = (*answer.headers, *answer.unique_headers)
    headers = {name.decode(): value.decode() for name, value in fields}
    assert len(headers) == len(fields), "a field came twice"
    return headers


def plan(origin: str, status: int, reason: str | None = None, **event) -> Answer:
    services = PushServices()
    request = services.make_request(origin)
    judgement = services.provider.judge(request, services.provider.meet(None))
    event = WebPushAnswerEvent(at_request=1, status=status, reason=reason, **event)
    return services.provider.plan_answer(event, request, judgement)


@pytest.mark.parametrize("origin", ALL)
def test_message_that_is_taken_has_a_place_of_its_own(origin):
    services = PushServices()
    first, second = (headers_of(services.push(origin).answer) for _ in range(2))
    place, _, message_id = first["location"].rpartition("/")
    assert place == f"{ORIGINS[origin]}/m"
    assert str(uuid.UUID(message_id)) == message_id
    assert first["location"] != second["location"]
    assert first["ttl"] == "60"


@pytest.mark.parametrize(
    ("origin", "asked", "kept"),
    [
        ("mozilla", 2_592_000, 2_592_000),
        ("mozilla", 2_592_001, 2_592_000),
        ("apple", 2_592_001, 2_592_000),
        ("fcm", 2_419_200, 2_419_200),
        ("fcm", 2_419_201, 2_419_200),
        ("wns", 2_592_001, 2_592_001),
        ("http1", 2**31 + 1, 2**31),
        ("mozilla", 10**4000, 2_592_000),
    ],
    ids=str,
)
def test_ttl_is_cut_to_what_the_service_keeps_and_the_answer_says_so(origin, asked, kept):
    ttl = "9" * 4000 if asked > 2**40 else str(asked)
    assert headers_of(PushServices().push(origin, ttl=ttl).answer)["ttl"] == str(kept)


@pytest.mark.parametrize("changes", [{}, {"ttl": None}])
def test_apple_gives_every_answer_an_id(changes):
    assert uuid.UUID(headers_of(PushServices().push("apple", **changes).answer)["apns-id"])


@pytest.mark.parametrize("changes", [{}, {"ttl": None}])
def test_wns_says_everything_in_headers(changes):
    answer = PushServices().push("wns", **changes).answer
    headers = headers_of(answer)
    assert headers.keys() >= {"x-wns-status", "x-wns-notificationstatus", "x-wns-msg-id", "x-wns-debug-trace", "ms-cv"}
    assert headers["x-wns-status"] == headers["x-wns-notificationstatus"] == ("dropped" if changes else "received")
    assert (answer.body, headers["content-length"]) == (b"", "0")


MOZILLA = [
    (410, None, 103),
    (410, "105", 105),
    (410, "106", 106),
    (404, None, 102),
    (401, None, 109),
    (413, None, 104),
    (400, "108", 108),
    (400, "101", 101),
    (502, "901", 901),
    (503, "202", 202),
    (500, None, 999),
    (429, None, None),
    (400, "Something unheard of", None),
]


@pytest.mark.parametrize(("status", "word", "errno"), MOZILLA)
def test_mozilla_says_an_errno_or_null(status, word, errno):
    answer = plan("mozilla", status, word)
    error = msgspec.json.decode(answer.body)
    assert (answer.status, error["code"], error["errno"]) == (status, status, errno)
    assert set(error) == {"code", "errno", "error", "message", "more_info"}
    assert error["message"]
    assert answer.reason == (str(errno) if errno is not None else error["message"])


def test_mozilla_lets_caches_know_of_the_gone_and_always_asks_for_two_minutes():
    assert headers_of(plan("mozilla", 410))["cache-control"] == "max-age=86400"
    assert headers_of(plan("mozilla", 503))["retry-after"] == "120"


@pytest.mark.parametrize(
    ("status", "word", "text", "kind"),
    [
        (410, None, "NotRegistered", "text/html; charset=UTF-8"),
        (404, None, "NotRegistered", "text/plain; charset=utf-8"),
        (400, None, "UnauthorizedRegistration", "text/html; charset=UTF-8"),
        (403, None, "do not correspond to the credentials", "text/plain; charset=utf-8"),
        (429, "slow down", "slow down", "text/plain; charset=utf-8"),
        (503, None, "Service Unavailable", "text/html; charset=UTF-8"),
    ],
)
def test_fcm_says_a_line_or_a_page(status, word, text, kind):
    answer = plan("fcm", status, word)
    assert (answer.status, headers_of(answer)["content-type"]) == (status, kind)
    assert text in answer.body.decode()
    assert text in answer.reason


@pytest.mark.parametrize(
    ("status", "word", "reason"),
    [
        (410, None, "Unregistered"),
        (410, "ExpiredToken", "ExpiredToken"),
        (429, None, "TooManyRequests"),
        (403, None, "BadJwtToken"),
        (403, "VapidPkHashMismatch", "VapidPkHashMismatch"),
        (500, None, "InternalServerError"),
        (503, None, "ServiceUnavailable"),
        (503, "Shutdown", "Shutdown"),
    ],
)
def test_apple_says_a_reason(status, word, reason):
    answer = plan("apple", status, word)
    assert (answer.status, msgspec.json.decode(answer.body), answer.reason) == (status, {"reason": reason}, reason)
    assert headers_of(answer)["apns-id"]


@pytest.mark.parametrize(
    ("status", "word", "state", "description"),
    [
        (201, "dropped", "dropped", None),
        (201, "channelthrottled", "channelthrottled", None),
        (200, "appthrottled", "appthrottled", None),
        (406, None, "channelthrottled", None),
        (406, "appthrottled", "appthrottled", None),
        (429, None, "channelthrottled", None),
        (410, None, "dropped", "Gone"),
        (404, "no such channel", "dropped", "no such channel"),
        (500, None, "dropped", "Internal Server Error"),
    ],
)
def test_wns_says_a_state_and_for_errors_a_description(status, word, state, description):
    answer = plan("wns", status, word)
    headers = headers_of(answer)
    assert (answer.status, answer.body, headers["x-wns-notificationstatus"]) == (status, b"", state)
    assert headers.get("x-wns-error-description") == description
    assert ("location" in headers) == ("ttl" in headers) == (status < 300)


@pytest.mark.parametrize("origin", ALL)
@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirect_leads_to_another_endpoint_of_the_service(origin, status):
    services = PushServices()
    request = services.make_request(origin)
    judgement = services.provider.judge(request, services.provider.meet(None))
    answer = services.provider.plan_answer(WebPushAnswerEvent(at_request=1, status=status), request, judgement)
    location = headers_of(answer)["location"]
    assert location.startswith(ORIGINS[origin])
    path = location.removeprefix(ORIGINS[origin])
    assert path != request.path.decode()
    assert services.subscriptions.find(SERVICE_OF_ORIGIN[origin], path) is not None
    assert answer.body == b""


def test_redirect_leads_where_the_scenario_wants_it():
    answer = plan("mozilla", 308, headers={"Location": "https://127.0.0.1/"})
    assert "location" not in headers_of(answer)  # the server adds the scenario's own


@pytest.mark.parametrize("origin", ALL)
@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 406, 410, 413, 418, 429, 500, 502, 503, 504, 599])
def test_any_status_without_a_word_has_the_form_of_its_service(origin, status):
    answer = plan(origin, status)
    assert answer.status == status
    headers_of(answer)
