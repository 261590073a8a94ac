"""One HTTP/1.1 connection of a simulator, without its socket: the same provider and scenario, one request at a time.

What HTTP/1.1 has no word for takes the nearest form. A reset is a cut, whatever its code. A GOAWAY is ``connection:
close`` in the answer under way, after which the connection closes; it leaves nothing out, so ``unprocessed``,
``notice_requests``, the code and the debug data say nothing here. Stream limits mean nothing. Requests that were sent
ahead wait for the answers before them, and are neither counted nor judged while they do.
"""

import http
import re
from collections.abc import Callable

import h11

from bench.simulators.server.answers import Answer, Fields
from bench.simulators.server.connections.connection import Ending
from bench.simulators.server.connections.exchanges import Exchange
from bench.simulators.server.events import CutEvent, Event, GoawayEvent, ResetEvent, SilenceEvent
from bench.simulators.server.provider import Peer
from bench.simulators.server.requests import Request
from bench.simulators.server.service import Reply, Service

# Fields that are about the connection and not about the request: HTTP/2 has none of them (RFC 9113 section 8.2.2).
_CONNECTION_FIELDS = frozenset((b"connection", b"host", b"keep-alive", b"transfer-encoding", b"upgrade"))
_WHOLE_URL = re.compile(rb"(?i:https?)://([^/?#]*)(.*)")


