"""What the FCM simulator takes for a message, and how it says what is wrong with another."""

import orjson
import pytest

from bench.simulators.fcm.message_rules import RULES
from protocol.providers.fcm import classify
from protocol.reasons import Reason
from tests.support.fcm_sender import SEND_PATH, FcmRules, details_of

FID = "cRx-9_aaaaaaaaaaaaaaaa"
NOTIFICATION = {
    "title": "t",
    "color": "#00ff7F",
    "body_loc_args": ["a"],
    "sticky": True,
    "event_time": "2026-05-28T20:26:40.5Z",
    "notification_priority": "PRIORITY_HIGH",
    "vibrate_timings": ["0.5s", "1s"],
    "visibility": "PUBLIC",
    "notification_count": 3,
    "light_settings": {"color": {"red": 1, "green": 0.5, "blue": "0", "alpha": 1e0}, "light_on_duration": "1s"},
    "proxy": "IF_PRIORITY_LOWERED",
}

# Beside {"token": "c8:x"}: what is refused by its form, as the front end does it, and the field that it names.
UNREADABLE = [
    ({"topic": "news"}, "message"),
    ({"fid": FID, "condition": "'a' in topics"}, "message"),
    ({"tokens": ["x"]}, "message"),
    ({"android": {"tttl": "1s"}}, "message.android"),
    ({"android": {"notification": {"light_settings": {"colour": {}}}}}, "message.android.notification.light_settings"),
    ({"android_v2": {"priority": "HIGH"}}, "message.android_v2"),
    ({"android_v2": {"background_sync": {"x": 1}}}, "message.android_v2.background_sync"),
    ({"android_v2": {"background_sync": {}, "remote_notification": {}}}, "message.android_v2"),
    ({"android": {"collapse_key": "a", "collapseKey": "a"}}, "message.android"),
    ({"data": {"a": "1", "count": 1}}, "message.data[1].value"),
    ({"data": {"count": None}}, "message.data[0].value"),
    ({"data": {"count": True}}, "message.data[0].value"),
    ({"data": []}, "message.data"),
    ({"android": {"data": {"count": 1.5}}}, "message.android.data[0].value"),
    ({"apns": {"headers": {"apns-priority": 5}}}, "message.apns.headers[0].value"),
    ({"webpush": {"headers": {"TTL": 15}}}, "message.webpush.headers[0].value"),
    ({"webpush": {"data": {"a": {}}}}, "message.webpush.data[0].value"),
    ({"notification": "x"}, "message.notification"),
    ({"notification": {"title": 1}}, "message.notification.title"),
    ({"android": {"ttl": 3600}}, "message.android.ttl"),
    ({"android": {"ttl": "3600"}}, "message.android.ttl"),
    ({"android": {"ttl": "1e3s"}}, "message.android.ttl"),
    ({"android": {"ttl": "1.0000000001s"}}, "message.android.ttl"),
    ({"android": {"ttl": "315576000001s"}}, "message.android.ttl"),
    ({"android": {"priority": "LOW"}}, "message.android.priority"),
    ({"android": {"priority": "High"}}, "message.android.priority"),
    ({"android": {"priority": 2}}, "message.android.priority"),
    ({"android": {"priority": True}}, "message.android.priority"),
    ({"android": {"direct_boot_ok": "true"}}, "message.android.direct_boot_ok"),
    ({"android": {"notification": {"visibility": "public"}}}, "message.android.notification.visibility"),
    ({"android": {"notification": {"event_time": "now"}}}, "message.android.notification.event_time"),
    ({"android": {"notification": {"event_time": "2026-13-01T00:00:00Z"}}}, "message.android.notification.event_time"),
    ({"android": {"notification": {"notification_count": True}}}, "message.android.notification.notification_count"),
    ({"android": {"notification": {"notification_count": 1.5}}}, "message.android.notification.notification_count"),
    ({"android": {"notification": {"notification_count": 2**31}}}, "message.android.notification.notification_count"),
    ({"android": {"notification": {"notification_count": "x"}}}, "message.android.notification.notification_count"),
    ({"android": {"notification": {"vibrate_timings": ["1s", 1]}}}, "message.android.notification.vibrate_timings[1]"),
    ({"android": {"notification": {"body_loc_args": "a"}}}, "message.android.notification.body_loc_args"),
    (
        {"android": {"notification": {"light_settings": {"color": {"red": "dark"}}}}},
        "message.android.notification.light_settings.color.red",
    ),
    ({"apns": {"payload": []}}, "message.apns.payload"),
    ({"webpush": {"notification": "x"}}, "message.webpush.notification"),
    ({"fcm_options": {"analytics_label": None, "link": "x"}}, "message.fcm_options"),
]

