"""VAPID as the simulator checks it: the published token, the forms of the header, subjects, and the count of tokens."""

import pytest

from bench.simulators.webpush import Fault
from bench.simulators.webpush.vapid import TokenJudge, TokenUse, VerifiedToken
from tests.support.push_sender import KEYS, NOW, PushServices, authorize, decode, encode, make_claims, sign
from tests.support.webpush import load_vectors

ORIGIN = "https://push.example.net"
VECTORS = load_vectors()
PUBLISHED_EXPIRY = 1_453_523_768


def judge(authorization: str, *, origin: str = ORIGIN, now: float = NOW) -> VerifiedToken | Fault:
    return TokenJudge().judge(authorization.encode(), origin=origin, now=now)


def test_published_token_is_good_until_its_end_and_for_its_origin_alone():
    vector = VECTORS["rfc8292"]
    authorization = f"vapid t={vector['jwt']}, k={vector['k']}"
    good = VerifiedToken(decode(vector["k"]), ORIGIN, PUBLISHED_EXPIRY)
    assert judge(authorization, now=PUBLISHED_EXPIRY - 1) == good
    assert judge(authorization, now=PUBLISHED_EXPIRY - 24 * 3600) == good
    assert judge(authorization, now=PUBLISHED_EXPIRY) is Fault.JWT_EXPIRED
    assert judge(authorization, now=PUBLISHED_EXPIRY - 24 * 3600 - 1) is Fault.JWT_LIFETIME
    for origin in ("https://push.example.net:4711", "https://push.example.net/", "http://push.example.net"):
        assert judge(authorization, origin=origin, now=PUBLISHED_EXPIRY - 1) is Fault.JWT_AUDIENCE


def test_raw_signature_is_taken_and_its_der_form_and_a_damaged_one_are_not():
    vector = VECTORS["es256_jwt"]
    key = vector["public_key"]
    now = 1_893_456_000 - 60
    assert isinstance(judge(f"vapid t={vector['valid_jwt']}, k={key}", now=now), VerifiedToken)
    assert judge(f"vapid t={vector['invalid_jwt_der_signature']}, k={key}", now=now) is Fault.JWT_SIGNATURE
    header, claims, signature = vector["valid_jwt"].split(".")
    damaged = ("A" if signature[0] != "A" else "B") + signature[1:]
    assert judge(f"vapid t={header}.{claims}.{damaged}, k={key}", now=now) is Fault.JWT_SIGNATURE


def test_signature_with_a_longer_number_is_refused():
    header, claims, signature = sign(KEYS[0], make_claims(ORIGIN)).split(".")
    numbers = decode(signature)
    longer = encode(numbers[:32] + b"\0" + numbers[32:])
    assert judge(authorize(KEYS[0], f"{header}.{claims}.{longer}")) is Fault.JWT_SIGNATURE


@pytest.mark.parametrize(
    "form", ["vapid t={t}, k={k}", "vapid t={t},k={k}", "Vapid k={k}, t={t}", "vapid  t={t} , k={k}"]
)
def test_parameters_may_come_in_either_order(form):
    token = sign(KEYS[0], make_claims(ORIGIN))
    assert isinstance(judge(form.format(t=token, k=KEYS[0].application_server_key)), VerifiedToken)


@pytest.mark.parametrize(
    "form",
    [
        "vapid t={t} k={k}",
        "vapid t={t}; k={k}",
        'vapid t="{t}", k="{k}"',
        "vapid t={t}, k={k}, x=1",
        "vapid t={t}, t={t}",
        "vapid t = {t}, k = {k}",
        "vapidt={t}, k={k}",
        "vapid t={t}, k={k}\n",
        " vapid t={t}, k={k}",
        "vapid",
    ],
)
def test_other_forms_are_refused(form):
    token = sign(KEYS[0], make_claims(ORIGIN))
    assert judge(form.format(t=token, k=KEYS[0].application_server_key)) is Fault.AUTHORIZATION_FORM


