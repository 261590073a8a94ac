"""Sends answers over HTTP/2, with bodies as fast as the client's flow control lets them."""

from collections.abc import Callable

from hpack import HeaderTuple, NeverIndexedHeaderTuple

from bench.simulators.server.answers import Answer
from bench.simulators.server.connections.http2 import ServerConnection


class ResponseSender:
    """The answers of one connection; ``when_sent`` is called with a stream whose answer has left whole."""

    def __init__(self, http: ServerConnection, when_sent: Callable[[int], None]) -> None:
        self._http = http
        self._when_sent = when_sent
        self._unsent_bodies: dict[int, bytes] = {}

    @property
    def has_unsent(self) -> bool:
        """Whether a body waits for WINDOW_UPDATE."""
        return bool(self._unsent_bodies)

    def send(self, stream_id: int, answer: Answer) -> None:
        """Queue an answer on an open stream."""
        fields = [HeaderTuple(b":status", b"%d" % answer.status)]
        fields += [HeaderTuple(name, value) for name, value in answer.headers]
        fields += [NeverIndexedHeaderTuple(name, value) for name, value in answer.unique_headers]
        self._http.send_headers(stream_id, fields, end_stream=not answer.body)
        self._send_body(stream_id, answer.body)

    def go_on(self) -> None:
        """Queue what a wider window has room for."""
        for stream_id in list(self._unsent_bodies):
            self._send_body(stream_id, self._unsent_bodies.pop(stream_id))

    def forget(self, stream_id: int) -> None:
        """Drop what is left for a stream that is gone."""
        self._unsent_bodies.pop(stream_id, None)

    def _send_body(self, stream_id: int, body: bytes) -> None:
        while body:
            room = min(self._http.local_flow_control_window(stream_id), self._http.max_outbound_frame_size)
            if room <= 0:
                self._unsent_bodies[stream_id] = body
                return
            piece, body = body[:room], body[room:]
            self._http.send_data(stream_id, piece, end_stream=not body)
        self._when_sent(stream_id)
