"""Every published and generated case: bodies byte for byte by both routes, refusals with their reason."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from bench.simulators.webpush.decoder import DecryptionError, decrypt_push, decrypt_records, split_content
from native import ENCRYPTION_ROUTES, encrypt_batch, encrypt_reproducibly
from protocol.encryption import MOST_BODY_BYTES, MOST_PLAINTEXT_BYTES, OVERHEAD_BYTES, EncryptionRefusal
from tests.support.webpush import load_vectors, make_receiver, private_key_of, unpack

VECTORS = load_vectors()  # a missing file fails here
ROUTES = pytest.mark.parametrize("route", ["points", "evp"])
LENGTHS = {"p256dh-empty", "p256dh-truncated-64", "p256dh-64-bytes-no-prefix", "p256dh-66-bytes"}
LENGTHS |= {"point-at-infinity-1-byte", "p256dh-compressed-33"}
FORMS = {"p256dh-hybrid-prefix-06-or-07", "p256dh-wrong-prefix-05"}

Case = dict[str, Any]


def cases(section: str, *fields: str) -> pytest.MarkDecorator:
    chosen = [case for case in VECTORS[section] if not fields or case["field"] in fields]
    return pytest.mark.parametrize("case", chosen, ids=lambda case: case["name"])


@pytest.fixture(scope="module")
def tally(request: pytest.FixtureRequest) -> Iterator[Counter[str]]:
    """Count the cases run; the counts are printed when all are through."""
    counts: Counter[str] = Counter()
    yield counts
    run = ", ".join(f"{section} {count}" for section, count in sorted(counts.items()))
    with request.config.pluginmanager.get_plugin("capturemanager").global_and_fixture_disabled():
        print(f"\nWeb Push cases run, by both routes where there are two: {run}")  # noqa: T201 - asked for


def expected_refusal(case: Case) -> EncryptionRefusal:
    if case["field"] == "auth":
        return EncryptionRefusal.AUTH_LENGTH
    if case["name"] in LENGTHS:
        return EncryptionRefusal.KEY_LENGTH
    return EncryptionRefusal.KEY_FORM if case["name"] in FORMS else EncryptionRefusal.KEY_NOT_ON_CURVE


def encrypt_case(case: Case, route: str) -> bytes:
    plaintext = unpack(case["plaintext"])
    batch = encrypt_reproducibly(
        plaintext,
        unpack(case["ua_public"]),
        unpack(case["auth_secret"]),
        as_private=unpack(case["as_private"]),
        salt=unpack(case["salt"]),
        padded_lengths=[len(plaintext) + case.get("pad", 0)],
        record_size=case.get("rs", 4096),
        route=route,
    )
    assert batch.refusals == {}
    return batch.bodies[0]


def test_no_section_has_lost_a_case() -> None:
    counts = {name: len(section) for name, section in VECTORS.items() if isinstance(section, list)}
    assert counts == {
        "rfc8188": 2,
        "generated": 21,
        "padded": 4,
        "special": 2,
        "negative_subscription": 25,
        "encoding_tolerance": 2,
        "negative_decrypt": 9,
    }
    assert VECTORS["limits"] == {
        "max_body": MOST_BODY_BYTES,
        "max_plaintext_plus_pad": MOST_PLAINTEXT_BYTES,
        "overhead": OVERHEAD_BYTES,
    }


def test_both_routes_passed_their_test_at_import() -> None:
    assert ENCRYPTION_ROUTES == ("points", "evp")


@ROUTES
def test_example_of_rfc_8291(route: str, tally: Counter[str]) -> None:
    example = VECTORS["rfc8291"]
    assert encrypt_case(example, route) == unpack(example["body"])
    tally["rfc8291"] += 1


@ROUTES
@cases("generated")
def test_generated_body(case: Case, route: str, tally: Counter[str]) -> None:
    body = encrypt_case(case, route)
    assert body == unpack(case["body"])
    assert len(body) == len(unpack(case["plaintext"])) + OVERHEAD_BYTES
    tally["generated"] += 1


@ROUTES
@cases("padded")
def test_padded_body(case: Case, route: str, tally: Counter[str]) -> None:
    assert encrypt_case(case, route) == unpack(case["body"])
    tally["padded"] += 1


@ROUTES
@cases("special")
def test_leading_zeros_are_kept(case: Case, route: str, tally: Counter[str]) -> None:
    assert encrypt_case(case, route) == unpack(case["body"])
    tally["special"] += 1


@pytest.mark.parametrize("section", ["generated", "padded", "special"])
def test_decoder_reads_every_body(section: str) -> None:
    for case in VECTORS[section]:
        receiver = private_key_of(case["ua_private"])
        plaintext = decrypt_push(unpack(case["body"]), receiver, unpack(case["auth_secret"]))
        assert plaintext == unpack(case["plaintext"]), case["name"]


@cases("rfc8188")
def test_decoder_reads_the_examples_of_rfc_8188(case: Case, tally: Counter[str]) -> None:
    content = split_content(unpack(case["body"]))
    assert (content.record_size, content.key_id) == (case["rs"], unpack(case["keyid"]))
    assert decrypt_records(content, unpack(case["ikm"])) == unpack(case["plaintext"])
    tally["rfc8188"] += 1


@cases("negative_decrypt")
def test_decoder_refuses(case: Case, tally: Counter[str]) -> None:
    with pytest.raises(DecryptionError):
        decrypt_push(unpack(case["body"]), private_key_of(case["ua_private"]), unpack(case["auth_secret"]))
    tally["negative_decrypt"] += 1


@ROUTES
@cases("negative_subscription", "p256dh", "auth")
def test_bad_key_is_refused_and_its_batch_goes_on(case: Case, route: str, tally: Counter[str]) -> None:
    good = make_receiver()
    bodies, refusals = encrypt_batch(
        [b"one", b"two", b"three"],
        [good.public, unpack(case["p256dh"]), good.public],
        [good.auth_secret, unpack(case["auth"]), good.auth_secret],
        route=route,
    )
    assert refusals == {1: expected_refusal(case)}
    assert bodies[1] == b""
    assert [good.decrypt(bodies[0]), good.decrypt(bodies[2])] == [b"one", b"three"]
    tally["negative_subscription"] += 1


@ROUTES
@cases("negative_subscription", "plaintext")
def test_too_long_a_plaintext_is_refused(case: Case, route: str, tally: Counter[str]) -> None:
    receiver = make_receiver()
    length = case["plaintext_len"]
    bodies, refusals = encrypt_batch(
        [bytes(length)],
        [receiver.public],
        [receiver.auth_secret],
        padded_lengths=[length + case.get("pad", 0)],
        route=route,
    )
    assert (bodies, refusals) == ([b""], {0: EncryptionRefusal.TOO_LONG})
    tally["negative_subscription"] += 1


def test_a_signing_key_can_not_come_in(tally: Counter[str]) -> None:
    """Case same-key-for-vapid-and-ecdh: every key is fresh, and the batch has no way to be given one."""
    receiver = make_receiver()
    with pytest.raises(TypeError, match="as_private"):
        encrypt_batch([b""], [receiver.public], [receiver.auth_secret], as_private=bytes(32))  # type: ignore[call-arg]
    tally["negative_subscription"] += 1
