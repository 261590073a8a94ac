"""One HTTP/2 connection of the simulator, without its socket: bytes in, bytes out.

A request's *fate* is decided when it is whole, and becomes true, once, when it is *settled*: that is when the ledger
hears of it. Between the two lies the latency, and a GOAWAY may still leave the request above its last-stream-id. A settled
request never does: last-stream-id is raised to the highest settled stream, so that a client never hears "not processed"
about a request that was. Streams at or below last-stream-id are settled as processed, those above as not, whatever comes.
"""

import enum
from collections.abc import Callable
from typing import Any

import h2.events
import h2.exceptions
import msgspec
from h2.errors import ErrorCodes

from bench.simulators.apns.answers import ACCEPTED, Answer, refusal, response_headers
from bench.simulators.apns.http2 import HIGHEST_STREAM_ID, ServerConnection, build_goaway, parse_error_code
from bench.simulators.apns.ledger import LedgerEntry
from bench.simulators.apns.requests import PushRequest
from bench.simulators.apns.rules import Sender
from bench.simulators.apns.scenario import (
    AnswerEvent,
    CutEvent,
    Event,
    GoawayEvent,
    ResetEvent,
    SilenceEvent,
    StreamLimitEvent,
)
from bench.simulators.apns.service import Service
from bench.simulators.apns.stream_limit import StreamWindow

STREAM_LIMIT_VIOLATED = "Maximum active streams violated for this endpoint"


class Ending(enum.Enum):
    """How a connection is to be closed by its driver."""

    DRAINED = "drained"
    AT_ONCE = "at_once"
    CUT = "cut"


class Exchange:
    """A request and the answer it waits for; lives until END_STREAM or RST_STREAM has passed in both directions."""

    __slots__ = ("is_settled", "is_whole", "request", "request_id", "whole_at")

    def __init__(self, request: PushRequest) -> None:
        self.request = request
        self.request_id = b""
        self.whole_at = 0
        self.is_whole = False
        self.is_settled = False