# Beside {"token": "c8:x"}, which None takes out: what breaks one of FCM's own rules, and the field that it names.
MISUSED = [
    ({"token": None}, "message"),
    ({"token": None, "fid": "c"}, "message.fid"),
    ({"token": None, "fid": FID + "a"}, "message.fid"),
    ({"token": None, "topic": "/topics/news"}, "message.topic"),
    ({"token": None, "topic": "n" * 901}, "message.topic"),
    ({"token": None, "topic": "a b"}, "message.topic"),
    ({"token": None, "condition": "news"}, "message.condition"),
    ({"android": {}, "android_v2": {}}, "message.android_v2"),
    ({"android": {"ttl": "-1s"}}, "message.android.ttl"),
    ({"android": {"ttl": "-0.5s"}}, "message.android.ttl"),
    ({"android": {"ttl": "2419201s"}}, "message.android.ttl"),
    ({"android": {"ttl": "2419200.000000001s"}}, "message.android.ttl"),
    ({"android_v2": {"ttl": "2419201s"}}, "message.android_v2.ttl"),
    ({"data": {"from": "x"}}, "message.data"),
    ({"data": {"message_type": "x"}}, "message.data"),
    ({"data": {"google": "x"}}, "message.data"),
    ({"data": {"google.x": "x"}}, "message.data"),
    ({"data": {"gcm": "x"}}, "message.data"),
    ({"data": {"gcm.notification.\n": "x"}}, "message.data"),
    ({"android": {"data": {"from": "x"}}}, "message.android.data"),
    ({"android_v2": {"data": {"from": "x"}}}, "message.android_v2.data"),
    ({"fcm_options": {"analytics_label": "a b"}}, "message.fcm_options.analytics_label"),
    ({"fcm_options": {"analytics_label": ""}}, "message.fcm_options.analytics_label"),
    ({"apns": {"fcm_options": {"analytics_label": "a" * 51}}}, "message.apns.fcm_options.analytics_label"),
    ({"android": {"notification": {"color": "red"}}}, "message.android.notification.color"),
    (
        {"android_v2": {"remote_notification": {"notification": {"color": "#fff"}}}},
        "message.android_v2.remote_notification.notification.color",
    ),
    ({"webpush": {"fcm_options": {"link": "http://x"}}}, "message.webpush.fcm_options.link"),
    ({"webpush": {"fcm_options": {"link": "https://"}}}, "message.webpush.fcm_options.link"),
]

ACCEPTED = [
    {},
    {"token": None, "fid": FID},
    {"token": FID},
    {"token": "fGci:APA91bHun4MxP5egoKMwt2KZFBaFUH-1RYqx"},
    {"token": "APA91bHun4MxP5egoKMwt2KZFBaFUH-1RYqx"},
    {"android": {"priority": 1, "notification": {"visibility": 2, "proxy": 0, "notification_priority": 5}}},
    {"token": None, "topic": "news-1_a.b~c%"},
    {"token": None, "topic": "n" * 900},
    {"token": None, "condition": "'a' in topics && ('b' in topics || !('c' in topics))"},
    {"name": "projects/x/messages/y", "data": None, "android": None},
    {"data": {"fromage": "", "googled": "x", "gcmx": "x", "": "x"}},
    {"android": {"ttl": "0s", "priority": "high", "collapse_key": "k"}},
    {"android": {"ttl": "3.5s", "priority": "NORMAL", "directBootOk": True}},
    {"android": {"ttl": "2419200s", "priority": "HIGH", "restrictedPackageName": "com.example"}},
    {"android": {"notification": NOTIFICATION}},
    {"android": {"notification": {"notificationCount": "3", "tag": None}}},
    {"android": {"notification": {"notification_count": 3.0, "event_time": "2026-05-28T20:26:40+02:00"}}},
    {"android_v2": {"background_sync": {}, "data": {"a": "b"}}},
    {"androidV2": {"remoteNotification": {"notification": NOTIFICATION | {"id": 7}, "mutableContent": True}}},
    {"apns": {"headers": {"apns-priority": "5"}, "payload": {"aps": {"n": [1.5, None]}}, "live_activity_token": "x"}},
    {"apns": {"fcm_options": {"analytics_label": "a" * 50, "image": "https://shop.example/a.png"}}},
    {"webpush": {"headers": {"TTL": "15"}, "data": {"from": "x"}, "notification": {"actions": [1]}}},
    {"webpush": {"fcm_options": {"link": "https://shop.example/sale?x=1", "analytics_label": "a"}}},
]

