"""The push services: what each of them makes of a request, and what the browser behind it reads.

A service can't look into bodies: a message that no browser could decrypt is taken like any other. But this one is the
browser too, decrypts every body with the keys of the subscription, and tells the ledger and the statistics.
"""

import hashlib
import random
import uuid
from collections import Counter

import msgspec

from bench.simulators.server import Answer, Judgement, LedgerEntry, Peer, Request, Sender
from bench.simulators.webpush.decoder import DecryptionError, decrypt_push
from bench.simulators.webpush.faults import Fault
from bench.simulators.webpush.ledger import WebPushLedgerEntry
from bench.simulators.webpush.options import WebPushAnswerEvent
from bench.simulators.webpush.rules import find_fault, find_ttl, is_key_reused
from bench.simulators.webpush.services import HABITS, SERVICE_OF_ORIGIN
from bench.simulators.webpush.subscriptions import Subscription, Subscriptions
from bench.simulators.webpush.vapid import TokenJudge, TokenUse
from gateway.clock import Clock

# Far from the numbers that anybody makes subscriptions with.
_MOVED_BY = 2**62


class _Reading(msgspec.Struct, frozen=True):
    """What the browser got out of a body."""

    plaintext_sha256: str
    failure: str | None = None


class WebPushProvider:
    """All services of one simulator."""

    entry_type: type[LedgerEntry] = WebPushLedgerEntry

    def __init__(self, subscriptions: Subscriptions, clock: Clock, *, seed: int = 0) -> None:
        self.origins: dict[str, str] = {}
        """``https://host:port`` by name, complete before the first request."""
        self.faults: Counter[str] = Counter()
        self.decryption_failures = 0
        self.token_use = TokenUse()
        self._subscriptions = subscriptions
        self._clock = clock
        self._tokens = TokenJudge()
        self._random = random.Random(seed)

    def meet(self, peer: Peer) -> Sender:
        """Remember nothing: every request stands for itself."""
        del peer
        return Sender()

    def judge(self, request: Request, sender: Sender) -> Judgement:
        """Judge a request, and read its body as the browser would."""
        del sender
        service = SERVICE_OF_ORIGIN[request.origin]
        path = request.path.decode("latin-1")
        subscription = self._subscriptions.find(service, path)
        reading = self._read_body(request, subscription)
        fault = self._find_fault(request, subscription)
        message_id = self._make_id()
        answer = self._make_answer(request, fault, message_id)
        return Judgement(
            answer=answer,
            destination=subscription.path if subscription is not None else path,
            provider_id=message_id,
            body_sha256=reading.plaintext_sha256,
            ledger_fields={
                "service": service,
                "vapid_key": subscription.vapid_key.id if subscription is not None else None,
                "decryption": reading.failure,
                "fault": fault.name if fault is not None else None,
                "location": _find_location(answer),
                "ttl": find_ttl(request),
                "urgency": _find_text(request, b"urgency"),
                "topic": _find_text(request, b"topic"),
                "content_type": _find_text(request, b"content-type"),
            },
        )

    def plan_answer(self, event: WebPushAnswerEvent, request: Request, judgement: Judgement) -> Answer:
        """Return a scenario's answer as the service would give it."""
        service = SERVICE_OF_ORIGIN[request.origin]
        message_id = judgement.provider_id or self._make_id()
        answer = HABITS[service].answer(event.status, event.reason)
        unique = HABITS[service].id_headers(message_id)
        if answer.is_success:
            answer = msgspec.structs.replace(answer, headers=_merge(judgement.answer.headers, answer.headers))
            unique = judgement.answer.unique_headers
        elif 300 <= event.status <= 399 and b"location" not in event.header_fields:
            unique += ((b"location", self._find_other_endpoint(request)),)
        return msgspec.structs.replace(answer, unique_headers=unique)

    def goaway_data(self, reason: str) -> bytes:
        """Return the reason as it is: no service's form is known."""
        return reason.encode()

    def _find_fault(self, request: Request, subscription: Subscription | None) -> Fault | None:
        """Return the first rule that a request breaks, and count it."""
        if request.method != b"POST":
            fault: Fault | None = Fault.METHOD
        elif subscription is None:
            fault = Fault.UNKNOWN_PATH
        else:
            fault = (
                find_fault(request) or self._find_service_fault(request) or self._find_key_fault(request, subscription)
            )
        if fault is not None:
            self.faults[fault.name] += 1
        return fault

    def _find_service_fault(self, request: Request) -> Fault | None:
        habits = HABITS[SERVICE_OF_ORIGIN[request.origin]]
        return habits.find_own_fault(request, find_ttl(request) or 0)

    def _find_key_fault(self, request: Request, subscription: Subscription) -> Fault | None:
        """Judge the token, and the keys of a request (RFC 8292 sections 2 and 4.2)."""
        authorization, now = request.headers.get(b"authorization"), self._clock.wall()
        token = self._tokens.judge(
            authorization,
            origin=self.origins[request.origin],
            now=now,
            least_subject=HABITS[SERVICE_OF_ORIGIN[request.origin]].least_subject,
        )
        if isinstance(token, Fault):
            return token
        if token.public_key != subscription.vapid_key.public_key:
            return Fault.KEY_MISMATCH
        self.token_use.add(authorization or b"", key_id=subscription.vapid_key.id, origin=request.origin, now=now)
        return Fault.KEY_REUSED if is_key_reused(request, token.public_key) else None

    def _read_body(self, request: Request, subscription: Subscription | None) -> _Reading:
        if subscription is None:
            return _Reading("", "there is no such subscription")
        if request.body_bytes == 0:
            return _Reading(hashlib.sha256().hexdigest())
        try:
            plaintext = decrypt_push(request.body, subscription.private_key, subscription.auth_secret)
        except DecryptionError as error:
            self.decryption_failures += 1
            return _Reading("", str(error))
        return _Reading(hashlib.sha256(plaintext).hexdigest())

    def _make_answer(self, request: Request, fault: Fault | None, message_id: str) -> Answer:
        habits = HABITS[SERVICE_OF_ORIGIN[request.origin]]
        unique = habits.id_headers(message_id)
        if fault is not None:
            return msgspec.structs.replace(habits.refuse(fault), unique_headers=unique)
        location = f"{self.origins[request.origin]}{habits.message_path}{message_id}"
        accepted = habits.accept(ttl=find_ttl(request) or 0)
        return msgspec.structs.replace(accepted, unique_headers=((b"location", location.encode()), *unique))

    def _find_other_endpoint(self, request: Request) -> bytes:
        """Return where a redirect leads: an endpoint that the service might have moved the subscription to."""
        service = SERVICE_OF_ORIGIN[request.origin]
        found = self._subscriptions.find(service, request.path.decode("latin-1"))
        number = (found.number if found is not None else 0) ^ _MOVED_BY
        return (self.origins[request.origin] + self._subscriptions.make(service, number).path).encode()

    def _make_id(self) -> str:
        """Return a UUID, repeatable by the scenario's seed."""
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))


def _merge(
    healthy: tuple[tuple[bytes, bytes], ...], own: tuple[tuple[bytes, bytes], ...]
) -> tuple[tuple[bytes, bytes], ...]:
    return tuple({**dict(healthy), **dict(own)}.items())


def _find_location(answer: Answer) -> str | None:
    location = dict(answer.unique_headers).get(b"location")
    return location.decode() if location is not None else None


def _find_text(request: Request, name: bytes) -> str | None:
    value = request.headers.get(name)
    return value.decode("latin-1") if value is not None else None
