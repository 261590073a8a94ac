"""Apple's senders of other projects against the simulator of APNs: what they say of right and of wrong sends."""

import uuid

import pytest

from tests.support.foreign import read_arrivals, run_client, simulator, write_foreign_authority, write_foreign_key

pytestmark = pytest.mark.foreign

TOPIC = "com.example.shop"
ALERT = '{"aps":{"alert":"hello"}}'
LARGE = '{"aps":{"alert":"%s"}}' % ("x" * 4096)
SCENARIO = "".join(
    f"""
[[events]]
destination_prefix = "{prefix}"
do = "answer"
status = {status}
reason = "{reason}"
{more}
"""
    for prefix, status, reason, more in (
        ("dead", 410, "Unregistered", "dead_for_seconds = 86400"),
        ("0bad", 410, "ExpiredToken", "dead_for_seconds = 60"),
        ("b5", 429, "TooManyRequests", ""),
        ("500", 500, "InternalServerError", ""),
        ("503", 503, "ServiceUnavailable", ""),
    )
)

# What is sent: (name, beginning of the device token, what differs from an alert, what is wrong with it).
RIGHT = {
    "alert": ("a1", {}),
    "background": ("a2", {"push_type": "background", "priority": 5, "payload": '{"aps":{"content-available":1}}'}),
    "voip": ("a3", {"push_type": "voip", "topic": f"{TOPIC}.voip", "payload": LARGE}),
    "collapsing": ("a4", {"collapse_id": "x" * 64, "priority": 10}),
    "no push type": ("a6", {"push_type": None}),
    "unicode": ("a5", {"payload": '{"aps":{"alert":"Grüße \\ud83d\\ude80"}}'}),
} | {f"at once {number}": (f"ac{number:02x}", {"at_once": True}) for number in range(40)}
WRONG = {
    "dead token": ("dead", {}, 410, "Unregistered"),
    "expired token": ("0bad", {}, 410, "ExpiredToken"),
    "token that is no hex": ("zz", {}, 400, "BadDeviceToken"),
    "another app's topic": ("c1", {"topic": "com.example.other"}, 400, "TopicDisallowed"),
    "topic without its suffix": ("c2", {"push_type": "voip"}, 400, "BadTopic"),
    "hurried background": (
        "c4",
        {"push_type": "background", "priority": 10, "payload": '{"aps":{"content-available":1}}'},
        400,
        "BadPriority",
    ),
    "long collapse id": ("c5", {"collapse_id": "x" * 65}, 400, "BadCollapseId"),
    "expiration in milliseconds": ("c6", {"expiration": 1_780_000_000_000, "ttl": 10**12}, 400, "BadExpirationDate"),
    "large payload": ("c7", {"payload": LARGE}, 413, "PayloadTooLarge"),
    "payload that is no object": ("c8", {"payload": '""'}, 400, "PayloadEmpty"),
    "unknown key": ("c9", {"key_file": "foreign"}, 403, "InvalidProviderToken"),
    "unknown key id": ("ca", {"key_id": "XYZ987XYZ9"}, 403, "InvalidProviderToken"),
    "another team": ("cb", {"team_id": "XYZ987XYZ9"}, 403, "InvalidProviderToken"),
    "too many requests": ("b5", {}, 429, "TooManyRequests"),
    "error of the server's": ("500", {}, 500, "InternalServerError"),
    "server that is not there": ("503", {}, 503, "ServiceUnavailable"),
}
UNTRUSTED = "apn write failed: The pending stream has been canceled (caused by: unable to verify the first certificate)"
DEAD = ("Unregistered", "ExpiredToken")


def notification_id(name):
    return str(uuid.uuid5(uuid.NAMESPACE_URL, name))


def node_apn_says(name, status, reason):
    apns_id = {"apns-id": notification_id(name)}
    if status == 200:
        return {"sent": 1, "failed": 0, "further": 0} | apns_id
    said = {"sent": 0, "failed": 1, "further": 0, "status": status} | apns_id
    if status == 500:  # it has words of its own for this one
        return said | {"error": "Error 500, stream ended unexpectedly"}
    return said | {"response": {"reason": reason}}


def aioapns_says(name, status, reason):
    said = {"is_successful": status == 200, "status": str(status), "id": notification_id(name)}
    if status != 200:
        said["description"] = reason
    return said | ({"has_timestamp": True} if reason in DEAD else {})


def pushy_says(name, status, reason):
    said = {"accepted": status == 200, "status": status, "id": notification_id(name)}
    if status != 200:
        said["reason"] = reason
    return said | ({"invalidated": True} if reason in DEAD else {})


# What a client repeats by itself, so many times; the others hand every answer to their user.
REPEATS = {"node/node_apn.js": {429: 3, 500: 3, 503: 3}}
CLIENTS = {"node/node_apn.js": node_apn_says, "aioapns/send.py": aioapns_says, "pushy/PushySend.java": pushy_says}


def token_of(beginning):
    return beginning + "0" * (64 - len(beginning))


def make_case(name, beginning, fields):
    case = {"name": name, "id": notification_id(name), "token": token_of(beginning), "topic": TOPIC}
    case |= {"push_type": "alert", "payload": ALERT} | fields
    return {field: value for field, value in case.items() if value is not None}


def without_times(said):
    """Leave out when a token died, after checking that it was told: no table knows it."""
    response = said.get("response", {})
    if response.get("reason") in DEAD:
        assert response["timestamp"] > 0
        return said | {"response": {"reason": response["reason"]}}
    return said


@pytest.mark.parametrize("client", CLIENTS)
def test_apple_senders_say_what_apple_would_have_told_them(tmp_path, client):
    cases = {name: make_case(name, *case) for name, case in RIGHT.items()}
    cases |= {name: make_case(name, *case[:2]) for name, case in WRONG.items()}
    cases["unknown key"]["key_file"] = write_foreign_key(tmp_path)
    if client == "node/node_apn.js":  # an empty object goes without a body
        cases["payload that is no object"]["payload"] = "{}"
    if client == "pushy/PushySend.java":  # it writes 32 bits, so this one is negative
        cases["expiration in milliseconds"]["expiration"] = 3_000_000_000
    # The queue of those at once comes last, so the connection has been through refusals before.
    with simulator(tmp_path, "apns", SCENARIO) as facts:
        said = run_client(client, facts, list(cases.values()))
    answers = dict.fromkeys(RIGHT, (200, None)) | {name: case[2:] for name, case in WRONG.items()}
    expected = {name: CLIENTS[client](name, *answer) for name, answer in answers.items()}
    assert {name: without_times(words) for name, words in said.items()} == expected
    repeats = REPEATS.get(client, {})
    assert read_arrivals(tmp_path) == {
        cases[name]["token"]: [status] * (1 + repeats.get(status, 0)) for name, (status, _) in answers.items()
    }


@pytest.mark.parametrize(
    ("client", "words"),
    [
        ("node/node_apn.js", {"sent": 0, "failed": 1, "further": 0, "error": UNTRUSTED}),
        ("aioapns/send.py", {"raised": "MaxAttemptsExceeded"}),
        ("pushy/PushySend.java", {"failed": "DecoderException"}),
    ],
)
def test_an_apple_sender_that_does_not_trust_the_simulator_sends_nothing(tmp_path, client, words):
    with simulator(tmp_path, "apns") as facts:
        wary = facts | {"ca_file": write_foreign_authority(tmp_path)}
        said = run_client(client, wary, [make_case("alert", "a1", {})])
    assert said == {"alert": words}
    assert read_arrivals(tmp_path) == {}
