"""Assertions, the exchange of them, and the access tokens that it gives out."""

from urllib.parse import quote, urlencode

import jwt
import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from bench.simulators.fcm import ExchangeEvent, FcmScenario
from bench.simulators.fcm.scenario import FcmAnswerEvent
from bench.simulators.fcm.service_account import make_service_account
from bench.simulators.server import Authority
from tests.support.fcm_sender import NOW, FcmRules, details_of, make_claims, make_form, sign
from tests.support.service_accounts import CLIENT_EMAIL, KEY_ID, account_pem

MESSAGING = "https://www.googleapis.com/auth/firebase.messaging"
GMAIL = "https://www.googleapis.com/auth/gmail.send"
CLOUD = "https://www.googleapis.com/auth/cloud-platform"

REFUSED_CLAIMS = [
    ({"iss": None}, 400, "invalid_grant"),
    ({"iss": "other@shop-1.iam.gserviceaccount.com"}, 400, "invalid_grant"),
    ({"aud": None}, 400, "invalid_grant"),
    ({"aud": "https://localhost:4711/token"}, 400, "invalid_grant"),
    ({"aud": ["https://oauth2.googleapis.com/token"]}, 400, "invalid_grant"),
    ({"sub": "user@example.com"}, 401, "unauthorized_client"),
    ({"iat": None}, 400, "invalid_grant"),
    ({"exp": None}, 400, "invalid_grant"),
    ({"iat": True}, 400, "invalid_grant"),
    ({"exp": str(NOW + 3600)}, 400, "invalid_grant"),
    ({"exp": NOW + 3601}, 400, "invalid_grant"),
    ({"exp": NOW}, 400, "invalid_grant"),
    ({"iat": NOW + 301, "exp": NOW + 3600}, 400, "invalid_grant"),
    ({"iat": NOW - 3901, "exp": NOW - 301}, 400, "invalid_grant"),
    ({"scope": None}, 400, "invalid_scope"),
    ({"scope": ""}, 400, "invalid_scope"),
    ({"scope": "messaging"}, 400, "invalid_scope"),
    ({"scope": f"{MESSAGING} messaging"}, 400, "invalid_scope"),
    ({"scope": [MESSAGING]}, 400, "invalid_scope"),
]

ACCEPTED_CLAIMS = [
    {},
    {"scope": CLOUD},
    {"scope": f"{MESSAGING} {CLOUD}"},
    {"scope": f"https://www.googleapis.com/auth/firebase.database  {MESSAGING} openid"},
    {"scope": GMAIL},
    {"sub": CLIENT_EMAIL},
    {"aud": "https://accounts.google.com/o/oauth2/token"},
    {"aud": "https://www.googleapis.com/oauth2/v4/token"},
    {"iat": NOW + 0.5},
    {"iat": NOW + 300, "exp": NOW + 3900},
    {"iat": NOW - 3900, "exp": NOW - 300},
    {"exp": NOW + 1},
]


def form_of(assertion, **changes):
    return urlencode(make_form(assertion, **changes)).encode()


def exchange(assertion, **changes):
    return FcmRules().exchange(form_of(assertion, **changes)).answer


def error_of(answer):
    body = orjson.loads(answer.body)
    assert set(body) == {"error", "error_description"}
    return answer.status, body["error"]


def unsigned(claims):
    return jwt.encode(claims, "", algorithm="none", headers={"kid": KEY_ID})


@pytest.mark.parametrize(("changes", "status", "error"), REFUSED_CLAIMS, ids=lambda value: str(value)[:60])
def test_an_assertion_that_says_something_wrong_is_refused(changes, status, error):
    answer = exchange(sign(make_claims(**changes)))
    assert error_of(answer) == (status, error)
    assert answer.reason == error


@pytest.mark.parametrize("changes", ACCEPTED_CLAIMS, ids=str)
def test_a_good_assertion_is_exchanged(changes):
    answer = exchange(sign(make_claims(**changes)))
    assert answer.status == 200
    body = orjson.loads(answer.body)
    assert set(body) == {"access_token", "expires_in", "token_type"}
    assert (body["expires_in"], body["token_type"]) == (3599, "Bearer")


