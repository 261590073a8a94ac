"""Google's own senders, for Node and Python, against the simulator of FCM: what they say of right and wrong sends."""

import json
import re

import pytest

from tests.support.foreign import read_arrivals, run_client, simulator, write_foreign_authority
from tests.support.service_accounts import account_pem

pytestmark = pytest.mark.foreign

SCENARIO = "".join(
    f"""
[[events]]
destination_prefix = "{prefix}"
do = "answer"
{answer}
"""
    for prefix, answer in {
        "gone": 'reason = "UNREGISTERED"',
        "foreign": 'reason = "SENDER_ID_MISMATCH"',
        "apple": 'reason = "THIRD_PARTY_AUTH_ERROR"',
        "busy": 'reason = "QUOTA_EXCEEDED"\nquota = "device"',
        "broken": 'reason = "INTERNAL"',
        "away": 'reason = "UNAVAILABLE"',
        "front": "status = 502\nhtml = true",
        "denied": 'reason = "PERMISSION_DENIED"',
    }.items()
)
LARGE = {"text": "x" * 4100}
RIGHT = {
    "notification": {"target": {"token": "t-notification:a"}, "title": "hello"},
    "data": {"target": {"token": "t-data:a"}, "data": {"order": "17", "grüße": "🚀"}},
    "time to live": {"target": {"token": "t-ttl:a"}, "title": "hello", "ttl_seconds": 3600},
    "link": {"target": {"token": "t-link:a"}, "title": "hello", "link": "https://shop.example/sale"},
    "topic": {"target": {"topic": "news"}, "title": "hello"},
    "condition": {"target": {"condition": "'news' in topics && !('sport' in topics)"}, "title": "hello"},
} | {
    f"at once {number}": {"target": {"token": f"t-at-once-{number}:a"}, "title": "hello", "at_once": True}
    for number in range(40)
}
NODE, PYTHON = "node/firebase_admin.js", "firebase_admin/send.py"


def node(code):
    return {"code": code}


def python(raised, code=None):
    return {"raised": raised} | ({} if code is None else {"code": code})


# What is wrong: what is sent, how often Node's and Python's senders send it, and what each says.
WRONG = {
    "dead token": (
        {"target": {"token": "gone:a"}},
        ([404], node("messaging/registration-token-not-registered")),
        ([404], python("UnregisteredError", "NOT_FOUND")),
    ),
    "another sender's token": (
        {"target": {"token": "foreign:a"}},
        ([403], node("messaging/mismatched-credential")),
        ([403], python("SenderIdMismatchError", "PERMISSION_DENIED")),
    ),
    "Apple refuses the project": (
        {"target": {"token": "apple:a"}},
        ([401], node("messaging/third-party-auth-error")),
        ([401] * 3, python("ThirdPartyAuthError", "UNAUTHENTICATED")),  # with a fresh access token each time
    ),
    "quota of a device": (
        {"target": {"token": "busy:a"}},
        ([429], node("messaging/message-rate-exceeded")),
        ([429], python("QuotaExceededError", "RESOURCE_EXHAUSTED")),
    ),
    "no permission": (
        {"target": {"token": "denied:a"}},
        ([403], node("messaging/mismatched-credential")),
        ([403], python("PermissionDeniedError", "PERMISSION_DENIED")),
    ),
    "error of the server's": (
        {"target": {"token": "broken:a"}},
        ([500], node("messaging/internal-error")),
        ([500] * 5, python("InternalError", "INTERNAL")),
    ),
    "server that is away": (
        {"target": {"token": "away:a"}},
        ([503] * 5, node("messaging/server-unavailable")),
        ([503] * 5, python("UnavailableError", "UNAVAILABLE")),
    ),
    "front end alone": (
        {"target": {"token": "front:a"}},
        ([502], node("messaging/unknown-error")),
        ([502], python("UnknownError", "UNKNOWN")),
    ),
    "large payload": (
        {"target": {"token": "large:a"}, "data": LARGE},
        ([400], node("messaging/invalid-argument")),
        ([400], python("InvalidArgumentError", "INVALID_ARGUMENT")),
    ),
    "reserved key": (
        {"target": {"token": "reserved:a"}, "data": {"google.x": "1"}},
        ([400], node("messaging/invalid-argument")),
        ([400], python("InvalidArgumentError", "INVALID_ARGUMENT")),
    ),
    "long time to live": (
        {"target": {"token": "long:a"}, "ttl_seconds": 3_000_000},
        ([400], node("messaging/invalid-argument")),
        ([400], python("InvalidArgumentError", "INVALID_ARGUMENT")),
    ),
    "malformed token": (
        {"target": {"token": "malformed"}, "title": "hello"},
        ([400], node("messaging/invalid-argument")),
        ([400], python("InvalidArgumentError", "INVALID_ARGUMENT")),
    ),
    "two targets": (
        {"target": {"token": "two:a", "topic": "two"}},
        (None, node("messaging/invalid-payload")),
        (None, python("ValueError")),
    ),
    "data that is no text": (
        {"target": {"token": "number:a"}, "data": {"order": 17}},
        (None, node("messaging/invalid-payload")),
        (None, python("ValueError")),
    ),
    "another project": (
        {"target": {"token": "project:a"}, "account": {"project_id": "shop-2"}},
        ([403], node("messaging/mismatched-credential")),
        ([403], python("PermissionDeniedError", "PERMISSION_DENIED")),
    ),
    "unknown key": (
        {"target": {"token": "key:a"}, "account": {"private_key": account_pem()}},
        (None, node("app/invalid-credential")),
        (None, python("RefreshError")),
    ),
    "unknown account": (
        {"target": {"token": "account:a"}, "account": {"client_email": "nobody@shop-1.iam.gserviceaccount.com"}},
        (None, node("app/invalid-credential")),
        (None, python("RefreshError")),
    ),
}
MESSAGE_NAME = re.compile(r"projects/shop-1/messages/[^/]+")


