"""VAPID tokens: the published example, an independent signature, and what is no subject."""

import json
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from protocol.providers.webpush import base64url, vapid

VECTORS = json.loads((Path(__file__).parent / "data" / "webpush_vectors.json").read_text())
RFC_8292 = VECTORS["rfc8292"]
OWN = VECTORS["es256_jwt"]
ES256 = ec.ECDSA(SHA256())
PRIVATE_KEY = ec.derive_private_key(int.from_bytes(base64url.decode(OWN["private_key"]), "big"), ec.SECP256R1())


def sign_raw(message: bytes) -> bytes:
    r, s = decode_dss_signature(PRIVATE_KEY.sign(message, ES256))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def verify(token: str, public_key: str) -> None:
    """Raise unless a token is one that services take."""
    unsigned, _, signature = token.rpartition(".")
    raw = base64url.decode(signature)
    assert len(raw) == 64
    point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), base64url.decode(public_key))
    numbers = (int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    point.verify(encode_dss_signature(*numbers), unsigned.encode(), ES256)


def test_the_published_example_is_what_we_would_have_signed():
    claims = vapid.Claims(**RFC_8292["claims"])
    assert vapid.signing_input(claims).decode() == RFC_8292["jwt"].rpartition(".")[0]
    assert vapid.authorization(RFC_8292["jwt"].encode(), RFC_8292["k"].encode()).decode() == RFC_8292["authorization"]
    verify(RFC_8292["jwt"], RFC_8292["k"])


def test_our_token_verifies_and_says_what_its_claims_are():
    claims = vapid.make_claims("https://web.push.apple.com", "mailto:push@example.com", 1_780_000_000.9)
    token = vapid.make_token(claims, sign_raw).decode()
    verify(token, OWN["public_key"])
    assert json.loads(base64url.decode(token.split(".")[0])) == {"typ": "JWT", "alg": "ES256"}
    assert json.loads(base64url.decode(token.split(".")[1])) == {
        "aud": "https://web.push.apple.com",
        "exp": 1_780_043_200,
        "sub": "mailto:push@example.com",
    }


def test_the_verification_of_these_tests_tells_good_from_bad():
    verify(OWN["valid_jwt"], OWN["public_key"])
    with pytest.raises(InvalidSignature):
        verify(OWN["invalid_jwt_flipped"], OWN["public_key"])
    with pytest.raises(AssertionError):
        verify(OWN["invalid_jwt_der_signature"], OWN["public_key"])


def test_a_signature_in_der_is_refused():
    claims = vapid.make_claims("https://web.push.apple.com", "mailto:push@example.com", 0)
    with pytest.raises(ValueError, match="64 bytes"):
        vapid.make_token(claims, lambda message: PRIVATE_KEY.sign(message, ES256))


@pytest.mark.parametrize(
    "subject",
    [
        "mailto:push@example.com",
        "mailto:push+team@mail.example.co.uk",
        "https://example.com",
        "https://example.com/contact?about=push",
        "https://example.com:8443/contact",
    ],
)
def test_subjects_that_services_take(subject):
    vapid.check_subject(subject)


@pytest.mark.parametrize(
    "subject",
    [
        "",
        "push@example.com",
        "mailto:",
        "mailto:push",
        "mailto:push@localhost",
        "mailto:push@mail.localhost",
        "mailto:push@mail.LOCAL",
        "mailto:push@example.test",
        "mailto: push@example.com",
        "mailto:<push@example.com>",
        "mailto:push@example.com ",
        "mailto:push@example.com\n",
        "mailto:push@127.0.0.1",
        "mailto:a@b@example.com",
        "http://example.com",
        "https://localhost/x",
        "https://app.localhost/x",
        "https://example.com/a b",
        "https://user@example.com/",
        "https://127.0.0.1/",
        "tel:+1",
    ],
)
def test_subjects_that_some_service_refuses(subject):
    with pytest.raises(ValueError, match="no subject"):
        vapid.check_subject(subject)
