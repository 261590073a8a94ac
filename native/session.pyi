from collections.abc import Sequence
from typing import Any, NamedTuple, final

from protocol.exchanges import Cause, Ending

@final
class HeaderSet:
    """Header fields that many requests share, ready for the wire; immutable.

    ``fields`` are (name, value, indexed): indexed ones enter the HPACK dynamic table, the others are literals
    that never do. Raises ValueError for a pseudo-header, an upper-case or empty name, or an illegal octet.
    """
    def __init__(self, fields: Sequence[tuple[bytes, bytes, bool]] = ...) -> None: ...
    @property
    def fields(self) -> tuple[tuple[bytes, bytes, bool], ...]: ...

@final
class Requests:
    """A batch of POST requests as arrays; rows are numbered from 0 and belong to one session at a time each.

    ``paths`` one a row. ``bodies`` one a row, or distinct ones picked by ``body_of_row``. ``header_sets`` likewise with
    ``header_set_of_row`` (None: every row takes number 0). ``uuid_header`` = (name, 12-byte prefix, first number): row i
    carries the lower-case UUID text of prefix + (first number + i) as 32-bit big-endian, a literal never indexed.
    ``row_fields`` = (name, one value or None a row), literals never indexed. ``owner`` is the caller's own object.
    Raises ValueError naming the row whose path, body or header can't be sent.
    """
    def __init__(
        self,
        *,
        paths: Sequence[bytes],
        bodies: Sequence[bytes],
        body_of_row: Sequence[int] | None = ...,
        header_sets: Sequence[HeaderSet] = ...,
        header_set_of_row: Sequence[int] | None = ...,
        uuid_header: tuple[bytes, bytes, int] | None = ...,
        uuid_numbers: Sequence[int] | None = ...,
        row_fields: Sequence[tuple[bytes, Sequence[bytes | None]]] = ...,
        owner: Any = ...,
    ) -> None: ...
    owner: Any
    def __len__(self) -> int: ...
    @property
    def in_flight(self) -> int:
        """Rows submitted to a session and not yet ended."""
    def take_successes(self) -> list[tuple[int, int]]:
        """Return row ranges (start, stop) that ended in a plain success since the last call, in row order."""

class Exchange(NamedTuple):
    """The end of one row that was not a plain success. Times are the ``now`` values handed in; None if it never came to it."""

    requests: Requests
    row: int
    ending: Ending
    cause: Cause
    error_code: int
    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    sent_at: float | None
    ended_at: float

class GoAway(NamedTuple):
    """The peer's GOAWAY; of several the lowest last stream id and the latest code and debug data."""

    last_stream_id: int
    error_code: int
    debug_data: bytes

class SessionStatistics(NamedTuple):
    """Counts since the session opened, and the round trips (END_STREAM handed over to answer) of ended rows in seconds."""

    submitted: int
    answered: int
    in_flight: int
    bytes_sent: int
    bytes_received: int
    round_trips: int
    round_trip_sum: float
    round_trip_min: float
    round_trip_max: float

@final
class Session:
    """One HTTP/2 connection as client protocol state: batches in, bytes out, endings back. Never touches a socket.

    Every buffer that ``pull`` returns counts as handed to the socket. ``window`` is the owner's own cap on streams in flight
    (a limiter moves it); the peer's SETTINGS_MAX_CONCURRENT_STREAMS caps it further, and counts as 1 until its first SETTINGS.
    An answer with ``success_status``, no captured header and no body is a plain success: it makes no Python object and is read
    by ``Requests.take_successes``. Not thread-safe; methods raise LocalProtocolError once closed.
    """
    def __init__(
        self,
        *,
        authority: bytes,
        headers: HeaderSet = ...,
        now: float,
        window: int = ...,
        stream_timeout_seconds: float = ...,
        response_headers_limit_bytes: int = ...,
        response_body_limit_bytes: int = ...,
        success_status: int = ...,
        captured_headers: Sequence[bytes] = ...,
        capture_success_body: bool = ...,
    ) -> None: ...
    window: int
    def set_headers(self, headers: HeaderSet) -> None:
        """Replace the headers every later request of this session carries (a renewed bearer token)."""
    def submit(self, requests: Requests, start: int, stop: int, now: float) -> int:
        """Take rows start.. as long as streams are available (at most 200 a call); return how many were taken."""
    def pull(self, now: float, limit_bytes: int = ...) -> bytes:
        """Return the bytes to send next, b"" when there are none. What was pulled counts as handed to the socket."""
    def feed(self, data: bytes | bytearray | memoryview, now: float) -> list[Exchange]:
        """Take received bytes; return the rows that ended other than in a plain success.

        Raises RemoteProtocolError when the peer broke HTTP/2; send what ``pull`` still gives, then ``close``.
        """
    def take_touched(self) -> list[Requests]:
        """Return the batches that gained plain successes since the last call, each once."""
    def expire(self, now: float) -> list[Exchange]:
        """Reset the streams whose deadline passed and return them."""
    def ping(self, now: float) -> None:
        """Queue a PING unless one is already unanswered."""
    def shutdown(self) -> None:
        """Take no new rows; queue our own GOAWAY. Streams in flight go on."""
    def close(self, now: float, cause: Cause = ...) -> list[Exchange]:
        """End the session and return every row in flight as UNREACHABLE or UNCERTAIN. Closing twice returns nothing."""
    @property
    def available(self) -> int:
        """How many rows ``submit`` would take now (0 after GOAWAY, shutdown or near the end of the stream ids)."""
    @property
    def in_flight(self) -> int: ...
    @property
    def stream_limit(self) -> int:
        """The peer's SETTINGS_MAX_CONCURRENT_STREAMS now; 1 before its first SETTINGS."""
    @property
    def settings_received(self) -> int:
        """How many SETTINGS frames (not acknowledgements) have arrived."""
    @property
    def wants_write(self) -> bool: ...
    @property
    def is_closed(self) -> bool: ...
    @property
    def can_submit(self) -> bool:
        """False for good after GOAWAY, shutdown, close or exhausted stream ids."""
    @property
    def goaway(self) -> GoAway | None: ...
    @property
    def ping_sent_at(self) -> float | None:
        """When the unanswered PING was queued; None without one."""
    @property
    def last_received_at(self) -> float: ...
    @property
    def next_deadline(self) -> float | None:
        """The earliest deadline of a stream in flight."""
    def statistics(self) -> SessionStatistics: ...

def live_objects() -> dict[str, int]:
    """Count live native objects by kind (sessions, requests, streams, allocations); all zero when everything is released."""

def fail_allocation_after(count: int) -> None:
    """Let the ``count``-th native allocation from now fail once (tests); a negative count switches it off."""
