"""Every body is read as the browser would: the ledger has the plaintext's hash, or why there is none."""

import hashlib

import pytest

from bench.simulators.webpush.services import SERVICE_OF_ORIGIN
from bench.simulators.webpush.subscriptions import Subscription, Subscriptions
from tests.support.push_sender import KEYS, SECRET, PushServices, decode, encrypt
from tests.support.webpush import load_vectors, private_key_of

VECTORS = load_vectors()


class OneBrowser(Subscriptions):
    """Has the same keys whatever the endpoint is."""

    def __init__(self, private_key: str, auth_secret: str) -> None:
        super().__init__(SECRET, KEYS)
        self._keys = private_key_of(private_key), decode(auth_secret)

    def find(self, service, path):
        return self.make(service, 0)

    def make(self, service, number):
        private_key, auth_secret = self._keys
        return Subscription(service, number, "/", KEYS[0], private_key, auth_secret)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("origin", list(SERVICE_OF_ORIGIN))
def test_published_message_is_read_with_its_keys(origin):
    vector = VECTORS["rfc8291"]
    services = PushServices(OneBrowser(vector["ua_private"], vector["auth_secret"]))
    judgement = services.push(origin, body=decode(vector["body"]))
    assert judgement.answer.status == 201
    assert judgement.ledger_fields["decryption"] is None
    assert judgement.body_sha256 == sha256(b"When I grow up, I want to be a watermelon")


@pytest.mark.parametrize("case", VECTORS["negative_decrypt"], ids=lambda case: case["name"])
def test_message_that_no_browser_can_read_is_taken_and_counted(case):
    services = PushServices(OneBrowser(case["ua_private"], case["auth_secret"]))
    judgement = services.push(body=decode(case["body"]))
    assert judgement.answer.status == 201
    assert judgement.ledger_fields["decryption"]
    assert judgement.body_sha256 == ""
    assert services.provider.decryption_failures == 1


# All but the record size, which nothing protects: a larger one says the same.
@pytest.mark.parametrize("position", [0, 15, 20, 21, 50, 85, 86, 100, -1])
def test_one_flipped_bit_is_seen_by_the_browser_and_by_nobody_else(position):
    services = PushServices()
    body = bytearray(encrypt(services.subscriptions.make("fcm", 3).export("")))
    body[position] ^= 1
    judgement = services.push("fcm", 3, body=bytes(body))
    assert (judgement.answer.status, judgement.ledger_fields["fault"]) == (201, None)
    assert judgement.ledger_fields["decryption"]


def test_message_for_another_subscription_is_not_read():
    services = PushServices()
    body = encrypt(services.subscriptions.make("wns", 1).export(""))
    assert services.push("wns", 3, body=body).ledger_fields["decryption"]


@pytest.mark.parametrize("body", [b"x", bytes(20), bytes(86), bytes(4096)], ids=len)
def test_body_that_is_no_message_is_taken_and_counted(body):
    services = PushServices()
    assert services.push(body=body).answer.status == 201
    assert services.provider.decryption_failures == 1


@pytest.mark.parametrize("plaintext", [b"", b"hello", b"x" * 3993], ids=len)
def test_ledger_has_the_hash_of_the_plaintext(plaintext):
    judgement = PushServices().push("apple", 9, plaintext=plaintext)
    assert judgement.body_sha256 == sha256(plaintext)


def test_push_without_a_body_is_an_empty_message():
    judgement = PushServices().push(body=b"", content_encoding=None)
    assert (judgement.body_sha256, judgement.ledger_fields["decryption"]) == (sha256(b""), None)


def test_body_of_a_refused_request_is_read_all_the_same():
    judgement = PushServices().push(ttl=None, plaintext=b"still me")
    assert (judgement.answer.status, judgement.body_sha256) == (400, sha256(b"still me"))


def test_body_without_a_subscription_has_nobody_to_read_it():
    services = PushServices()
    judgement = services.push(path="/nowhere")
    assert (judgement.body_sha256, judgement.ledger_fields["decryption"]) == ("", "there is no such subscription")
    assert judgement.ledger_fields["vapid_key"] is None
    assert services.provider.decryption_failures == 0


def test_ledger_says_what_was_asked_for():
    judgement = PushServices().push(
        "mozilla", 1, ttl="86400", urgency="high", topic="news", content_type="application/notification+json"
    )
    assert judgement.destination.startswith("/wpush/v2/")
    assert judgement.ledger_fields == {
        "service": "mozilla",
        "vapid_key": "second",
        "decryption": None,
        "fault": None,
        "location": dict(judgement.answer.unique_headers)[b"location"].decode(),
        "ttl": 86_400,
        "urgency": "high",
        "topic": "news",
        "content_type": "application/notification+json",
    }