def test_an_assertion_need_not_name_its_key():
    assert exchange(sign(make_claims(), key_id=None)).status == 200


@pytest.mark.parametrize("path", ["/token", "/%74oken", "/o/oauth2/token", "/oauth2/v4/token"])
def test_audience_may_be_the_address_that_the_client_was_given(path):
    rules = FcmRules()
    for uri, status in (
        (f"https://localhost:4711{path.replace('%74', 't')}", 200),
        ("https://localhost:4712/token", 400),
    ):
        form = form_of(sign(make_claims(aud=uri)))
        assert rules.exchange(form, path=path, **{":authority": "localhost:4711"}).answer.status == status


def test_a_token_for_other_services_cannot_send():
    rules = FcmRules()
    statuses = []
    for scope in (GMAIL, f"{GMAIL} {CLOUD}"):
        token = orjson.loads(rules.exchange(form_of(sign(make_claims(scope=scope)))).answer.body)["access_token"]
        answer = rules.judge(authorization=f"Bearer {token}").answer
        statuses.append((answer.status, answer.reason))
        if answer.status != 200:
            assert details_of(answer.body)["ErrorInfo"]["reason"] == "ACCESS_TOKEN_SCOPE_INSUFFICIENT"
    assert statuses == [(403, "PERMISSION_DENIED"), (200, None)]


@pytest.mark.parametrize(
    "make_assertion",
    [
        lambda: sign(make_claims(), key_id="another"),
        lambda: sign(make_claims(), key=account_pem(rsa.generate_private_key(65537, 2048))),
        lambda: sign(make_claims()) + "AA",
        lambda: sign(make_claims())[:-8] + "AAAAAAAA",
        lambda: unsigned(make_claims()),
        lambda: jwt.encode(make_claims(), "k" * 32, algorithm="HS256", headers={"kid": KEY_ID}),
        lambda: jwt.encode(make_claims(), account_pem(), algorithm="RS512", headers={"kid": KEY_ID}),
        lambda: jwt.encode(make_claims(), account_pem(), algorithm="RS256", headers={"kid": KEY_ID, "typ": "at+jwt"}),
        lambda: jwt.PyJWS().encode(b"[]", account_pem(), algorithm="RS256", headers={"kid": KEY_ID}),
        lambda: jwt.PyJWS().encode(b"\xff", account_pem(), algorithm="RS256", headers={"kid": KEY_ID}),
        lambda: "a.b.c",
        lambda: "a.b",
        lambda: "é",
        lambda: "",
    ],
)
def test_what_the_accounts_key_has_not_signed_is_no_assertion(make_assertion):
    assert error_of(exchange(make_assertion())) == (400, "invalid_grant")


@pytest.mark.parametrize(
    ("form", "error"),
    [
        (b"", "unsupported_grant_type"),
        (b"\xff", "invalid_request"),
        (b"assertion", "invalid_request"),
        (b"&".join([b"a=b"] * 20), "invalid_request"),
        (form_of("a.b.c") + b"&assertion=a.b.c", "invalid_request"),
        (b"assertion=a.b.c", "unsupported_grant_type"),
        (form_of("a.b.c", grant_type="client_credentials"), "unsupported_grant_type"),
        (form_of("a.b.c").replace(b"assertion=", b"assert="), "invalid_request"),
    ],
)
def test_a_form_that_asks_for_something_else_is_refused(form, error):
    assert error_of(FcmRules().exchange(form).answer) == (400, error)


def test_the_form_must_say_that_it_is_one():
    form = form_of(sign(make_claims()))
    for content_type, status in (("application/json", 400), ("application/x-www-form-urlencoded; charset=utf-8", 200)):
        assert FcmRules().exchange(form, **{"content-type": content_type}).answer.status == status


def test_exchanges_are_counted_and_are_no_notifications():
    rules = FcmRules()
    judgements = [rules.exchange(form) for form in (form_of(sign(make_claims())), b"")]
    assert [judgement.is_notification for judgement in judgements] == [False, False]
    assert rules.provider.exchanges == 2
    assert rules.judge().is_notification