class Http1Connection:
    """Takes what the client sent, and queues what it is to hear; ``wake`` is called when there is something to do."""

    def __init__(self, number: int, peer: Peer, service: Service, wake: Callable[[], None]) -> None:
        self.number = number
        self.ending: Ending | None = None
        self._origin = peer.origin
        self._sender = service.provider.meet(peer)
        self._service = service
        self._wake = wake
        self._http = h11.Connection(h11.SERVER)
        self._exchange: Exchange | None = None
        self._requests = 0
        self._closes_after_answer = False
        self._is_reading = False
        self._output = bytearray()

    def open(self) -> None:
        """Let the scenario's ``on_connect`` happen."""
        for event in self._service.behaviour.events_of_connect(self.number, self._origin):
            self._befall_connection(event)
            if isinstance(event, CutEvent):
                self.cut()
        self._wake()

    def receive(self, data: bytes) -> None:
        """Take bytes from the client."""
        self._http.receive_data(data)
        self._read()
        self._wake()

    def take_output(self) -> bytes:
        """Return everything queued for the client, and forget it."""
        self._service.let_answers_leave(self.number)
        output, self._output = bytes(self._output), bytearray()
        return output

    def close(self) -> None:
        """Let the connection be gone; what still waited is settled."""
        if self.ending is None:
            self.ending = Ending.CUT
        if self._exchange is not None and self._exchange.is_waiting:
            self._settle(self._exchange)
        self._service.let_answers_leave(self.number)

    def cut(self) -> None:
        """Ask for the TCP connection to be closed without a further word."""
        self.ending = Ending.CUT
        self._wake()

    def set_stream_limit(self, limit: int) -> None:
        """Do nothing: HTTP/1.1 has no streams to limit."""

    def go_away(self, goaway: GoawayEvent) -> None:
        """Close after the answer under way, which says so; without one, or with ``at_once``, at once."""
        if self.ending is not None:
            return
        self._service.counts.goaways += 1
        self._closes_after_answer = True
        if goaway.close == "at_once" or self._exchange is None:
            self.ending = Ending.AT_ONCE if goaway.close == "at_once" else Ending.DRAINED
        self._wake()

    # --- what the client sends ---

    def _read(self) -> None:
        """Take everything that has come, up to a request that waits for its answer."""
        self._is_reading = True
        try:
            while self.ending is None and self._take(self._http.next_event()):
                pass
        except h11.RemoteProtocolError as error:
            self._refuse_protocol_error(error)
        self._is_reading = False

    def _take(self, event: h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]) -> bool:
        """Take one event; False when there is no further one for now."""
        match event:
            case h11.Request():
                self._exchange = Exchange(Request(_http2_fields(event), self._origin))
            case h11.Data() if self._exchange is not None:
                self._exchange.request.add_data(bytes(event.data))
            case h11.EndOfMessage() if self._exchange is not None:
                self._decide(self._exchange)
            case _:
                self._invite_body()
                return False
        return True

    def _invite_body(self) -> None:
        """Say 100 to a client that waits for it with its body (RFC 9110 section 10.1.1)."""
        if self._http.they_are_waiting_for_100_continue:
            self._output += self._http.send(h11.InformationalResponse(status_code=100, headers=[])) or b""

    def _refuse_protocol_error(self, error: h11.RemoteProtocolError) -> None:
        self._service.counts.protocol_errors += 1
        if self._http.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            self._closes_after_answer = True
            self._send(Answer(status=error.error_status_hint), b"")
        self.ending = Ending.DRAINED

    # --- what becomes of a request ---

    def _decide(self, exchange: Exchange) -> None:
        """Judge a whole request, let its turn happen to the connection, and bring its fate about."""
        exchange.judgement = judgement = self._service.provider.judge(exchange.request, self._sender)
        exchange.whole_at = self._service.wall_ms()
        self._requests += judgement.is_notification
        turn = self._service.take_turn(
            exchange.request, judgement, connection=self.number, connection_number=self._requests
        )
        for event in turn.events:
            self._befall_connection(event)
        match turn.fate:
            case CutEvent():
                self._cut_off(exchange)
            case SilenceEvent():
                self._settle(exchange)
            case ResetEvent() as reset:
                self._service.act_after(reset.after_seconds, self._cut_off, exchange)
            case Reply() as reply:
                self._service.act_after(reply.after_seconds, self._answer, exchange, reply.answer)

    def _befall_connection(self, event: Event) -> None:
        if isinstance(event, GoawayEvent):
            self.go_away(event)

    def _cut_off(self, exchange: Exchange) -> None:
        if exchange.is_waiting:
            self._settle(exchange)
        self.cut()

    def _answer(self, exchange: Exchange, answer: Answer) -> None:
        if self.ending is not None or not exchange.is_waiting:
            return
        self._settle(exchange, answer)
        self._send(answer, exchange.request.method)
        self._exchange = None
        if self._http.our_state is h11.MUST_CLOSE:
            self.ending = Ending.DRAINED
        else:
            self._http.start_next_cycle()
            if not self._is_reading:
                self._read()
        self._wake()

    def _settle(self, exchange: Exchange, answer: Answer | None = None) -> None:
        """Make a whole request's fate true; HTTP/1.1 cannot tell a client that a request was not processed."""
        if exchange.judgement is None:
            raise ValueError("a request that has not come whole cannot be settled")
        exchange.is_settled = True
        self._service.write_down(
            exchange.request,
            exchange.judgement,
            at=exchange.whole_at,
            session=self.number,
            stream=self._requests,
            processed=True,
            answer=answer,
        )

    def _send(self, answer: Answer, method: bytes) -> None:
        fields = [*answer.headers, *answer.unique_headers, (b"content-length", b"%d" % len(answer.body))]
        if self._closes_after_answer:
            fields.append((b"connection", b"close"))
        events: list[h11.Event] = [
            h11.Response(status_code=answer.status, headers=fields, reason=_find_phrase(answer.status))
        ]
        if answer.body and method != b"HEAD":
            events.append(h11.Data(data=answer.body))
        for event in (*events, h11.EndOfMessage()):
            self._output += self._http.send(event) or b""


def _http2_fields(request: h11.Request) -> Fields:
    """Return the fields of a request as HTTP/2 would have them, so that a provider needs to know one form only."""
    headers = [(bytes(name), bytes(value)) for name, value in request.headers]
    # A server takes a whole URL for a target too, and then its host alone counts (RFC 9112 section 3.2.2).
    target = _WHOLE_URL.match(bytes(request.target))
    authority = target[1] if target is not None else dict(headers).get(b"host", b"")
    return (
        (b":method", bytes(request.method)),
        (b":scheme", b"https"),
        (b":authority", authority),
        (b":path", (target[2] or b"/") if target is not None else bytes(request.target)),
        *((name, value) for name, value in headers if name not in _CONNECTION_FIELDS),
    )


def _find_phrase(status: int) -> bytes:
    try:
        return http.HTTPStatus(status).phrase.encode("ascii")
    except ValueError:
        return b""
