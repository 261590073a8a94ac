"""One HTTP/2 connection of a simulator, without its socket: bytes in, bytes out.

What the client sends is handled in the order of its arrival; what becomes of a request is decided when it is whole, by
the provider and the scenario, and acted out then or after the latency. The books are `exchanges`, the limit is
`stream_limit`, answers leave by `responses` and GOAWAY by `departure`; the socket, whose closing is asked for in
``ending``, is `driver`'s.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import h2.events
import h2.exceptions
from h2.errors import ErrorCodes

from bench.simulators.server.answers import Answer
from bench.simulators.server.connections.connection import Ending
from bench.simulators.server.connections.departure import Departure
from bench.simulators.server.connections.exchanges import Exchange, Exchanges
from bench.simulators.server.connections.http2 import ServerConnection
from bench.simulators.server.connections.responses import ResponseSender
from bench.simulators.server.connections.stream_limit import StreamWindow
from bench.simulators.server.events import (
    CutEvent,
    Event,
    GoawayEvent,
    ResetEvent,
    SilenceEvent,
    StreamLimitEvent,
    error_code,
)
from bench.simulators.server.provider import Judgement, Peer
from bench.simulators.server.requests import Request
from bench.simulators.server.service import Reply, Service, Turn

# The words that Apple was seen to use.
STREAM_LIMIT_VIOLATED = "Maximum active streams violated for this endpoint"
_HTTP1_REQUEST_LINE = re.compile(rb"[A-Z]+ [^\s]+ HTTP/1\.[0-9](?=\r?\n)")


class Http2Connection:
    """Takes what the client sent, and queues what it is to hear; ``wake`` is called when there is something to do."""

    def __init__(self, number: int, peer: Peer, service: Service, wake: Callable[[], None]) -> None:
        scenario = service.behaviour.scenario
        self.number = number
        self.ending: Ending | None = None
        self._origin = peer.origin
        self._sender = service.provider.meet(peer)
        self._service = service
        self._wake = wake
        self._window = StreamWindow(scenario.stream_limit, is_sender_known=self._sender.is_known)
        self._http = ServerConnection(scenario.settings, self._window.wanted)
        self._exchanges = Exchanges(number, service)
        self._responses = ResponseSender(self._http, self._exchanges.end)
        self._requests = 0
        self._departure = Departure(self._exchanges, service, self._queue)
        self._output = bytearray()

    def open(self) -> None:
        """Queue the first SETTINGS and let the scenario's ``on_connect`` happen."""
        self._http.initiate_connection()
        for event in self._service.behaviour.events_of_connect(self.number, self._origin):
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
            self._refuse_protocol_error(error, data)
            return
        consumed_bytes = 0
        for event in events:
            if isinstance(event, h2.events.DataReceived):
                consumed_bytes += self._take_data(event)
            elif (handler := self._HANDLERS.get(type(event))) is not None:
                handler(self, event)
            if self.ending is Ending.CUT:
                return
        if consumed_bytes:
            self._http.increment_flow_control_window(consumed_bytes)
        self._wake()

    def take_output(self) -> bytes:
        """Return everything queued for the client, and forget it."""
        if not self._departure.has_begun and (limit := self._window.announce()) is not None:
            self._http.announce_stream_limit(limit)
        self._collect_output()
        self._service.let_answers_leave(self.number)
        output, self._output = bytes(self._output), bytearray()
        return output

    def close(self) -> None:
        """Let the connection be gone; what still waited is settled."""
        if self.ending is None:
            self.ending = Ending.CUT
        self._exchanges.end_all()
        self._service.let_answers_leave(self.number)

    def cut(self) -> None:
        """Ask for the TCP connection to be closed without a further word."""
        self.ending = Ending.CUT
        self._wake()

    def set_stream_limit(self, limit: int) -> None:
        """Announce another stream limit."""
        self._window.set(limit)
        self._wake()

    def go_away(self, goaway: GoawayEvent) -> None:
        """Send GOAWAY; with ``notice_requests`` its notice now, and the real one so many requests later."""
        if self.ending is None:
            self._departure.begin(goaway, requests=self._requests)
            self._end_when_left()

    # --- what the client sends ---

    def _begin_request(self, event: h2.events.RequestReceived) -> None:
        if not self._departure.has_begun and len(self._exchanges) >= self._window.enforced:
            self._refuse_violation()
        self._exchanges.begin(event.stream_id, Request(event.headers, self._origin))

    def _take_data(self, event: h2.events.DataReceived) -> int:
        """Take a piece of a body; return the bytes of the connection's window that it used."""
        exchange = self._exchanges.find(event.stream_id)
        if exchange is not None:
            exchange.request.add_data(event.data)
            if event.stream_ended is None and event.flow_controlled_length and self._http.is_open(event.stream_id):
                self._http.increment_flow_control_window(event.flow_controlled_length, event.stream_id)
        return event.flow_controlled_length

    def _end_request(self, event: h2.events.StreamEnded) -> None:
        exchange = self._exchanges.find(event.stream_id)
        if exchange is not None:
            judgement = self._service.provider.judge(exchange.request, self._sender)
            if self._sender.is_known:
                self._window.open_up()
            if self._exchanges.complete(event.stream_id, exchange, judgement):
                self._act_out(event.stream_id, self._take_turn(exchange, judgement))

    def _end_by_client(self, event: h2.events.StreamReset) -> None:
        self._responses.forget(event.stream_id)
        self._exchanges.end_by_client(event.stream_id)
        self._end_when_left()

    def _acknowledge_settings(self, _event: h2.events.SettingsAcknowledged) -> None:
        self._window.acknowledge()

    def _send_waiting_bodies(self, _event: h2.events.Event) -> None:
        """Go on with bodies that waited for the client's flow control."""
        self._responses.go_on()
        self._end_when_left()

    _HANDLERS: ClassVar[Mapping[type[h2.events.Event], Callable[["Http2Connection", Any], None]]] = {
        h2.events.RequestReceived: _begin_request,
        h2.events.StreamEnded: _end_request,
        h2.events.StreamReset: _end_by_client,
        h2.events.SettingsAcknowledged: _acknowledge_settings,
        h2.events.WindowUpdated: _send_waiting_bodies,
        h2.events.RemoteSettingsChanged: _send_waiting_bodies,
    }

    # --- what becomes of a request ---

    def _take_turn(self, exchange: Exchange, judgement: Judgement) -> Turn:
        self._requests += judgement.is_notification
        return self._service.take_turn(
            exchange.request, judgement, connection=self.number, connection_number=self._requests
        )

    def _act_out(self, stream_id: int, turn: Turn) -> None:
        """Let a request's turn happen to the connection, and bring the request's fate about."""
        for event in turn.events:
            self._befall_connection(event)
        if self.ending is None:
            self._departure.go_on(requests=self._requests)
            self._end_when_left()
        if self._exchanges.find_waiting(stream_id) is None:
            return  # a GOAWAY of this very turn left it out
        match turn.fate:
            case CutEvent():
                self._exchanges.settle(stream_id, processed=True)
                self.cut()
            case SilenceEvent():
                self._exchanges.settle(stream_id, processed=True)
            case ResetEvent() as reset:
                self._service.act_after(reset.after_seconds, self._reset, stream_id, error_code(reset.code))
            case Reply() as reply:
                self._service.act_after(reply.after_seconds, self._answer, stream_id, reply.answer)

    def _befall_connection(self, event: Event) -> None:
        if isinstance(event, GoawayEvent):
            self.go_away(event)
        elif isinstance(event, StreamLimitEvent):
            self.set_stream_limit(event.limit)

    def _can_act_on(self, stream_id: int) -> bool:
        """Whether the stream still waits; a client's RST_STREAM may have been read and not yet handled."""
        waits = self.ending is None and self._exchanges.find_waiting(stream_id) is not None
        return waits and self._http.is_open(stream_id)

    def _answer(self, stream_id: int, answer: Answer) -> None:
        if self._can_act_on(stream_id):
            self._exchanges.settle(stream_id, processed=True, answer=answer)
            self._window.take_answer(answer)
            self._responses.send(stream_id, answer)
            self._end_when_left()

    def _reset(self, stream_id: int, code: int) -> None:
        if self._can_act_on(stream_id):
            self._exchanges.settle(stream_id, processed=code != ErrorCodes.REFUSED_STREAM)
            self._http.reset_stream(stream_id, code)
            self._exchanges.end(stream_id)
            self._end_when_left()

    # --- going away ---

    def _refuse_violation(self) -> None:
        """Say GOAWAY to a client that opened too many streams; what it opened before is still answered."""
        self._service.counts.stream_limit_violations += 1
        goaway = GoawayEvent(on_connect=True, reason=STREAM_LIMIT_VIOLATED, code="PROTOCOL_ERROR")
        self._departure.send(self._exchanges.highest_opened_id, goaway)
        self._end_when_left()

    def _refuse_protocol_error(self, error: h2.exceptions.ProtocolError, data: bytes) -> None:
        """Say GOAWAY to a client that broke HTTP/2; h2's own would call streams processed that we never saw whole."""
        self._service.counts.protocol_errors += 1
        self._http.clear_outbound_data_buffer()
        line = _HTTP1_REQUEST_LINE.match(data)
        text = f"Unexpected HTTP/1.x request: {line[0].decode('ascii', 'replace')}" if line is not None else str(error)
        goaway = GoawayEvent(on_connect=True, debug_data=text, code=int(error.error_code), close="at_once")
        if self.ending is None:
            self._departure.turn_away(goaway)
            self._end_when_left()

    def _end_when_left(self) -> None:
        """End a connection that said GOAWAY, at once or when it has nothing left to say, as the GOAWAY wants it."""
        if self.ending is None and self._departure.has_begun:
            if self._departure.close == "at_once":
                self.ending = Ending.AT_ONCE
            elif self._departure.close == "drained" and self._exchanges.is_drained and not self._responses.has_unsent:
                self.ending = Ending.DRAINED
        self._wake()

    def _queue(self, frame: bytes) -> None:
        """Queue a frame of ours behind those of h2."""
        self._collect_output()
        self._output += frame

    def _collect_output(self) -> None:
        self._output += self._http.data_to_send()