def write_account(folder, facts, name, **fields):
    """Write the simulator's service account with other fields; its token endpoint is the simulator's own."""
    account = json.loads(folder.joinpath(facts["service_account_file"]).read_text())
    file = folder / f"{name}.json"
    file.write_text(json.dumps(account | {"token_uri": facts["token_uri"]} | fields))
    return file


def destination_of(case):
    return next(iter(case["target"].values()))


@pytest.mark.parametrize("client", [NODE, PYTHON])
def test_google_senders_say_what_google_would_have_told_them(tmp_path, client):
    with simulator(tmp_path, "fcm", SCENARIO) as facts:
        server = facts | {"service_account_file": write_account(tmp_path, facts, "right")}
        cases = [{"name": name} | case for name, case in RIGHT.items()]
        for name, (case, *_) in WRONG.items():
            account = case.get("account")
            file = write_account(tmp_path, facts, name, **account) if account else server["service_account_file"]
            cases.append({"name": name, "service_account_file": file} | case)
        said = run_client(client, server, cases)
    side = 1 if client == NODE else 2
    assert {name: said[name] for name in WRONG} == {name: wrong[side][1] for name, wrong in WRONG.items()}
    names = [said[name].pop("name", None) for name in RIGHT]
    assert all(MESSAGE_NAME.fullmatch(str(name)) for name in names), said
    assert len(set(names)) == len(RIGHT)
    assert [said[name] for name in RIGHT] == [
        {"success": True} if case.get("at_once") else {} for case in RIGHT.values()
    ]
    arrivals = {destination_of(case): [200] for case in RIGHT.values()}
    arrivals |= {destination_of(case): sides[side - 1][0] for case, *sides in WRONG.values() if sides[side - 1][0]}
    assert read_arrivals(tmp_path) == arrivals


@pytest.mark.parametrize(
    ("client", "words"), [(NODE, node("app/invalid-credential")), (PYTHON, python("TransportError"))]
)
def test_a_google_sender_that_does_not_trust_the_simulator_sends_nothing(tmp_path, client, words):
    with simulator(tmp_path, "fcm") as facts:
        wary = facts | {"service_account_file": write_account(tmp_path, facts, "right")}
        wary["ca_file"] = write_foreign_authority(tmp_path)
        said = run_client(client, wary, [{"name": "notification"} | RIGHT["notification"]])
    assert said == {"notification": words}
    assert read_arrivals(tmp_path) == {}
