"""Subscriptions as browsers give them, and every way in which one is malformed."""

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from protocol.preparation import Rejection
from protocol.providers.webpush import base64url, is_point, unpack_destination
from protocol.reasons import Reason
from tests.support.sends import PreparedRow
from tests.support.webpush_sends import AUTH, P256DH, VAPID_KEY, prepare_webpush, subscription

VECTORS = json.loads((Path(__file__).parent / "data" / "webpush_vectors.json").read_text())
NEGATIVE = [case for case in VECTORS["negative_subscription"] if case["field"] != "plaintext"]
CONTENT = {"title": "Sale"}


@pytest.mark.parametrize("case", NEGATIVE, ids=lambda case: case["name"])
def test_a_malformed_key_is_rejected_with_its_place(case):
    rejection = prepare_webpush(content=CONTENT, to=subscription(p256dh=case["p256dh"], auth=case["auth"]))
    assert isinstance(rejection, Rejection)
    part = "auth" if case["name"].startswith("auth") else "p256dh"
    assert (rejection.reason, rejection.field) == (Reason.INVALID_TOKEN, f"to.webpush.keys.{part}")
    assert not case[part] or case[part] not in rejection.detail


@pytest.mark.parametrize("case", VECTORS["encoding_tolerance"], ids=lambda case: case["name"])
def test_spellings_of_one_key_are_one_destination(case):
    row = prepare_webpush(content=CONTENT, to=subscription(p256dh=case["p256dh"], auth=case["auth"]))
    good = prepare_webpush(content=CONTENT)
    assert isinstance(row, PreparedRow)
    assert isinstance(good, PreparedRow)
    assert row.destination == good.destination


@pytest.mark.parametrize(
    "text",
    ["QQ=", "-A===", "Q-", "QQ-=", "QQ===", "QUI==", "Q", "Q===", "QR", "Q Q", "QQ\n", "QQé", "QU=I", "=", "===="],
)
def test_text_that_is_no_base64url_is_refused(text):
    with pytest.raises(ValueError, match=r"padding|impossible|character"):
        base64url.decode(text)


@given(st.binary(max_size=70))
def test_base64url_reads_back(data):
    text = base64url.encode(data)
    assert base64url.decode(text) == base64url.decode(text + "=" * (-len(text) % 4)) == data


def test_points_are_those_of_an_independent_implementation():
    for scalar in range(1, 20):
        public = ec.derive_private_key(scalar, ec.SECP256R1()).public_key()
        point = public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        assert is_point(point)
        for broken in (point[:-1] + bytes([point[-1] ^ 1]), point + b"\0", b"\2" + point[1:], point[1:], b""):
            assert not is_point(broken)


def test_the_apps_own_key_is_no_browsers():
    row = prepare_webpush(content=CONTENT, to=subscription(p256dh=VAPID_KEY))
    assert isinstance(row, Rejection)
    assert (row.reason, row.field) == (Reason.INVALID_TOKEN, "to.webpush.keys.p256dh")


def test_a_destination_keeps_keys_and_path():
    row = prepare_webpush(content=CONTENT, to=subscription("https://a.notify.windows.com/w/?token=a%2bb"))
    assert isinstance(row, PreparedRow)
    recipient = unpack_destination(row.destination)
    assert recipient == (base64url.decode(P256DH), base64url.decode(AUTH), b"/w/?token=a%2bb")
    with pytest.raises(ValueError, match="more than 81 bytes"):
        unpack_destination(row.destination[:81])
