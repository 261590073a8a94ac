from collections.abc import Sequence
from typing import Self, final

from native.records import Exchange, GoAway, SessionStatistics
from native.requests import HeaderSet, Requests
from protocol.exchanges import Cause

@final
class Session:
    """One HTTP/2 connection as client protocol state: batches in, bytes out, endings back. Never touches a socket.

    Every buffer that ``pull`` returns counts as handed to the socket. ``window`` is the owner's own cap on streams in
    flight (a limiter moves it); the peer's SETTINGS_MAX_CONCURRENT_STREAMS caps it further, and counts as 1 until its
    first SETTINGS. An answer with ``success_status``, no captured header and no captured body is a plain success: it
    makes no Python object and is read by ``Requests.take_successes``. Answers with another status keep all their
    headers and their body. ``first_stream_id`` lets a test begin near the end of the ids. Not thread-safe. Methods
    raise LocalProtocolError once closed, except ``close`` and ``take_touched``.
    """
    def __new__(
        cls,
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
        first_stream_id: int = ...,
    ) -> Self: ...
    window: int
    def set_headers(self, headers: HeaderSet) -> None:
        """Replace the headers every request opened from now on carries (a renewed bearer token).

        Raises ValueError when they and the authority leave a row's own headers too little room in a frame.
        """
    def submit(self, requests: Requests, start: int, stop: int, now: float, expires_at: float = ...) -> int:
        """Take rows start.. as long as streams are available (at most 200 a call); return how many were taken.

        A row that still waits for its stream at ``expires_at`` is not opened any more and ends as UNREACHABLE.
        Raises LocalProtocolError for a row that is in flight already or whose success was not taken from the batch yet.
        """
    def pull(self, now: float, limit_bytes: int = ...) -> bytes:
        """Return the bytes to send next, b"" when there are none. What was pulled counts as handed to the socket.

        Frames come whole: control frames and the last frame (16,393 bytes) come on top of ``limit_bytes``, of which at
        most 96 KiB are used a call.
        """
    def feed(self, data: bytes | bytearray | memoryview, now: float) -> list[Exchange]:
        """Take received bytes; return the rows that ended other than in a plain success.

        Where reading them would take over a millisecond, some are left; ``has_unread`` tells, and feeding
        b"" goes on. Raises RemoteProtocolError when the peer broke HTTP/2; send what ``leave`` still gives, then
        ``close``, which also returns the rows that ended in this call.
        """
    def take_touched(self) -> list[Requests]:
        """Return the batches that gained plain successes since the last call, each once."""
    def expire(self, now: float) -> list[Exchange]:
        """Reset the streams whose deadline passed, at most 200 a call, and return them.

        Raises RemoteProtocolError where the peer doesn't read; ``close`` then returns them.
        """
    def withdraw(self, now: float) -> list[Exchange]:
        """Take back rows whose END_STREAM was not handed out, at most 200 a call, and return them as UNREACHABLE.

        Raises RemoteProtocolError where the peer doesn't read; ``close`` then returns them.
        """
    def ping(self, now: float) -> None:
        """Queue a PING unless one is already unanswered."""
    def shutdown(self) -> None:
        """Take no new rows; queue our own GOAWAY, behind the rows that wait to be opened. Streams in flight go on."""
    def leave(self, code: int = ...) -> bytes:
        """Return the last bytes to send before the link is closed: control frames not pulled yet and a GOAWAY.

        ``code`` says why (RFC 9113 sections 6.8 and 7). Nothing else may be pulled after it.
        """
    def close(self, now: float, cause: Cause = ...) -> list[Exchange]:
        """End the session and return every row in flight as UNREACHABLE or UNCERTAIN. Closing twice returns nothing."""
    @property
    def available(self) -> int:
        """How many rows ``submit`` would take now, over as many calls as it needs.

        0 after GOAWAY, shutdown or near the end of the stream ids.
        """
    @property
    def in_flight(self) -> int: ...
    @property
    def stream_limit(self) -> int:
        """The peer's SETTINGS_MAX_CONCURRENT_STREAMS now; 1 before its first SETTINGS."""
    @property
    def settings_received(self) -> int:
        """How many SETTINGS frames (not acknowledgements) have arrived."""
    @property
    def has_endings(self) -> bool:
        """Whether rows ended that nobody was told of yet: ``pull`` ends those that expired while they waited."""
    @property
    def has_unread(self) -> bool:
        """Whether octets that were fed wait for another call of ``feed``."""
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