CONDITIONS_REFUSED = [
    "",
    " ",
    "'a'",
    "'a' in topicsx",
    "a in topics",
    "'a' in topics &&",
    "&& 'a' in topics",
    "'a' in topics 'b' in topics",
    "'a' in topics & 'b' in topics",
    "('a' in topics",
    "'a' in topics)",
    ")'a' in topics(",
    "'a' in topics) && ('b' in topics",
    "()",
    "'a' in topics !",
    "'a' in topics ('b' in topics)",
    "'a' in topics\n&& 'b' in topics",
    " || ".join(f"'{letter}' in topics" for letter in "abcdef"),
]


MALFORMED_TOKENS = ["", "not-a-token", "a b:c", "\u00e9:x", ":x", "c8:", "c8:x\n", "c8:" + "a" * 4094, FID[1:]]


@pytest.mark.parametrize("token", MALFORMED_TOKENS, ids=lambda token: token[:12])
@pytest.mark.parametrize("validate_only", [None, True])
def test_malformed_token_is_refused_in_fcms_own_words(token, validate_only):
    answer = FcmRules().judge({"token": token}, validate_only=validate_only).answer
    error = orjson.loads(answer.body)["error"]
    assert (answer.status, error["status"]) == (400, "INVALID_ARGUMENT")
    assert error["message"] == "The registration token is not a valid FCM registration token"
    assert {name: detail["errorCode"] for name, detail in details_of(answer.body).items()} == {
        "FcmError": "INVALID_ARGUMENT"
    }


def beside_a_token(changes):
    message = {"token": "c8:x"} | changes
    return {name: value for name, value in message.items() if not (name == "token" and value is None)}


def named_fields(answer):
    violations = details_of(answer.body)["BadRequest"]["fieldViolations"]
    return [violation.get("field") for violation in violations]


@pytest.mark.parametrize(("changes", "field"), UNREADABLE, ids=lambda value: str(value)[:60])
def test_a_body_that_is_no_message_is_refused_before_fcm_with_the_field_at_fault(changes, field):
    answer = FcmRules().judge(beside_a_token(changes)).answer
    assert (answer.status, answer.reason) == (400, "INVALID_ARGUMENT")
    assert list(details_of(answer.body)) == ["BadRequest"]
    assert named_fields(answer) == [field]


@pytest.mark.parametrize(("changes", "field"), MISUSED, ids=lambda value: str(value)[:60])
def test_a_message_that_breaks_a_rule_is_refused_by_fcm_with_the_field_at_fault(changes, field):
    answer = FcmRules().judge(beside_a_token(changes)).answer
    assert (answer.status, answer.reason) == (400, "INVALID_ARGUMENT")
    details = details_of(answer.body)
    assert list(details) == ["FcmError", "BadRequest"]
    assert details["FcmError"]["errorCode"] == "INVALID_ARGUMENT"
    assert named_fields(answer) == [field]


@pytest.mark.parametrize("changes", ACCEPTED, ids=lambda value: str(value)[:60])
def test_a_message_that_breaks_no_rule_is_accepted(changes):
    answer = FcmRules().judge(beside_a_token(changes)).answer
    assert answer.status == 200, answer.body


@pytest.mark.parametrize("condition", CONDITIONS_REFUSED)
def test_a_condition_that_cannot_be_read_is_refused(condition):
    answer = FcmRules().judge({"condition": condition}).answer
    assert named_fields(answer) == ["message.condition"]


def test_every_fault_of_the_form_is_told_at_once():
    answer = FcmRules().judge({"token": 7, "data": {"a": 1, "b": 2}, "x": 0}).answer
    assert named_fields(answer) == ["message.token", "message.data[0].value", "message.data[1].value", "message"]


def test_the_answer_shows_no_value():
    for message in ({"token": "secret words"}, {"token": "a:b", "data": {"a": {"secret": 1}}}):
        assert b"secret" not in FcmRules().judge(message).answer.body


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"x"',
        b"{}",
        b"\xff",
        b"[" * 5000,
        b'{"message":null}',
        b'{"message":[]}',
        b'{"message":{"token":"a:b"},"x":1}',
        b'{"message":{"token":"a:b"},"validate_only":"yes"}',
        b'{"message":{"token":"a:b","data":{"k":"\\ud800"}}}',
    ],
)
def test_other_bodies_are_refused_without_a_word_of_fcm(body):
    judgement = FcmRules().judge(body=body)
    assert judgement.answer.status == 400
    assert list(details_of(judgement.answer.body)) == ["BadRequest"]


def test_an_object_of_the_callers_own_may_be_nested_only_so_deep():
    for depth, status in ((98, 200), (101, 400)):
        payload: dict[str, object] = {}
        for _ in range(depth):
            payload = {"a": payload}
        assert FcmRules().judge({"token": "a:b", "apns": {"payload": payload}}).answer.status == status


def test_of_a_key_that_stands_twice_the_last_one_counts():
    body = b'{"message":{"token":"first:x","data":{"a":1},"data":{"a":"1"},"token":"last:x"}}'
    judgement = FcmRules().judge(body=body)
    assert (judgement.answer.status, judgement.destination) == (200, "last:x")


