"""A blocking HTTP/2 client on the h2 library, for talking to a server one frame at a time."""

import socket
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import h2.config
import h2.connection
import h2.events

from tests.support.patience import HANG_SECONDS


class Http2Client:
    """One TLS connection; a context manager. ``http`` is the h2 connection; ``events`` keeps all that came."""

    def __init__(self, port: int, ca_file: Path, *, host: str = "localhost") -> None:
        context = ssl.create_default_context(cafile=str(ca_file))
        context.set_alpn_protocols(["h2"])
        transport = socket.create_connection(("127.0.0.1", port), timeout=HANG_SECONDS)
        self.tls = context.wrap_socket(transport, server_hostname=host)
        self.http = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding="utf-8"))
        self.events: list[h2.events.Event] = []
        self._authority = f"{host}:{port}"
        self.http.initiate_connection()
        self.flush()

    def flush(self) -> None:
        """Send everything h2 has to send."""
        self.tls.sendall(self.http.data_to_send())

    def start(self, path: str, extra: Sequence[tuple[str, str]] = (), *, end_stream: bool = False) -> int:
        """Queue the HEADERS of a POST; return its stream id."""
        stream_id = self.http.get_next_available_stream_id()
        fields = [(":method", "POST"), (":scheme", "https"), (":authority", self._authority), (":path", path)]
        self.http.send_headers(stream_id, [*fields, *extra], end_stream=end_stream)
        return stream_id

    def receive(self) -> list[h2.events.Event]:
        """Wait for bytes, answer what h2 answers by itself, return the events. Raises EOFError when the peer closed."""
        data = self.tls.recv(65_536)
        if not data:
            raise EOFError
        events = self.http.receive_data(data)
        self.events += events
        self.flush()
        return events

    def wait_for(self, kind: type[h2.events.Event], count: int = 1) -> list[h2.events.Event]:
        """Receive until ``count`` events of this kind have come in all; return them."""
        while len(found := [event for event in self.events if isinstance(event, kind)]) < count:
            self.receive()
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.tls.close()