def test_a_token_lives_as_long_as_was_said_and_goes_on_beside_newer_ones():
    rules = FcmRules(access_token_seconds=10)
    answers = [rules.exchange(form_of(sign(make_claims()))).answer for _ in range(2)]
    first, second = (orjson.loads(answer.body) for answer in answers)
    assert first["access_token"] != second["access_token"]
    assert first["expires_in"] == 10
    for now, status in ((NOW + 9.9, 200), (NOW + 10, 401)):
        rules.clock.now = now
        assert rules.judge(authorization=f"Bearer {first['access_token']}").answer.status == status


def test_a_request_without_a_good_token_is_refused_and_not_by_fcm():
    rules = FcmRules()
    for authorization in (None, "", "Bearer", "Bearer x", f"Basic {rules.authorization[7:].decode()}", "Bearer \u00e9"):
        answer = rules.judge(authorization=authorization).answer
        assert (answer.status, answer.reason) == (401, "UNAUTHENTICATED")
        assert details_of(answer.body) == {}
    rules.provider.tokens.revoke_all()
    assert rules.judge().answer.status == 401


def test_only_the_own_project_can_be_sent_for():
    rules = FcmRules()
    for project, status in (("shop-1", 200), ("123456789012", 200), ("bank-1", 403), ("a b", 403)):
        answer = rules.judge(path=f"/v1/projects/{quote(project)}/messages:send").answer
        assert answer.status == status
        if status != 200:
            error = orjson.loads(answer.body)["error"]
            assert (error["status"], list(details_of(answer.body))) == ("PERMISSION_DENIED", ["ErrorInfo"])
            assert (
                f"'//cloudresourcemanager.googleapis.com/projects/{project}' (or it may not exist)" in error["message"]
            )


@pytest.mark.parametrize(
    "path", ["/v1/projects/shop%2D1/messages%3Asend", "/v1/projects/shop-1/messages:send?alt=json"]
)
def test_path_is_compared_as_it_reads(path):
    assert FcmRules().judge(path=path).answer.status == 200


def test_a_scenario_lets_exchanges_fail():
    events = (
        ExchangeEvent(at_exchange=1, status=503, retry_after="7"),
        ExchangeEvent(at_exchange=2, error="invalid_grant"),
        ExchangeEvent(times=1, status=502, html=True),
        ExchangeEvent(at_exchange=5, status=500, error="internal_failure"),
    )
    rules = FcmRules(scenario=FcmScenario(exchanges=events))
    answers = [rules.exchange(form_of(sign(make_claims()))).answer for _ in range(6)]
    assert [answer.status for answer in answers] == [503, 400, 502, 200, 500, 200]
    assert answers[0].headers == ((b"retry-after", b"7"),)
    assert answers[0].body == b""
    assert orjson.loads(answers[1].body)["error"] == "invalid_grant"
    assert answers[2].body.startswith(b"<!DOCTYPE html>")


def test_a_scenario_changes_nothing_about_a_bad_assertion():
    rules = FcmRules(scenario=FcmScenario(exchanges=(ExchangeEvent(status=503),)))
    assert rules.exchange(form_of("a.b.c")).answer.status == 400


@pytest.mark.parametrize("make", [lambda: ExchangeEvent(status=200), lambda: ExchangeEvent(at_exchange=0)])
def test_an_exchange_event_that_cannot_happen_is_refused(make):
    with pytest.raises(ValueError, match=r"must be|counts"):
        make()


def test_the_file_of_a_service_account_reads_as_googles_own(tmp_path):
    authority = Authority(tmp_path)
    account = make_service_account("shop-1", authority)
    authority.write_files()
    content = orjson.loads(account.file.read_bytes())
    assert content["type"] == "service_account"
    assert content["token_uri"] == "https://oauth2.googleapis.com/token"
    assert (content["project_id"], content["client_email"]) == ("shop-1", account.client_email)
    assert content["private_key_id"] == account.private_key_id
    assert account.public_key.key_size == 2048
    assert account.file.stat().st_mode & 0o777 == 0o600


def test_the_events_of_messages_are_not_for_exchanges():
    event = FcmAnswerEvent(every=1, reason="UNAVAILABLE")
    rules = FcmRules(scenario=FcmScenario(events=(event,)))
    assert rules.exchange(form_of(sign(make_claims()))).answer.status == 200
