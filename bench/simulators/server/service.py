"""What all connections of a simulator share, and the one way in which they decide about a request."""

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import msgspec

from bench.simulators.server.answers import Answer
from bench.simulators.server.behaviour import Behaviour
from bench.simulators.server.events import AnswerEvent, CutEvent, Event, ResetEvent, SilenceEvent
from bench.simulators.server.ledger import Ledger, LedgerEntry
from bench.simulators.server.provider import Judgement, Provider
from bench.simulators.server.requests import Request
from bench.simulators.server.scenario import Scenario
from bench.simulators.server.scheduler import Scheduler
from bench.simulators.server.statistics import Counts
from gateway.clock import Clock

# The events that decide the fate of a request; of several the first one does.
_FATES = (AnswerEvent, SilenceEvent, ResetEvent, CutEvent)


class Reply(msgspec.Struct, frozen=True):
    """The request is answered."""

    answer: Answer
    after_seconds: float | None = None
    """None: after the scenario's latency."""


class Turn(msgspec.Struct, frozen=True):
    """What the scenario has in store when one request has come whole."""

    events: list[Event]
    """Everything that happens at this request, for the connection to act out what concerns it."""
    fate: Reply | SilenceEvent | ResetEvent | CutEvent
    """What becomes of the request itself."""


class Service:
    """Provider, scenario, ledger, time and counts of one simulator."""

    def __init__(self, provider: Provider[Any, Any], scenario: Scenario, ledger: Ledger[Any], clock: Clock) -> None:
        self.provider = provider
        self.ledger = ledger
        self.behaviour = Behaviour(scenario)
        self.scheduler = Scheduler()
        self.counts = Counts()
        self._clock = clock
        self._leaving: defaultdict[int, list[LedgerEntry]] = defaultdict(list)

    def wall_ms(self) -> int:
        """Return UNIX time in milliseconds."""
        return int(self._clock.wall() * 1000)

    def take_turn(self, request: Request, judgement: Judgement, *, connection: int, connection_number: int) -> Turn:
        """Count a whole request and decide about it; ``connection_number`` counts the requests of its connection."""
        if not judgement.is_notification:
            return Turn([], Reply(judgement.answer, after_seconds=0.0))
        self.counts.requests += 1
        events = self.behaviour.events_of_request(
            number=self.counts.requests,
            connection=connection,
            connection_number=connection_number,
            destination=judgement.destination,
            origin=request.origin,
        )
        match next((event for event in events if isinstance(event, _FATES)), None):
            case AnswerEvent() as event if judgement.answer.is_success:
                return Turn(events, Reply(self._plan(event, request, judgement), event.after_seconds))
            case (SilenceEvent() | ResetEvent() | CutEvent()) as event:
                return Turn(events, event)
            case _:
                return Turn(events, Reply(judgement.answer))

    def act_after(self, seconds: float | None, act: Callable[..., None], *arguments: Any) -> None:  # noqa: ANN401 - passed through
        """Act after the given span, or the scenario's latency; at once when that is none."""
        delay = self.behaviour.latency_seconds() if seconds is None else seconds
        if delay <= 0 and not self.scheduler.is_stalled:
            act(*arguments)
        else:
            self.scheduler.call_after(delay, act, *arguments)

    def write_down(
        self,
        request: Request,
        judgement: Judgement,
        *,
        at: int,
        session: int,
        stream: int,
        processed: bool,
        answer: Answer | None,
    ) -> None:
        """Count a request whose fate has become true, and enter it in the ledger; an answered one when that leaves."""
        if not judgement.is_notification:
            return
        self.counts.count_settled(answer, processed=processed)
        entry = self.provider.entry_type(
            at=at,
            settled_at=self.wall_ms(),
            session=session,
            stream=stream,
            destination=judgement.destination,
            body_sha256=judgement.body_sha256 if judgement.body_sha256 is not None else request.body_sha256,
            bytes=request.body_bytes,
            status=answer.status if answer is not None else None,
            reason=answer.reason if answer is not None else None,
            processed=processed,
            **judgement.ledger_fields,
        )
        if answer is None:
            self.let_answers_leave(session)  # first, as they were first
            self.ledger.add(entry)
        else:
            self._leaving[session].append(entry)

    def let_answers_leave(self, session: int) -> None:
        """Enter what a connection has answered since: now it goes to the socket, or never."""
        entries = self._leaving.pop(session, ())
        now = self.wall_ms() if entries else 0
        for entry in entries:
            self.ledger.add(msgspec.structs.replace(entry, settled_at=now))

    def _plan(self, event: AnswerEvent, request: Request, judgement: Judgement) -> Answer:
        """Put a scenario's answer together: the provider's part, and what the scenario sets over it."""
        if event.reason is None and 200 <= event.status <= 299:
            answer = msgspec.structs.replace(judgement.answer, status=event.status)
        else:
            answer = self.provider.plan_answer(event, request, judgement)
        headers = dict(answer.headers)
        if event.body is not None:
            headers.pop(b"content-type", None)
            answer = msgspec.structs.replace(answer, body=event.body.encode())
        return msgspec.structs.replace(answer, headers=tuple({**headers, **event.header_fields}.items()))