class ApnsConnection:
    """Takes what the client sent, and queues what it is to hear; ``wake`` is called when there is something to send."""

    def __init__(self, number: int, sender: Sender, service: Service, wake: Callable[[], None]) -> None:
        scenario = service.behaviour.scenario
        self.number = number
        self.ending: Ending | None = None
        self._sender = sender
        self._service = service
        self._wake = wake
        self._window = StreamWindow(scenario.stream_limit, is_sender_known=sender.is_known)
        self._http = ServerConnection(scenario.settings, self._window.wanted)
        self._exchanges: dict[int, Exchange] = {}
        self._unsent_bodies: dict[int, bytes] = {}
        self._requests = 0
        self._highest_stream_id = 0
        self._highest_settled_id = 0
        self._last_stream_id = HIGHEST_STREAM_ID
        self._is_going_away = False
        self._goaway: GoawayEvent | None = None
        self._goaway_at_request = 0
        self._closes_when_drained = False
        self._output = bytearray()

    def open(self) -> None:
        """Queue the first SETTINGS and let the scenario's ``on_connect`` happen."""
        self._http.initiate_connection()
        for event in self._service.behaviour.events_of_connect(self.number):
            self._befall_connection(event)
            if isinstance(event, CutEvent):
                self.cut()
        self._wake()

    def receive(self, data: bytes) -> None:
        """Take bytes from the client."""
        self._collect_output()  # h2 forgets what is queued when the client says GOAWAY
        try:
            events = self._http.receive_data(data)
        except h2.exceptions.ProtocolError as error:
            self._refuse_protocol_error(error)
            return
        consumed_bytes = 0
        for event in events:
            if isinstance(event, h2.events.DataReceived):
                consumed_bytes += self._take_data(event)
            elif (handler := _HANDLERS.get(type(event))) is not None:
                handler(self, event)
            if self.ending is Ending.CUT:
                return
        if consumed_bytes:
            self._http.increment_flow_control_window(consumed_bytes)
        self._wake()

    def take_output(self) -> bytes:
        """Return everything queued for the client, and forget it."""
        if not self._is_going_away and (limit := self._window.announce()) is not None:
            self._http.announce_stream_limit(limit)
        self._collect_output()
        output, self._output = bytes(self._output), bytearray()
        return output

    def close(self) -> None:
        """Settle what still waits: the connection is gone, and the client can only guess."""
        if self.ending is None:
            self.ending = Ending.CUT
        for stream_id, exchange in self._exchanges.items():
            if exchange.is_whole and not exchange.is_settled:
                self._settle(stream_id, exchange, processed=stream_id <= self._last_stream_id)
        self._exchanges.clear()

    def cut(self) -> None:
        """Ask for the TCP connection to be closed without a further word."""
        self.ending = Ending.CUT
        self._wake()

    def set_stream_limit(self, limit: int) -> None:
        """Announce another stream limit."""
        self._window.set(limit)
        self._wake()

    def go_away(self, goaway: GoawayEvent) -> None:
        """Send GOAWAY, or its notice, as told."""
        if goaway.notice_requests is None:
            self._turn_away(goaway)
        else:
            self._send_goaway(HIGHEST_STREAM_ID, goaway)
            self._goaway = goaway
            self._goaway_at_request = self._requests + goaway.notice_requests
            self._turn_away_when_counted()
        self._wake()

    # --- what the client sends ---

    def _begin_request(self, event: h2.events.RequestReceived) -> None:
        stream_id = event.stream_id
        if not self._is_going_away and len(self._exchanges) >= self._window.enforced:
            self._refuse_violation()
        self._highest_stream_id = stream_id
        self._exchanges[stream_id] = Exchange(PushRequest(event.headers))

    def _take_data(self, event: h2.events.DataReceived) -> int:
        """Take a piece of a body; return the bytes of the connection's window that it used."""
        exchange = self._exchanges.get(event.stream_id)
        if exchange is not None:
            exchange.request.add_data(event.data)
            if event.stream_ended is None and event.flow_controlled_length and self._http.is_open(event.stream_id):
                self._http.increment_flow_control_window(event.flow_controlled_length, event.stream_id)
        return event.flow_controlled_length

    def _end_request(self, event: h2.events.StreamEnded) -> None:
        stream_id = event.stream_id
        exchange = self._exchanges.get(stream_id)
        if exchange is None:
            return
        exchange.is_whole = True
        exchange.whole_at = self._service.wall_ms()
        exchange.request_id = exchange.request.headers.get(exchange.request.id_header) or self._service.make_id()
        if stream_id > self._last_stream_id:
            self._abandon(stream_id, exchange)
            return
        self._decide(stream_id, exchange, self._count_request(exchange))

    def _count_request(self, exchange: Exchange) -> list[Event]:
        """Count a request and return the events that its turn brings."""
        self._requests += 1
        self._service.counts.requests += 1
        return self._service.behaviour.events_of_request(
            number=self._service.counts.requests,
            connection=self.number,
            connection_number=self._requests,
            destination=exchange.request.destination,
        )

    def _end_by_client(self, event: h2.events.StreamReset) -> None:
        exchange = self._exchanges.pop(event.stream_id, None)
        self._unsent_bodies.pop(event.stream_id, None)
        if exchange is not None and exchange.is_whole and not exchange.is_settled:
            self._settle(event.stream_id, exchange, processed=True)
        self._end_when_drained()

    def _acknowledge_settings(self, _event: h2.events.SettingsAcknowledged) -> None:
        self._window.acknowledge()

    def _send_bodies(self, _event: h2.events.Event) -> None:
        """Go on with bodies that waited for the client's flow control."""
        for stream_id in list(self._unsent_bodies):
            self._send_body(stream_id, self._unsent_bodies.pop(stream_id))
        self._end_when_drained()

    # --- what becomes of a request ---

    def _decide(self, stream_id: int, exchange: Exchange, events: list[Event]) -> None:
        for event in events:
            self._befall_connection(event)
        self._turn_away_when_counted()
        fault = self._service.judge.find_fault(exchange.request, self._sender)
        if self._sender.is_known:
            self._window.open_up()
        if exchange.is_settled:
            return  # a GOAWAY of this very turn left it out
        match next((event for event in events if isinstance(event, _FATES)), None):
            case CutEvent():
                self._settle(stream_id, exchange, processed=True)
                self.cut()
            case SilenceEvent():
                self._settle(stream_id, exchange, processed=True)
            case ResetEvent() as event:
                self._do_after(event.after_seconds, self._reset, stream_id, parse_error_code(event.code))
            case AnswerEvent() as event if fault is None:
                self._do_after(event.after_seconds, self._answer, stream_id, self._planned_answer(event))
            case _:
                self._do_after(None, self._answer, stream_id, ACCEPTED if fault is None else refusal(fault))

    def _befall_connection(self, event: Event) -> None:
        if isinstance(event, GoawayEvent):
            self.go_away(event)
        elif isinstance(event, StreamLimitEvent):
            self.set_stream_limit(event.limit)

    def _planned_answer(self, event: AnswerEvent) -> Answer:
        timestamp_ms = None
        if event.dead_for_seconds is not None:
            timestamp_ms = self._service.wall_ms() - int(event.dead_for_seconds * 1000)
        raw_body = event.body.encode() if event.body is not None else None
        return Answer(event.status, event.reason, timestamp_ms, raw_body, event.retry_after)

    def _do_after(self, seconds: float | None, act: Callable[..., None], stream_id: int, what: Answer | int) -> None:
        """Act after the given span, or the scenario's latency; at once when that is none."""
        scheduler = self._service.scheduler
        delay = self._service.behaviour.latency_seconds() if seconds is None else seconds
        if delay <= 0 and not scheduler.is_stalled:
            act(stream_id, what)
        else:
            scheduler.call_after(delay, act, stream_id, what)

    def _find_waiting(self, stream_id: int) -> Exchange | None:
        """Return the exchange that can still be answered; a client's RST_STREAM may have been read and not yet handled."""
        exchange = self._exchanges.get(stream_id)
        if exchange is None or exchange.is_settled or self.ending is not None or not self._http.is_open(stream_id):
            return None
        return exchange

    def _answer(self, stream_id: int, answer: Answer) -> None:
        exchange = self._find_waiting(stream_id)
        if exchange is None:
            return
        self._settle(stream_id, exchange, processed=True, answer=answer)
        self._window.take_answer(answer.status, answer.reason)
        unique_id = None
        if self._service.options.environment == "sandbox" and not exchange.request.is_broadcast:
            unique_id = self._service.make_id()
        headers = response_headers(
            answer, id_header=exchange.request.id_header, request_id=exchange.request_id, unique_id=unique_id
        )
        body = answer.body
        self._http.send_headers(stream_id, headers, end_stream=not body)
        if body:
            self._send_body(stream_id, body)
        else:
            del self._exchanges[stream_id]
        self._end_when_drained()
        self._wake()

    def _send_body(self, stream_id: int, body: bytes) -> None:
        """Send what the client's windows allow; the rest waits for WINDOW_UPDATE."""
        while body:
            room = min(self._http.local_flow_control_window(stream_id), self._http.max_outbound_frame_size)
            if room <= 0:
                self._unsent_bodies[stream_id] = body
                return
            piece, body = body[:room], body[room:]
            self._http.send_data(stream_id, piece, end_stream=not body)
        del self._exchanges[stream_id]

    def _reset(self, stream_id: int, code: int) -> None:
        exchange = self._find_waiting(stream_id)
        if exchange is None:
            return
        self._settle(stream_id, exchange, processed=code != ErrorCodes.REFUSED_STREAM)
        self._http.reset_stream(stream_id, code)
        del self._exchanges[stream_id]
        self._end_when_drained()
        self._wake()

    def _settle(self, stream_id: int, exchange: Exchange, *, processed: bool, answer: Answer | None = None) -> None:
        """Write down what became of a request; from here on it is true."""
        exchange.is_settled = True
        counts, request = self._service.counts, exchange.request
        if processed:
            self._highest_settled_id = max(self._highest_settled_id, stream_id)
        else:
            counts.unprocessed += 1
        if answer is not None:
            counts.statuses[answer.status] += 1
            if answer.reason is not None:
                counts.reasons[answer.reason] += 1
        self._service.ledger.add(
            LedgerEntry(
                at=exchange.whole_at,
                session=self.number,
                stream=stream_id,
                destination=request.destination,
                apns_id=exchange.request_id.decode("ascii", "replace"),
                body_sha256=request.body_sha256,
                bytes=request.body_bytes,
                status=answer.status if answer is not None else None,
                reason=answer.reason if answer is not None else None,
                processed=processed,
            )
        )

    # --- going away ---

    def _turn_away_when_counted(self) -> None:
        if self._goaway is not None and self._requests >= self._goaway_at_request:
            goaway, self._goaway = self._goaway, None
            self._turn_away(goaway)

    def _turn_away(self, goaway: GoawayEvent) -> None:
        """Leave out the newest unanswered streams and say so."""
        waiting = [
            stream_id
            for stream_id, exchange in self._exchanges.items()
            if exchange.is_whole and not exchange.is_settled
        ]
        kept = waiting[: len(waiting) - goaway.unprocessed] if goaway.unprocessed < len(waiting) else []
        self._send_goaway(max(self._highest_settled_id, *kept, 0), goaway)

    def _refuse_violation(self) -> None:
        """Say GOAWAY to a client that opened too many streams; what it opened before is still answered."""
        self._service.counts.stream_limit_violations += 1
        goaway = GoawayEvent(on_connect=True, reason=STREAM_LIMIT_VIOLATED, code="PROTOCOL_ERROR")
        self._send_goaway(self._highest_stream_id, goaway)

    def _refuse_protocol_error(self, error: h2.exceptions.ProtocolError) -> None:
        """Say GOAWAY to a client that broke HTTP/2, instead of h2, which counts streams as processed that we never saw."""
        self._service.counts.protocol_errors += 1
        self._http.clear_outbound_data_buffer()
        whole = [stream_id for stream_id, exchange in self._exchanges.items() if exchange.is_whole]
        goaway = GoawayEvent(on_connect=True, debug_data=str(error), code=int(error.error_code), close="at_once")
        self._send_goaway(max(self._highest_settled_id, *whole, 0), goaway)
        self._wake()

    def _send_goaway(self, last_stream_id: int, goaway: GoawayEvent) -> None:
        if self.ending is not None:
            return
        self._service.counts.goaways += 1
        self._last_stream_id = min(self._last_stream_id, last_stream_id)
        self._is_going_away = self._last_stream_id < HIGHEST_STREAM_ID
        for stream_id, exchange in list(self._exchanges.items()):
            if stream_id > self._last_stream_id and exchange.is_whole:
                self._abandon(stream_id, exchange)
        self._collect_output()
        self._output += build_goaway(
            last_stream_id=self._last_stream_id, code=parse_error_code(goaway.code), debug_data=_debug_data(goaway)
        )
        self._close_after(goaway)

    def _abandon(self, stream_id: int, exchange: Exchange) -> None:
        """Settle a request above last-stream-id: nothing more will be said about it."""
        del self._exchanges[stream_id]
        self._settle(stream_id, exchange, processed=False)

    def _close_after(self, goaway: GoawayEvent) -> None:
        if not self._is_going_away:
            return  # the notice alone
        self._closes_when_drained = goaway.close == "drained"
        if goaway.close == "at_once":
            self.ending = Ending.AT_ONCE
        self._end_when_drained()

    def _end_when_drained(self) -> None:
        """End a connection that said GOAWAY and has nothing left to say."""
        if not self._closes_when_drained or self.ending is not None or self._unsent_bodies:
            return
        if all(
            stream_id > self._last_stream_id or exchange.is_settled for stream_id, exchange in self._exchanges.items()
        ):
            self.ending = Ending.DRAINED
            self._wake()

    def _collect_output(self) -> None:
        self._output += self._http.data_to_send()


_FATES = (AnswerEvent, SilenceEvent, ResetEvent, CutEvent)

_HANDLERS: dict[type[h2.events.Event], Callable[[ApnsConnection, Any], None]] = {
    h2.events.RequestReceived: ApnsConnection._begin_request,
    h2.events.StreamEnded: ApnsConnection._end_request,
    h2.events.StreamReset: ApnsConnection._end_by_client,
    h2.events.SettingsAcknowledged: ApnsConnection._acknowledge_settings,
    h2.events.WindowUpdated: ApnsConnection._send_bodies,
    h2.events.RemoteSettingsChanged: ApnsConnection._send_bodies,
}


def _debug_data(goaway: GoawayEvent) -> bytes:
    if goaway.debug_data is not None:
        return goaway.debug_data.encode()
    return msgspec.json.encode({"reason": goaway.reason}) if goaway.reason is not None else b""
