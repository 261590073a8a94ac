"""Sends the workload through the h2 library over trio's TLS stream.

The library as fast as it goes: its checks of our own headers are off, and everything it has to send goes out at once.
"""

import h2.config
import h2.connection
import h2.events
import trio

from bench.measurements.clients.workload import (
    BODY,
    HEADERS,
    HOST,
    Workload,
    identifiers,
    parse_options,
    paths,
    tls_context,
)

RECEIVE_BYTES = 262_144


class Sender:
    """Moves one workload through one ``H2Connection``; one task is enough, since sending never waits for long."""

    def __init__(self, workload: Workload) -> None:
        self._connection = h2.connection.H2Connection(
            h2.config.H2Configuration(
                client_side=True,
                header_encoding=None,
                validate_outbound_headers=False,
                normalize_outbound_headers=False,
                validate_inbound_headers=False,
                normalize_inbound_headers=False,
            )
        )
        self._total = workload.requests
        self._streams = workload.streams
        self._pending = list(zip(paths(workload.requests), identifiers(workload.requests), strict=True))
        self._pending.reverse()
        self._in_flight = 0  # h2 would count its streams one by one to tell
        self._answered = 0
        self._shared_headers = [
            (b":method", b"POST"),
            (b":scheme", b"https"),
            (b":authority", workload.authority.encode()),
            *HEADERS,
            (b"content-length", str(len(BODY)).encode()),
        ]

    def _submit(self) -> None:
        limit = min(self._streams, self._connection.remote_settings.max_concurrent_streams)
        while self._pending and self._in_flight < limit:
            self._in_flight += 1
            path, identifier = self._pending.pop()
            stream_id = self._connection.get_next_available_stream_id()
            headers = [*self._shared_headers[:3], (b":path", path.encode()), *self._shared_headers[3:]]
            self._connection.send_headers(stream_id, [*headers, (b"apns-id", identifier.encode())])
            self._connection.send_data(stream_id, BODY, end_stream=True)

    def _take(self, data: bytes | bytearray) -> None:
        for event in self._connection.receive_data(data):
            if isinstance(event, h2.events.ResponseReceived) and dict(event.headers)[b":status"] != b"200":
                raise RuntimeError("a request was not answered with 200")
            if isinstance(event, h2.events.StreamEnded):
                self._answered += 1
                self._in_flight -= 1

    async def run(self, stream: trio.SSLStream[trio.SocketStream]) -> None:
        """Send and receive in turns until every request has its answer."""
        self._connection.initiate_connection()
        while True:
            await stream.send_all(self._connection.data_to_send())
            if self._answered == self._total:
                return
            data = await stream.receive_some(RECEIVE_BYTES)
            if not data:
                raise RuntimeError(f"the sink closed after {self._answered} answers")
            self._take(data)
            self._submit()


async def send(workload: Workload) -> None:
    """Send the whole workload over one connection."""
    transport = await trio.open_tcp_stream(HOST, workload.port)
    context = tls_context(workload.ca_file)
    stream = trio.SSLStream(transport, context, server_hostname=HOST, https_compatible=True)
    async with stream:
        await Sender(workload).run(stream)


if __name__ == "__main__":
    trio.run(send, parse_options(__doc__))