@pytest.mark.parametrize(
    "message",
    [
        {"data": {"k": "x" * 4095}},
        {"data": {"k": "é" * 2047 + "x"}},
        {"notification": {"title": "x" * 4091}},
        {"data": {"k": "x" * 4095}, "android": {"data": {"k": "x"}}},
        {"data": {"k": "x"}, "android": {"data": {"k": "x" * 4095}}},
        {"notification": {"title": "x" * 4000}, "android": {"notification": {"title": "x" * 4091}}},
        {"notification": {"title": "x" * 4072}, "android": {"notification": {"notification_count": 3}}},
        {"android_v2": {"remote_notification": {"notification": {"title": "x" * 4091}}}},
        {"apns": {"payload": {"aps": {"a": ["x" * 4090, 12, None]}}}},
        {"webpush": {"notification": {"title": "x" * 4091}}},
    ],
    ids=lambda message: str(message)[:60],
)
def test_4096_bytes_of_keys_and_values_pass_and_one_more_is_refused_without_details(message):
    text = orjson.dumps({"message": {"token": "a:b"} | message}).decode()
    at = text.rindex("x" * 1000) if "x" * 1000 in text else text.index("éx") + 1
    assert FcmRules().judge(body=text.encode()).answer.status == 200
    answer = FcmRules().judge(body=(text[:at] + "x" + text[at:]).encode()).answer
    assert (answer.status, answer.reason, details_of(answer.body)) == (400, "INVALID_ARGUMENT", {})
    assert classify(answer.status, (), answer.body, 0.0).reason is Reason.PAYLOAD_TOO_LARGE


@pytest.mark.parametrize("target", [{"topic": "news"}, {"condition": "'a' in topics"}])
def test_a_message_to_many_may_be_half_as_large(target):
    for size, status in ((2047, 200), (2048, 400)):
        answer = FcmRules().judge(target | {"data": {"k": "x" * size}}).answer
        assert answer.status == status
    assert details_of(answer.body) == {}


def test_a_body_far_above_any_message_is_too_large_too():
    answer = FcmRules().judge({"token": "a:b", "data": {"k": "x" * 100_000}}).answer
    assert (answer.status, details_of(answer.body)) == (400, {})


def test_names_have_the_form_of_their_target_and_none_comes_twice():
    rules = FcmRules()
    names = [orjson.loads(rules.judge().answer.body)["name"] for _ in range(100)]
    assert len(set(names)) == 100
    assert all(name.startswith("projects/shop-1/messages/0:") and "%" in name for name in names)
    topic = orjson.loads(rules.judge({"topic": "news"}).answer.body)["name"]
    assert topic.removeprefix("projects/shop-1/messages/").isdigit()


def test_a_message_that_is_only_checked_is_told_so_by_its_name():
    judgement = FcmRules().judge(validate_only=True)
    assert judgement.provider_id == "projects/shop-1/messages/fake_message_id"
    assert judgement.ledger_fields["message_id"] == judgement.provider_id
    assert judgement.ledger_fields["validate_only"] is True
    assert FcmRules().judge({"token": "a b"}, validate_only=True).answer.status == 400


def test_the_destination_is_the_target_whichever_it_is():
    rules = FcmRules()
    for target in ({"token": "A:b"}, {"fid": FID}, {"topic": "news"}, {"condition": "'a' in topics"}):
        assert [rules.judge(target).destination] == list(target.values())
    assert rules.judge({"token": "A:b"}, authorization=None).destination == "A:b"
    assert rules.judge({}).destination == ""


def test_the_content_type_must_be_json():
    for content_type in (None, "text/plain", "application/x-www-form-urlencoded"):
        assert FcmRules().judge(content_type=content_type).answer.status == 400
    assert FcmRules().judge(content_type="Application/JSON").answer.status == 200


@pytest.mark.parametrize(
    "request_line",
    [
        {"path": "/v1/projects/shop-1/messages:sent"},
        {"path": SEND_PATH + "%3F"},
        {"path": "/fcm/send"},
        {"path": "/batch"},
        {"method": "GET"},
        {"path": "/token", "method": "GET"},
    ],
)
def test_what_no_service_stands_behind_gets_a_front_ends_page(request_line):
    answer = FcmRules().judge(**request_line).answer
    assert answer.status == 404
    assert answer.body.startswith(b"<!DOCTYPE html>")
    assert dict(answer.headers)[b"content-type"].startswith(b"text/html")


def test_every_rule_is_tested():
    broken = set()
    for changes, _ in MISUSED:
        message = beside_a_token(changes)
        broken |= {rule for rule in RULES if rule(message) is not None}
    assert broken == set(RULES)
