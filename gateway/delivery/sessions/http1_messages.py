"""HTTP/1.1 as a client speaks it, one request at a time, without its socket: the words are the h11 library's.

The bounds of an answer are those of the native HTTP/2 session. What comes before the final answer (100 Continue,
103 Early Hints) is passed over, and counts against the bound of the headers.
"""

import re
from typing import NamedTuple

import h11

from native import HeaderSet
from protocol.exchanges import Cause
from protocol.requests import RequestColumns

HEADERS_LIMIT_BYTES = 16 * 1024
BODY_LIMIT_BYTES = 64 * 1024
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([2-5][0-9]{2})[ \r\n]")
FIELD_OVERHEAD_BYTES = 32  # a field costs this beside its octets, as HTTP/2 counts (RFC 9113 section 10.5.1)


class WholeAnswer(NamedTuple):
    """A whole final answer; names of headers are in lower case."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


class BrokenAnswerError(Exception):
    """An answer that is not HTTP, or larger than its bounds; ``cause`` says which."""

    def __init__(self, message: str, cause: Cause) -> None:
        super().__init__(message)
        self.cause = cause


class Http1Messages:
    """The messages of one connection. Not usable after an error."""

    def __init__(self, authority: bytes) -> None:
        self._authority = authority
        self._connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEADERS_LIMIT_BYTES)
        self._status = 0
        self._headers: tuple[tuple[bytes, bytes], ...] = ()
        self._headers_bytes = 0
        self._body = bytearray()
        self._has_ended = False

    @property
    def status(self) -> int:
        """The status of the answer that is arriving; 0 before."""
        return self._status

    @property
    def can_go_on(self) -> bool:
        """Whether another request may be written: nobody said ``close``, and nothing came that nobody asked for."""
        return (
            not self._has_ended
            and self._connection.our_state is h11.IDLE
            and self._connection.their_state is h11.IDLE
            and not self._connection.trailing_data[0]
        )

    def write(self, columns: RequestColumns, row: int, shared: HeaderSet) -> bytes:
        """Return a row as the bytes of a whole request; ``shared`` is what every request carries now."""
        body = columns.bodies[row if columns.body_of_row is None else columns.body_of_row[row]]
        fields = [(b"host", self._authority), (b"content-length", b"%d" % len(body))]
        fields += [(name, value) for name, value, _ in (*shared.fields, *_fields_of_row(columns, row))]
        request = h11.Request(method=b"POST", target=columns.paths[row], headers=fields)
        self._status, self._headers, self._headers_bytes = 0, (), 0
        self._body.clear()
        parts = (
            self._connection.send(request),
            self._connection.send(h11.Data(data=body)),
            self._connection.send(h11.EndOfMessage()),
        )
        return b"".join(part for part in parts if part)

    def feed(self, data: bytes | bytearray) -> WholeAnswer | None:
        """Take bytes, b"" for the peer's end; return the answer once it is whole. Raises BrokenAnswerError."""
        self._has_ended = not data
        try:
            self._connection.receive_data(bytes(data))
            while True:
                event = self._connection.next_event()
                if isinstance(event, h11.EndOfMessage):
                    return self._finish()
                if event is h11.NEED_DATA or event is h11.PAUSED or isinstance(event, h11.ConnectionClosed):
                    return None
                if not self._take(event):
                    return WholeAnswer(self._status, self._headers, b"")
        except h11.RemoteProtocolError as error:
            cause = Cause.MALFORMED_RESPONSE
            if not data:
                cause = Cause.LINK_LOST
            elif error.error_status_hint == 431:  # h11's own bound on what it must hold to read on
                cause = Cause.RESPONSE_TOO_LARGE
                self._status = self._status or _read_status(self._connection.trailing_data[0])
                if self._status:
                    return WholeAnswer(self._status, self._headers, b"")
            raise BrokenAnswerError(str(error), cause) from None

    def _take(self, event: object) -> bool:
        """Take a part of the answer. False: it goes on above its bounds, and its status has come, which counts."""
        if isinstance(event, h11.InformationalResponse | h11.Response):
            fields = event.headers
            self._headers_bytes += sum(len(name) + len(value) + FIELD_OVERHEAD_BYTES for name, value in fields)
            if isinstance(event, h11.Response):
                self._status = event.status_code
                self._headers = tuple((bytes(name), bytes(value)) for name, value in fields)
            else:
                self._headers_bytes += FIELD_OVERHEAD_BYTES
        if isinstance(event, h11.Data):
            self._body += event.data
        if self._headers_bytes <= HEADERS_LIMIT_BYTES and len(self._body) <= BODY_LIMIT_BYTES:
            return True
        if not self._status:
            raise BrokenAnswerError("an answer above its bounds", Cause.RESPONSE_TOO_LARGE)
        if self._headers_bytes > HEADERS_LIMIT_BYTES:
            self._headers = ()
        return False

    def _finish(self) -> WholeAnswer:
        answer = WholeAnswer(self._status, self._headers, bytes(self._body))
        if self._connection.our_state is h11.DONE and self._connection.their_state is h11.DONE:
            self._connection.start_next_cycle()
        return answer


def _read_status(unread: bytes) -> int:
    """Return the final status at the head of an answer whose header fields don't end; 0 without one."""
    found = _STATUS_LINE.match(unread)
    return int(found[1]) if found else 0


def _fields_of_row(columns: RequestColumns, row: int) -> list[tuple[bytes, bytes, bool]]:
    number = columns.header_set_of_row[row] if columns.header_set_of_row is not None else 0
    fields = list(columns.header_sets[number]) if columns.header_sets else []
    return fields + [(name, value, False) for name, values in columns.row_fields if (value := values[row]) is not None]
