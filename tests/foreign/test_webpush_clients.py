"""Web Push senders of other projects against the simulator: what they say of right and of wrong sends."""

import base64
import hashlib
import json
import time
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from tests.support.foreign import read_arrivals, read_ledger, run_client, simulator, write_foreign_authority

pytestmark = pytest.mark.foreign

NODE, PYTHON = "node/web_push.js", "pywebpush/send.py"
SERVICES = ("mozilla", "fcm", "apple", "wns")
PAYLOAD = '{"hello":"browser 🚀"}'
SUBJECT = "mailto:push@example.com"
SEED = ("--seed", "foreign", "--subscriptions", "400")
ANSWERS = {"gone": 410, "too many requests": 429, "error of the server's": 500, "server that is away": 503}
DAY = 24 * 3600
Case = dict[str, Any]


def b64(content):
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def vapid_of(key, **fields):
    point = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    private = key.private_numbers().private_value.to_bytes(32, "big")
    return {"subject": SUBJECT, "public_key": b64(point), "private_key": b64(private)} | fields


class Browsers:
    """The subscriptions that a simulator wrote, handed out one by one, and the keys that they were made with."""

    def __init__(self, facts: dict[str, Any]) -> None:
        lines = [json.loads(line) for line in Path(facts["subscriptions_file"]).read_text().splitlines()]
        subscriptions = [line["to"]["webpush"] for line in lines]
        self._unused = {
            service: [each for each in subscriptions if each["endpoint"].startswith(facts["origins"][service])]
            for service in SERVICES
        }
        keys = {
            name: load_pem_private_key(Path(file).read_bytes(), None) for name, file in facts["vapid_key_files"].items()
        }
        self._vapid = {name: vapid_of(key) for name, key in keys.items()}

    def case(self, name: str, service: str = "mozilla", **fields: Any) -> Case:
        """Return a right send to a subscription that no other case has."""
        subscription = self._unused[service].pop(0)
        vapid = self._vapid[subscription["vapid_key"]]
        return {"name": name, "subscription": subscription, "payload": PAYLOAD, "ttl": 60, "vapid": vapid} | fields

    def other_key(self, case: Case) -> Any:
        """Return the key that the subscription of a case was not made with."""
        return next(vapid for vapid in self._vapid.values() if vapid != case["vapid"])


def make_right(browsers):
    cases = []
    for service in SERVICES:
        cases += [
            browsers.case(f"{service}: payload", service),
            browsers.case(f"{service}: wishes", service, urgency="high", topic="sale-17", ttl=3600),
            browsers.case(f"{service}: nothing to say", service, payload=None),
        ]
    return cases + [
        browsers.case(f"at once {number}", SERVICES[number % len(SERVICES)], at_once=True) for number in range(40)
    ]


def make_wrong(browsers):
    cases = {name: browsers.case(name) for name in (*ANSWERS, *WRONG)}
    keys = ec.generate_private_key(ec.SECP256R1())
    unknown = cases["unknown endpoint"]["subscription"]
    cases["unknown endpoint"]["subscription"] = unknown | {"endpoint": unknown["endpoint"][:-4] + "AAAA"}
    cases["another key's subscription"]["vapid"] = browsers.other_key(cases["another key's subscription"])
    cases["foreign key"]["vapid"] = vapid_of(keys)
    cases["large payload"]["payload"] = "x" * 4096
    cases["unknown urgency"]["urgency"] = "urgent"
    cases["long topic"]["topic"] = "x" * 33
    cases["topic with a space"]["topic"] = "sale 17"
    cases["negative time to live"]["ttl"] = -1
    cases["encryption of a draft"]["content_encoding"] = "aesgcm"
    broken = cases["subscription that is broken"]["subscription"]
    cases["subscription that is broken"]["subscription"] = broken | {"keys": broken["keys"] | {"p256dh": "AAAA"}}
    cases["token for two days"]["claims"] = {"exp": int(time.time()) + 2 * DAY}
    cases["token for another service"]["claims"] = {"aud": "https://push.example.com"}
    return cases


def node(status, errno):
    return {"raised": "WebPushError", "statusCode": status, "errno": errno}


def node_itself(message, name="Error"):
    return {"raised": name, "message": message}


def python(status, errno):
    return {"raised": "WebPushException", "status_code": status, "errno": errno}