@pytest.mark.parametrize(
    "claims",
    [b"", b"{", b"[]", b"null", b'"x"', b"\xff", b'{"aud":' + b"[" * 5000, b'{"exp":' + b"9" * 5000 + b"}"],
    ids=lambda claims: claims[:12],
)
def test_claims_that_are_no_object_are_refused(claims):
    assert judge(authorize(KEYS[0], sign(KEYS[0], claims))) is Fault.JWT_FORM


@pytest.mark.parametrize("token", ["a.b", "a.b.c.d", "...", "a.b.c", "!.!.!"])
def test_token_that_is_no_jwt_is_refused(token):
    assert judge(authorize(KEYS[0], token)) in (Fault.JWT_FORM, Fault.AUTHORIZATION_FORM)


@pytest.mark.parametrize(
    "subject",
    [
        "mailto:push@example.com",
        "mailto:a.b+c@sub.example.co.uk",
        "https://example.com",
        "https://example.com/contact",
        "https://example.com:8443/contact?x=1",
    ],
)
def test_subject_that_can_be_reached_is_taken(subject):
    assert isinstance(judge(authorize(KEYS[0], sign(KEYS[0], make_claims(ORIGIN, sub=subject)))), VerifiedToken)


@pytest.mark.parametrize(
    "subject",
    [
        "",
        "push@example.com",
        "mailto:",
        "mailto:example.com",
        "mailto: push@example.com",
        "mailto:<push@example.com>",
        "mailto:push@localhost",
        "mailto:push@app.localhost",
        "mailto:push@nowhere.invalid",
        "http://example.com",
        "https://localhost/",
        "https://",
        "https://example.com/a b",
        7,
    ],
)
def test_subject_that_nobody_can_be_reached_at_is_refused(subject):
    authorization = authorize(KEYS[0], sign(KEYS[0], make_claims(ORIGIN, sub=subject)))
    assert judge(authorization) is Fault.JWT_SUBJECT


def test_remembered_token_still_ends_and_still_has_its_place():
    judge_of_all = TokenJudge()
    authorization = authorize(KEYS[0], sign(KEYS[0], make_claims(ORIGIN, exp=NOW + 60))).encode()
    assert isinstance(judge_of_all.judge(authorization, origin=ORIGIN, now=NOW), VerifiedToken)
    assert judge_of_all.judge(authorization, origin=ORIGIN, now=NOW + 60) is Fault.JWT_EXPIRED
    assert judge_of_all.judge(authorization, origin="https://push.example.org", now=NOW) is Fault.JWT_AUDIENCE


def test_different_tokens_are_counted_by_key_and_origin():
    use = TokenUse()
    for authorization in (b"one", b"one", b"two"):
        use.add(authorization, key_id="first", origin="apple", now=NOW)
    use.add(b"one", key_id="first", origin="fcm", now=NOW)
    use.add(b"one", key_id="second", origin="fcm", now=NOW)
    assert use.count() == {"first@apple": 2, "first@fcm": 1, "second@fcm": 1}


def test_renewal_within_the_hour_is_early_and_the_first_token_is_none():
    use = TokenUse()
    for number, now in enumerate((NOW, NOW + 3599, NOW + 3600 + 3599)):
        for _ in range(2):
            use.add(b"%d" % number, key_id="first", origin="apple", now=now)
    assert use.count_early() == {"apple": 1}


def test_refused_tokens_are_not_counted_and_good_ones_are_whatever_else_is_wrong():
    services = PushServices()
    services.push("apple", 0, authorization=authorize(KEYS[1], sign(KEYS[1], make_claims("https://localhost:1"))))
    assert services.provider.token_use.count() == {}
    services.push("apple", 0, plaintext=b"1")
    services.push("apple", 1, plaintext=b"2")
    assert services.provider.token_use.count() == {"first@apple": 1, "second@apple": 1}
