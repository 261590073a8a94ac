"""APNs as a provider of the common server: judges pushes by Apple's rules and answers in Apple's form."""

import random
import uuid

import msgspec

from bench.simulators.apns.addresses import find_destination, id_header, is_broadcast
from bench.simulators.apns.answers import STATUS_BY_REASON, make_refusal
from bench.simulators.apns.credentials import Credentials
from bench.simulators.apns.ledger import ApnsLedgerEntry
from bench.simulators.apns.options import ApnsSimulatorOptions
from bench.simulators.apns.rules import ApnsSender, Judge
from bench.simulators.apns.scenario import ApnsAnswerEvent
from bench.simulators.apns.tokens import TokenJudge
from bench.simulators.server import Answer, Fields, Judgement, Peer, Provider, Request


class ApnsProvider(Provider[ApnsSender, ApnsAnswerEvent]):
    """Apple's rules and answers."""

    entry_type = ApnsLedgerEntry

    def __init__(self, options: ApnsSimulatorOptions, credentials: Credentials) -> None:
        self._options = options
        self._judge = Judge(options, TokenJudge(credentials.keys, options.environment, options.token_updates_by))
        self._random = random.Random(options.scenario.seed)

    def meet(self, peer: Peer) -> ApnsSender:
        """Return what a connection will be bound to; a client certificate makes its sender known at once."""
        return ApnsSender(self._options.client_certificate_topics if peer.has_certificate else None)

    def judge(self, request: Request, sender: ApnsSender) -> Judgement:
        """Apply the rules; a good token binds the connection."""
        push_id = request.headers.get(id_header(request)) or self._make_id()
        unique_headers = self._unique_headers(request, push_id)
        fault = self._judge.find_fault(request, sender)
        if fault is None:
            answer = Answer(status=200, unique_headers=unique_headers)
        else:
            answer = make_refusal(STATUS_BY_REASON[fault], fault, unique_headers)
        shown_id = push_id.decode("ascii", "replace")
        return Judgement(
            answer=answer,
            destination=find_destination(request),
            provider_id=shown_id,
            ledger_fields={"apns_id": shown_id},
        )

    def plan_answer(self, event: ApnsAnswerEvent, request: Request, judgement: Judgement) -> Answer:
        """Return any status with any reason; the ids are those of the healthy answer."""
        del request
        timestamp_ms = None
        if event.dead_for_seconds is not None:
            timestamp_ms = int((self._options.clock.wall() - event.dead_for_seconds) * 1000)
        return make_refusal(event.status, event.reason, judgement.answer.unique_headers, timestamp_ms=timestamp_ms)

    def goaway_data(self, reason: str) -> bytes:
        """Return the reason as JSON (docs/apns.md#connections)."""
        return msgspec.json.encode({"reason": reason})

    def _unique_headers(self, request: Request, push_id: bytes) -> Fields:
        named = ((id_header(request), push_id),)
        if self._options.environment == "sandbox" and not is_broadcast(request):
            return (*named, (b"apns-unique-id", self._make_id()))
        return named

    def _make_id(self) -> bytes:
        """Return a UUID in the form that APNs gives out; repeatable by the scenario's seed."""
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4)).encode("ascii")
