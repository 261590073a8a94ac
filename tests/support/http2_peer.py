"""The other end of a native session: h2 as the server, and frames by hand for what h2 refuses to send."""

from dataclasses import dataclass, field

import h2.config
import h2.connection
import h2.events
from h2.settings import SettingCodes

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
END_STREAM, ACK, END_HEADERS = 1, 1, 4
STATUS_200 = b"\x88"  # an HPACK block: the indexed field ":status: 200"
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def frame(kind: int, flags: int = 0, stream_id: int = 0, payload: bytes = b"") -> bytes:
    """Build one frame (RFC 9113 section 4.1)."""
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream_id.to_bytes(4, "big") + payload


def settings_frame(*entries: tuple[int, int]) -> bytes:
    return frame(
        SETTINGS, payload=b"".join(code.to_bytes(2, "big") + value.to_bytes(4, "big") for code, value in entries)
    )


def goaway_frame(last_stream_id: int, error_code: int = 0, debug_data: bytes = b"") -> bytes:
    return frame(GOAWAY, payload=last_stream_id.to_bytes(4, "big") + error_code.to_bytes(4, "big") + debug_data)


def reset_frame(stream_id: int, error_code: int) -> bytes:
    return frame(RST_STREAM, 0, stream_id, error_code.to_bytes(4, "big"))


def split_frames(data: bytes) -> list[tuple[int, int, int, bytes]]:
    """Return (type, flags, stream id, payload) of every whole frame behind an optional client preface."""
    frames = []
    data = data.removeprefix(PREFACE)
    while len(data) >= 9 and len(data) >= 9 + int.from_bytes(data[:3], "big"):
        stop = 9 + int.from_bytes(data[:3], "big")
        frames.append((data[3], data[4], int.from_bytes(data[5:9], "big") & 0x7FFFFFFF, data[9:stop]))
        data = data[stop:]
    return frames


@dataclass
class Received:
    """A request as the server saw it."""

    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""
    is_whole: bool = False
    reset_code: int | None = None

    def header(self, name: bytes) -> bytes | None:
        return dict(self.headers).get(name)


class Peer:
    """An h2 server that keeps what it received, by stream id, and acknowledges every body octet."""

    def __init__(self, stream_limit: int | None = 1000, **settings: int) -> None:
        config = h2.config.H2Configuration(client_side=False, header_encoding=None)
        self.connection = h2.connection.H2Connection(config)
        changes: dict[SettingCodes | int, int] = {SettingCodes[name.upper()]: value for name, value in settings.items()}
        # h2 would announce a limit of 100 of its own
        changes[SettingCodes.MAX_CONCURRENT_STREAMS] = 2**32 - 1 if stream_limit is None else stream_limit
        self.connection.local_settings.update(changes)
        self.connection.local_settings.acknowledge()
        self.connection.initiate_connection()
        self.received: dict[int, Received] = {}
        self.acknowledges_bodies = True
        self.pings = 0
        self.goaway_code: int | None = None

    @property
    def whole(self) -> list[int]:
        """Ids of the requests that arrived whole."""
        return [stream_id for stream_id, received in self.received.items() if received.is_whole]

    def receive(self, data: bytes) -> None:
        for event in self.connection.receive_data(data):
            self._on_event(event)

    def _on_event(self, event: h2.events.Event) -> None:
        match event:
            case h2.events.RequestReceived():
                self.received[event.stream_id] = Received(headers=list(event.headers))
            case h2.events.DataReceived():
                self.received[event.stream_id].body += event.data
                if self.acknowledges_bodies and event.flow_controlled_length and not self.is_over:
                    self._acknowledge(event)
            case h2.events.StreamEnded():
                self.received[event.stream_id].is_whole = True
            case h2.events.StreamReset():
                self.received[event.stream_id].reset_code = int(event.error_code)
            case h2.events.PingReceived():
                self.pings += 1
            case h2.events.ConnectionTerminated():
                self.goaway_code = int(event.error_code or 0)

    @property
    def is_over(self) -> bool:
        """Whether the connection was closed, by a GOAWAY in what was read just now too: h2 sends nothing after that."""
        return self.connection.state_machine.state is h2.connection.ConnectionState.CLOSED

    def _acknowledge(self, event: h2.events.DataReceived) -> None:
        self.connection.increment_flow_control_window(event.flow_controlled_length)
        if event.stream_ended is None:
            self.connection.increment_flow_control_window(event.flow_controlled_length, event.stream_id)

    def answer(self, stream_id: int, status: int = 200, body: bytes = b"", **headers: str) -> None:
        fields = [(":status", str(status)), *((name.replace("_", "-"), value) for name, value in headers.items())]
        self.connection.send_headers(stream_id, fields, end_stream=not body)
        if body:
            self.connection.send_data(stream_id, body, end_stream=True)

    def take(self) -> bytes:
        """Return what the server wants to send."""
        data: bytes = self.connection.data_to_send()
        return data