BASE64_TOPIC = "Unsupported characters set use the URL or filename-safe Base64 characters set"
# What web-push and pywebpush say; after the status comes Mozilla's errno. None: the library has no way to do that.
WRONG = {
    "unknown endpoint": (node(404, 102), python(404, 102)),
    "another key's subscription": (node(401, 109), python(401, 109)),
    "foreign key": (node(401, 109), python(401, 109)),
    "large payload": (node(413, 104), python(413, 104)),
    "unknown urgency": (node_itself("Unsupported urgency specified."), python(400, None)),
    "long topic": (
        node_itself("use maximum of 32 characters from the URL or filename-safe Base64 characters set"),
        python(400, 113),
    ),
    "topic with a space": (node_itself(BASE64_TOPIC), python(400, 113)),
    "negative time to live": (node_itself("TTL should be a number and should be at least 0"), python(400, 114)),
    "encryption of a draft": (node(400, 110), python(400, 110)),
    "subscription that is broken": (
        node_itself("The subscription p256dh value should be 65 bytes long."),
        {"raised": "WebPushException"},
    ),
    "token for two days": (None, python(401, 109)),
    "token for another service": (None, python(401, 109)),
}
OF_SCENARIO = {
    "gone": (node(410, 103), python(410, 103)),
    "too many requests": (node(429, None), python(429, None)),
    "error of the server's": (node(500, 999), python(500, 999)),
    "server that is away": (node(503, 201), python(503, 201)),
}


def path_of(case):
    return "/" + case["subscription"]["endpoint"].split("/", maxsplit=3)[3]


def with_errno(said):
    """Put the number that a body of Mozilla's JSON names in place of the body."""
    body = said.pop("body", None) or said.pop("text", None)
    return said | ({} if body is None else {"errno": json.loads(body)["errno"]})


def scenario_for(cases):
    return "".join(
        f'[[events]]\ndestinations = ["{path_of(cases[name])}"]\ndo = "answer"\nstatus = {status}\n'
        for name, status in ANSWERS.items()
    )


@pytest.mark.parametrize("client", [NODE, PYTHON])
def test_senders_say_what_push_services_would_have_told_them(tmp_path, client):
    side = 0 if client == NODE else 1
    # The seed brings the same subscriptions back, so that a scenario can name some.
    with simulator(tmp_path, "webpush", "", *SEED) as facts:
        scenario = scenario_for(make_wrong(Browsers(facts)))
    with simulator(tmp_path, "webpush", scenario, *SEED) as facts:
        browsers = Browsers(facts)
        wrong = make_wrong(browsers)
        right = make_right(browsers)
        expected = {name: words[side] for name, words in (OF_SCENARIO | WRONG).items() if words[side] is not None}
        said = run_client(client, facts, [*right, *(wrong[name] for name in expected)])
    assert {name: with_errno(said[name]) for name in expected} == expected
    status, location = ("statusCode", "hasLocation") if client == NODE else ("status_code", "has_location")
    assert {case["name"]: said[case["name"]] for case in right} == {
        case["name"]: {status: 201, location: True} for case in right
    }
    arrivals = {path_of(case): [201] for case in right}
    arrivals |= {path_of(wrong[name]): [words[status]] for name, words in expected.items() if status in words}
    assert read_arrivals(tmp_path) == arrivals
    read = {entry["destination"]: entry for entry in read_ledger(tmp_path) if entry["status"] == 201}
    plaintexts = {path_of(case): hashlib.sha256((case["payload"] or "").encode()).hexdigest() for case in right}
    assert {path: (entry["decryption"], entry["body_sha256"]) for path, entry in read.items()} == {
        path: (None, digest) for path, digest in plaintexts.items()
    }


@pytest.mark.parametrize("service", [service for service in SERVICES if service != "mozilla"])
@pytest.mark.parametrize("client", [NODE, PYTHON])
def test_each_service_refuses_what_is_wrong_in_its_own_way(tmp_path, client, service):
    with simulator(tmp_path, "webpush", "", *SEED) as facts:
        browsers = Browsers(facts)
        cases = {name: browsers.case(name, service) for name in ("another key", "large payload", "right")}
        cases["another key"]["vapid"] = browsers.other_key(cases["another key"])
        if service == "apple":  # the one that insists on a subject that somebody can be reached at
            cases["subject"] = browsers.case("subject", service)
            cases["subject"]["vapid"] = cases["subject"]["vapid"] | {"subject": "mailto:push@localhost"}
        cases["large payload"]["payload"] = "x" * 4096
        said = run_client(client, facts, list(cases.values()))
    status = "statusCode" if client == NODE else "status_code"
    refusals = {"another key": REFUSAL_OF_KEY[service], "large payload": 413}
    refusals |= {"subject": 403} if service == "apple" else {}
    assert {name: words[status] for name, words in said.items()} == refusals | {"right": 201}
    assert read_arrivals(tmp_path) == {
        path_of(cases[name]): [code] for name, code in (refusals | {"right": 201}).items()
    }


REFUSAL_OF_KEY = {"fcm": 403, "apple": 400, "wns": 403}


@pytest.mark.parametrize(
    ("client", "words"),
    [
        (NODE, {"raised": "Error", "message": "UNABLE_TO_VERIFY_LEAF_SIGNATURE"}),
        (PYTHON, {"raised": "SSLError"}),
    ],
)
def test_a_sender_that_does_not_trust_the_service_sends_nothing(tmp_path, client, words):
    with simulator(tmp_path, "webpush", "", *SEED) as facts:
        case = Browsers(facts).case("payload")
        said = run_client(client, facts | {"ca_file": write_foreign_authority(tmp_path)}, [case])
    assert said == {"payload": words}
    assert read_arrivals(tmp_path) == {}
