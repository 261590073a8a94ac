"""Requests that break a rule: refused by every service, each in its own words (docs/web-push.md#services)."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.simulators.server import Peer, Request
from bench.simulators.webpush import Fault
from bench.simulators.webpush.services import SERVICE_OF_ORIGIN
from tests.support.push_sender import KEYS, NOW, ORIGINS, PushServices, authorize, make_claims, sign

DAY = 24 * 3600


def with_token(**claims):
    """Return a change that has a good signature under these claims."""
    return lambda origin: {"authorization": authorize(KEYS[0], sign(KEYS[0], make_claims(ORIGINS[origin], **claims)))}


def with_parts(**parts):
    """Return a change that has good claims and a token that is wrong otherwise."""
    return lambda origin: {"authorization": authorize(KEYS[0], sign(KEYS[0], make_claims(ORIGINS[origin]), **parts))}


def without_k(origin):
    return {"authorization": "vapid t=" + sign(KEYS[0], make_claims(ORIGINS[origin]))}


def with_scheme(scheme):
    return lambda origin: {"authorization": f"{scheme} {sign(KEYS[0], make_claims(ORIGINS[origin]))}"}


def with_k(text):
    return lambda origin: {"authorization": f"vapid t={sign(KEYS[0], make_claims(ORIGINS[origin]))}, k={text}"}


def signed_by_another(origin):
    return {"authorization": authorize(KEYS[0], sign(KEYS[1], make_claims(ORIGINS[origin])))}


def under_another_key(origin):
    return {"authorization": authorize(KEYS[1], sign(KEYS[1], make_claims(ORIGINS[origin])))}


def always(**changes):
    return lambda _origin: changes


POINT_OFF_THE_CURVE = "BFxntkJQqW3hklu9_ki_aHRoTwm_s9amHqj8CntQdB-AjxNWBA9JFp4P8Ww3wFi7ytFcIgcAf5Gt94N9iKvOiLo"
BODY_WITH_THE_VAPID_KEY = bytes(16) + b"\0\0\x10\0\x41" + KEYS[0].public_key + bytes(40)

# For each rule: Mozilla's status and errno, Apple's status and reason, and the statuses of FCM, of WNS and of a service
# that only knows the RFCs.
ANSWERS = {
    Fault.METHOD: ((405, None), (405, "MethodNotAllowed"), 405, 405, 405),
    Fault.UNKNOWN_PATH: ((404, 102), (404, "BadPath"), 404, 404, 404),
    Fault.REPEATED_HEADER: ((400, None), (400, "DuplicateHeaders"), 400, 400, 400),
    Fault.TTL_MISSING: ((400, 111), (400, "BadTtl"), 400, 400, 400),
    Fault.TTL_FORM: ((400, 111), (400, "BadTtl"), 400, 400, 400),
    Fault.TTL_NEGATIVE: ((400, 114), (400, "BadTtl"), 400, 400, 400),
    Fault.URGENCY: ((400, None), (400, "BadUrgency"), 400, 400, 400),
    Fault.TOPIC: ((400, 113), (400, "BadWebPushTopic"), 400, 400, 400),
    Fault.CONTENT_ENCODING: ((400, 110), (400, "BadWebPushRequest"), 400, 400, 400),
    Fault.OLD_ENCRYPTION_HEADER: ((400, 110), (400, "BadWebPushRequest"), 400, 400, 400),
    Fault.BODY_TOO_LARGE: ((413, 104), (413, "PayloadTooLarge"), 413, 413, 413),
    Fault.AUTHORIZATION_MISSING: ((401, 109), (403, "BadJwtToken"), 401, 401, 401),
    Fault.AUTHORIZATION_FORM: ((401, 109), (400, "BadAuthorizationHeader"), 401, 401, 401),
    Fault.VAPID_KEY_FORM: ((401, 109), (400, "BadVapidPublicKey"), 403, 403, 403),
    Fault.JWT_FORM: ((401, 109), (403, "BadJwtToken"), 403, 403, 403),
    Fault.JWT_SIGNATURE: ((401, 109), (403, "BadJwtToken"), 403, 403, 403),
    Fault.JWT_AUDIENCE: ((401, 109), (403, "BadJwtToken"), 403, 403, 403),
    Fault.JWT_EXPIRY_FORM: ((401, 109), (403, "BadJwtToken"), 403, 403, 403),
    Fault.JWT_EXPIRED: ((401, 109), (403, "BadJwtToken"), 403, 403, 403),
    Fault.JWT_LIFETIME: ((401, 109), (403, "BadJwtToken"), 403, 403, 403),
    Fault.JWT_SUBJECT: ((401, 109), (403, "BadJwtToken"), 403, 403, 403),
    Fault.KEY_MISMATCH: ((401, 109), (400, "VapidPkHashMismatch"), 403, 403, 403),
    Fault.KEY_REUSED: ((400, 110), (400, "BadWebPushRequest"), 400, 400, 400),
}
WRONG = [
    ("GET", always(method="GET"), Fault.METHOD),
    ("unknown path", always(path="/nowhere"), Fault.UNKNOWN_PATH),
    ("urgency twice", always(repeated=(("urgency", "normal"),)), Fault.REPEATED_HEADER),
    ("no TTL", always(ttl=None), Fault.TTL_MISSING),
    ("empty TTL", always(ttl=""), Fault.TTL_FORM),
    ("TTL with a sign", always(ttl="+60"), Fault.TTL_FORM),
    ("TTL with a fraction", always(ttl="60.0"), Fault.TTL_FORM),
    ("negative TTL", always(ttl="-1"), Fault.TTL_NEGATIVE),
    ("unknown urgency", always(urgency="urgent"), Fault.URGENCY),
    ("two urgencies", always(urgency="low, high"), Fault.URGENCY),
    ("upper-case urgency", always(urgency="High"), Fault.URGENCY),
    ("topic of 33", always(topic="x" * 33), Fault.TOPIC),
    ("empty topic", always(topic=""), Fault.TOPIC),
    ("topic with a dot", always(topic="a.b"), Fault.TOPIC),
    ("older encoding", always(content_encoding="aesgcm"), Fault.CONTENT_ENCODING),
    ("no encoding", always(content_encoding=None), Fault.CONTENT_ENCODING),
    ("encoding of nothing", always(body=b""), Fault.CONTENT_ENCODING),
    ("4097 bytes", always(body=bytes(4097)), Fault.BODY_TOO_LARGE),
    ("100,000 bytes", always(body=bytes(100_000)), Fault.BODY_TOO_LARGE),
    ("no authorization", always(authorization=None), Fault.AUTHORIZATION_MISSING),
    ("empty authorization", always(authorization=""), Fault.AUTHORIZATION_FORM),
    ("token without key", without_k, Fault.AUTHORIZATION_FORM),
    ("draft form", with_scheme("WebPush"), Fault.AUTHORIZATION_FORM),
    ("bearer", with_scheme("Bearer"), Fault.AUTHORIZATION_FORM),
    ("key with padding", with_k(KEYS[0].application_server_key + "="), Fault.AUTHORIZATION_FORM),
    ("key of 64 bytes", with_k("A" * 86), Fault.VAPID_KEY_FORM),
    ("key off the curve", with_k(POINT_OFF_THE_CURVE), Fault.VAPID_KEY_FORM),
    ("key compressed", with_k("A" + KEYS[0].application_server_key[1:44]), Fault.VAPID_KEY_FORM),
    ("HS256", with_parts(header={"typ": "JWT", "alg": "HS256"}), Fault.JWT_FORM),
    ("no alg", with_parts(header={"typ": "JWT"}), Fault.JWT_FORM),
    ("another typ", with_parts(header={"typ": "at+jwt", "alg": "ES256"}), Fault.JWT_FORM),
    ("other's signature", signed_by_another, Fault.JWT_SIGNATURE),
    ("DER signature", with_parts(der=True), Fault.JWT_SIGNATURE),
    ("no aud", with_token(aud=None), Fault.JWT_AUDIENCE),
    ("aud elsewhere", with_token(aud="https://push.example.net"), Fault.JWT_AUDIENCE),
    ("several aud", with_token(aud=list(ORIGINS.values())), Fault.JWT_AUDIENCE),
    ("exp as text", with_token(exp=str(NOW + 60)), Fault.JWT_EXPIRY_FORM),
    ("exp with fraction", with_token(exp=NOW + 6.5), Fault.JWT_EXPIRY_FORM),
    ("exp true", with_token(exp=True), Fault.JWT_EXPIRY_FORM),
    ("no exp", with_token(exp=None), Fault.JWT_EXPIRY_FORM),
    ("expired", with_token(exp=NOW), Fault.JWT_EXPIRED),
    ("a second too long", with_token(exp=NOW + DAY + 1), Fault.JWT_LIFETIME),
    ("exp in milliseconds", with_token(exp=(NOW + 60) * 1000), Fault.JWT_LIFETIME),
    ("another VAPID key", under_another_key, Fault.KEY_MISMATCH),
    ("VAPID key encrypts", always(body=BODY_WITH_THE_VAPID_KEY), Fault.KEY_REUSED),
]


@pytest.mark.parametrize(("changes", "fault"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG])
def test_wrong_request_is_refused_in_the_words_of_its_service(changes, fault):
    services = PushServices()
    judged = {origin: services.push(origin, **changes(origin)) for origin in SERVICE_OF_ORIGIN}
    assert {judgement.ledger_fields["fault"] for judgement in judged.values()} == {fault.name}
    assert services.provider.faults == {fault.name: len(SERVICE_OF_ORIGIN)}

    answers = {origin: judgement.answer for origin, judgement in judged.items()}
    mozilla, apple, fcm, wns, other = ANSWERS[fault]
    assert [answers[origin].status for origin in ("fcm", "wns", "http1")] == [fcm, wns, other]
    error = msgspec.json.decode(answers["mozilla"].body)
    assert (answers["mozilla"].status, error["errno"]) == mozilla
    assert (error["code"], bool(error["message"])) == (mozilla[0], True)
    assert (answers["apple"].status, msgspec.json.decode(answers["apple"].body)["reason"]) == apple
    assert answers["fcm"].reason.encode() in answers["fcm"].body
    headers = dict(answers["wns"].headers)
    assert (answers["wns"].body, headers[b"x-wns-notificationstatus"]) == (b"", b"dropped")
    assert headers[b"x-wns-error-description"] == fault.value.encode()
    assert answers["http1"].body == f"{fault.value}\n".encode()


@pytest.mark.parametrize("origin", list(SERVICE_OF_ORIGIN))
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"ttl": "000060"},
        {"ttl": "9" * 5000},
        {"urgency": None},
        {"urgency": "very-low"},
        {"urgency": "high"},
        {"topic": "x" * 32},
        {"topic": "-_aZ90"},
        {"content_type": "application/notification+json"},
        {"content_type": None},
        {"body": b"", "content_encoding": None},
        {"plaintext": b""},
        {"plaintext": b"x" * 3993},
    ],
    ids=str,
)
def test_good_request_is_taken_by_all(origin, changes):
    judgement = PushServices().push(origin, **changes)
    assert (judgement.answer.status, judgement.ledger_fields["fault"]) == (201, None)
    assert judgement.ledger_fields["decryption"] is None


@pytest.mark.parametrize("origin", ["mozilla", "fcm", "apple", "http1"])
def test_ttl_of_zero_is_taken_by_all_but_wns(origin):
    assert PushServices().push(origin, ttl="0").answer.status == 201


@pytest.mark.parametrize(
    ("ttl", "policy", "is_taken"),
    [
        ("0", None, False),
        ("0", "cache", False),
        ("0", "no-cache", True),
        ("60", None, True),
        ("60", "cache", True),
        ("60", "no-cache", False),
    ],
)
def test_wns_wants_ttl_and_cache_policy_to_agree(ttl, policy, is_taken):
    judgement = PushServices().push("wns", ttl=ttl, x_wns_cache_policy=policy)
    assert judgement.answer.status == (201 if is_taken else 400)
    if not is_taken:
        assert dict(judgement.answer.headers)[b"x-wns-error-description"].startswith(b"Ttl value conflicts")


@pytest.mark.parametrize(
    ("changes", "fault", "refused_by"),
    [
        (with_token(sub=None), Fault.JWT_SUBJECT, {"mozilla", "apple"}),
        (with_token(sub=5), Fault.JWT_SUBJECT, {"mozilla", "apple"}),
        (with_token(sub="mailto:push@localhost"), Fault.JWT_SUBJECT, {"apple"}),
        (always(encryption="salt=AAAA"), Fault.OLD_ENCRYPTION_HEADER, {"mozilla"}),
        (always(crypto_key="p256ecdsa=AAAA; dh=AAAA"), Fault.OLD_ENCRYPTION_HEADER, {"mozilla"}),
        (always(crypto_key="p256ecdsa=AAAA"), Fault.OLD_ENCRYPTION_HEADER, set()),
        (with_parts(header={"alg": "ES256"}), Fault.JWT_FORM, set()),
        (always(repeated=(("x-trace", "1"), ("x-trace", "2"))), Fault.REPEATED_HEADER, set()),
    ],
)
def test_what_some_services_refuse_is_taken_by_the_others(changes, fault, refused_by):
    services = PushServices()
    judged = {origin: services.push(origin, **changes(origin)) for origin in SERVICE_OF_ORIGIN}
    refused = {origin: each for origin, each in judged.items() if each.ledger_fields["fault"] is not None}
    assert set(refused) == refused_by
    assert {each.ledger_fields["fault"] for each in refused.values()} <= {fault.name}
    mozilla, apple = ANSWERS[fault][:2]
    expected = {"mozilla": mozilla[0], "apple": apple[0]}
    assert {origin: each.answer.status for origin, each in refused.items()} == {
        origin: expected[origin] for origin in refused_by
    }


def test_first_broken_rule_in_the_order_of_cost_is_named():
    judgement = PushServices().push("apple", ttl=None, urgency="x", authorization=None, body=bytes(5000))
    assert judgement.answer.reason == "BadTtl"


FIELDS = st.lists(
    st.tuples(
        st.sampled_from(
            [b":method", b":path", b"ttl", b"urgency", b"topic", b"authorization", b"content-encoding", b"crypto-key"]
        ),
        st.one_of(
            st.sampled_from([b"POST", b"60", b"aes128gcm", b"/w/?token=", b"vapid t=a.b.c, k=BA"]),
            st.binary(max_size=300),
        ),
    ),
    max_size=12,
)


@given(fields=FIELDS, body=st.binary(max_size=300), origin=st.sampled_from(list(SERVICE_OF_ORIGIN)))
def test_nothing_that_a_client_sends_upsets_the_judge(fields, body, origin):
    request = Request(fields, origin)
    request.add_data(body)
    services = PushServices()
    judgement = services.provider.judge(request, services.provider.meet(Peer()))
    assert (judgement.answer.status >= 400) == (judgement.ledger_fields["fault"] is not None)


def test_every_rule_is_tested():
    by_some = {Fault.TTL_CACHE_CONFLICT, Fault.JWT_SUBJECT, Fault.OLD_ENCRYPTION_HEADER}
    assert {row[2] for row in WRONG} | by_some == set(Fault)


@pytest.mark.parametrize(
    ("length", "is_refused"), [(1, True), (4, False), (5, True), (6, False), (7, False), (29, True)]
)
def test_apple_alone_refuses_a_topic_that_no_base64url_can_be(length, is_refused):
    refused = {origin for origin in ORIGINS if PushServices().push(origin, topic="x" * length).answer.status != 201}
    assert refused == ({"apple"} if is_refused else set())
