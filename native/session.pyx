"""The session: batches in, bytes out, endings back. The rules live in ``native.connection``; this is its face.

Every call in which rows may end drains the queue of endings: a plain success marks its row in the batch, anything
else becomes an Exchange. A row leaves the queue only after its Exchange was made, so that a MemoryError on the way
loses none.
"""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.object cimport PyObject
from libc.math cimport HUGE_VAL
from libc.stdint cimport uint32_t
from libc.string cimport memcpy

cimport cython

from native.c.nghttp2 cimport (
    NGHTTP2_CANCEL, nghttp2_check_authority, nghttp2_session_callbacks, nghttp2_session_callbacks_new)
from native.connection cimport LAST_STREAM_ID, Connection, register_sending
from native.hpack cimport LITERAL_BYTES
from native.memory cimport LIVE_SESSIONS, count_live
from native.requests cimport SESSION_PART_BYTES, HeaderSet, Requests
from native.responses cimport register_receiving
from native.streams cimport Stream

from native.records import Exchange, GoAway, SessionStatistics
from protocol.errors import LocalProtocolError
from protocol.exchanges import Cause, Ending

cdef int ANSWERED = Ending.ANSWERED
cdef int CAUSE_TIMEOUT = Cause.TIMEOUT
cdef tuple ENDINGS = (None, *Ending)
cdef tuple CAUSES = tuple(Cause)
cdef HeaderSet NO_HEADERS = HeaderSet()

cdef nghttp2_session_callbacks *_callbacks = NULL
if nghttp2_session_callbacks_new(&_callbacks) != 0:
    raise MemoryError
register_sending(_callbacks)
register_receiving(_callbacks)


@cython.final
cdef class Session:
    """One HTTP/2 connection as client protocol state: batches in, bytes out, endings back. Never touches a socket.

    Every buffer that ``pull`` returns counts as handed to the socket. ``window`` is the owner's own cap on streams in
    flight (a limiter moves it); the peer's SETTINGS_MAX_CONCURRENT_STREAMS caps it further, and counts as 1 until its
    first SETTINGS. An answer with ``success_status``, no captured header and no captured body is a plain success: it
    makes no Python object and is read by ``Requests.take_successes``. Answers with another status keep all their
    headers and their body. ``first_stream_id`` lets a test begin near the end of the ids. Not thread-safe. Methods
    raise LocalProtocolError once closed, except ``close`` and ``take_touched``.
    """

    def __cinit__(
        self, *, bytes authority, HeaderSet headers=NO_HEADERS, double now, Py_ssize_t window=1000,
        double stream_timeout_seconds=30.0, size_t response_headers_limit_bytes=16384,
        size_t response_body_limit_bytes=65536, int success_status=200, captured_headers=(),
        bint capture_success_body=False, int first_stream_id=1,
    ):
        count_live(LIVE_SESSIONS, 1)
        self._is_closed = True  # until all of it stands
        if not authority or not nghttp2_check_authority(authority, len(authority)):
            raise ValueError(f"authority {authority!r} can't be sent")
        if not 0 < first_stream_id < LAST_STREAM_ID or first_stream_id % 2 == 0:
            raise ValueError(f"first_stream_id {first_stream_id} is not odd and below {LAST_STREAM_ID}")
        self._authority = authority
        self._connection = Connection(authority)
        self._connection.headers_limit = response_headers_limit_bytes
        self._connection.body_limit = response_body_limit_bytes
        self._connection.success_status = success_status
        self._connection.captured_headers = tuple([<bytes?>name for name in captured_headers])
        self._connection.captures_success_body = capture_success_body
        self._timeout = stream_timeout_seconds
        self._last_received_at = now
        self._round_trip_min = HUGE_VAL
        self._touched = []
        self._unread = b""
        self.window = window
        self._is_closed = False
        self.set_headers(headers)
        self._connection.start(_callbacks, first_stream_id)

    def __dealloc__(self):
        count_live(LIVE_SESSIONS, -1)
        if self._connection is not None:
            self._forget_rows()

    def __repr__(self):
        if self._is_closed:
            return f"<Session {self._authority.decode()}: closed>"
        state = "open" if self._connection.can_submit() else "failed" if self._connection.is_failed else "finishing"
        return (
            f"<Session {self._authority.decode()}: {state}, {self.in_flight} in flight"
            f" ({self._connection.streams.pending_count} waiting),"
            f" window {self._window}, stream limit {self.stream_limit}>"
        )

    @property
    def window(self):
        return self._window

    @window.setter
    def window(self, Py_ssize_t window):
        if window < 0:
            raise ValueError(f"window {window} is negative")
        self._window = window

    def set_headers(self, HeaderSet headers not None):
        """Replace the headers every request opened from now on carries (a renewed bearer token).

        Raises ValueError when they and the authority leave a row's own headers too little room in a frame.
        """
        cdef size_t bound = headers._bound + len(self._authority) + 2 * LITERAL_BYTES
        self._require_open()
        if bound > SESSION_PART_BYTES:
            raise ValueError(f"the headers of a session may take {SESSION_PART_BYTES} bytes, not {bound}")
        self._connection.encoder.set_session_fields(headers, headers._fields, headers._count)

    def submit(
        self, Requests requests not None, Py_ssize_t start, Py_ssize_t stop, double now, double expires_at=HUGE_VAL
    ):
        """Take rows start.. as long as streams are available (at most 200 a call); return how many were taken.

        A row that still waits for its stream at ``expires_at`` is not opened any more and ends as UNREACHABLE.
        Raises LocalProtocolError for a row that is in flight already or whose success was not taken from the batch yet.
        """
        cdef Py_ssize_t row
        cdef PyObject *body
        cdef Stream *stream
        self._require_open()
        if not 0 <= start <= stop <= requests._length:
            raise ValueError(f"rows {start} to {stop} of a batch of {requests._length}")
        stop = min(stop, start + min(self._available(), <Py_ssize_t>SUBMIT_ROWS))
        for row in range(start, stop):
            if not requests.begin(row):
                raise LocalProtocolError(f"row {row} is in flight, or its success was not taken")
            stream = self._connection.streams.append(requests, row, now, expires_at)
            if stream == NULL:
                requests.end(row, False)
                if row > start:
                    return row - start
                raise MemoryError
            body = requests.body(row)
            stream.body = <const unsigned char *>PyBytes_AS_STRING(<object>body)
            stream.body_length = PyBytes_GET_SIZE(<object>body)
            self._submitted += 1
        return max(stop - start, 0)

    def pull(self, double now, Py_ssize_t limit_bytes=65536):
        """Return the bytes to send next, b"" when there are none. What was pulled counts as handed to the socket.

        Frames come whole: control frames and the last frame (16,393 bytes) come on top of ``limit_bytes``, of which at
        most 96 KiB are used a call.
        """
        cdef bytes handed
        self._require_open()
        if limit_bytes <= 0:
            raise ValueError(f"limit_bytes {limit_bytes} is not positive")
        handed = self._connection.pull(now, limit_bytes)
        self._bytes_sent += len(handed)
        return handed

    def feed(self, data, double now):
        """Take received bytes; return the rows that ended other than in a plain success.

        Where reading them would take over a millisecond, some are left; ``has_unread`` tells, and feeding
        b"" goes on. Raises RemoteProtocolError when the peer broke HTTP/2; send what ``leave`` still gives, then
        ``close``, which also returns the rows that ended in this call.
        """
        cdef Py_buffer received
        cdef ssize_t consumed
        self._require_open()
        if self._connection.is_failed:
            raise LocalProtocolError("the session has failed; close it")
        if self._unread:
            data = self._unread + bytes(data)
            self._unread = b""
        PyObject_GetBuffer(data, &received, PyBUF_SIMPLE)
        try:
            self._last_received_at = now
            consumed = self._connection.receive(<const unsigned char *>received.buf, received.len, now)
            self._bytes_received += consumed
            if consumed < received.len:
                self._unread = (<char *>received.buf)[consumed:received.len]
        finally:
            PyBuffer_Release(&received)
        return self._take_endings()

    def take_touched(self):
        """Return the batches that gained plain successes since the last call, each once."""
        cdef Requests requests
        cdef list touched = list(dict.fromkeys(self._touched))
        for requests in touched:
            if requests.touched_by == <void *>self:
                requests.touched_by = NULL
        self._touched = []
        return touched

    def expire(self, double now):
        """Reset the streams whose deadline passed, at most 200 a call, and return them.

        Raises RemoteProtocolError where the peer doesn't read; ``close`` then returns them.
        """
        cdef Stream *stream
        cdef int _ended
        self._require_open()
        self._connection.now = now
        for _ended in range(SUBMIT_ROWS):
            stream = self._connection.streams.oldest
            if stream == NULL or stream.submitted_at + self._timeout > now:
                break
            self._give_up(stream)
        self._finish_ending()
        return self._take_endings()

    def withdraw(self, double now):
        """Take back rows whose END_STREAM was not handed out, at most 200 a call, and return them as UNREACHABLE.

        Raises RemoteProtocolError where the peer doesn't read; ``close`` then returns them.
        """
        cdef Stream *stream
        cdef int _ended
        self._require_open()
        self._connection.now = now
        for _ended in range(SUBMIT_ROWS):
            stream = self._first_unsent()
            if stream == NULL:
                break
            self._give_up(stream)
        self._finish_ending()
        return self._take_endings()

    def ping(self, double now):
        """Queue a PING unless one is already unanswered."""
        self._require_open()
        if not self._connection.is_ping_unanswered and not self._connection.is_failed:
            self._connection.ping(now)

    def shutdown(self):
        """Take no new rows; queue our own GOAWAY, behind the rows that wait to be opened. Streams in flight go on."""
        self._require_open()
        self._connection.is_shut_down = True
        if not self._connection.is_failed:
            self._connection.flush()

    def leave(self, uint32_t code=0):
        """Return the last bytes to send before the link is closed: control frames not pulled yet and a GOAWAY.

        ``code`` says why (RFC 9113 sections 6.8 and 7). Nothing else may be pulled after it.
        """
        self._require_open()
        return self._connection.leave(code)

    def close(self, double now, cause=Cause.LINK_LOST):
        """End the session and return every row in flight as UNREACHABLE or UNCERTAIN. Closing twice returns nothing."""
        cdef int number = cause
        if not self._is_closed:
            self._is_closed = True
            self._connection.now = now
            while self._connection.streams.oldest != NULL:
                self._connection.end(self._connection.streams.oldest, number, 0)
            self._connection.stop()
        return self._take_endings()

    @property
    def available(self):
        """How many rows ``submit`` would take now, over as many calls as it needs.

        0 after GOAWAY, shutdown or near the end of the stream ids.
        """
        return self._available()

    @property
    def in_flight(self):
        return self._connection.streams.in_flight

    @property
    def stream_limit(self):
        """The peer's SETTINGS_MAX_CONCURRENT_STREAMS now; 1 before its first SETTINGS."""
        return self._connection.peer_limit

    @property
    def settings_received(self):
        """How many SETTINGS frames (not acknowledgements) have arrived."""
        return self._connection.settings_received

    @property
    def has_endings(self):
        return self._connection.streams.ended != NULL

    @property
    def has_unread(self):
        """Whether octets that were fed wait for another call of ``feed``."""
        return len(self._unread) > 0

    @property
    def wants_write(self):
        return not self._is_closed and self._connection.wants_write()

    @property
    def is_closed(self):
        return self._is_closed

    @property
    def can_submit(self):
        """False for good after GOAWAY, shutdown, close or exhausted stream ids."""
        return not self._is_closed and self._connection.can_submit()

    @property
    def goaway(self):
        if not self._connection.has_goaway:
            return None
        return GoAway(
            self._connection.goaway_last_stream_id,
            self._connection.goaway_code,
            self._connection.goaway_debug.octets[:self._connection.goaway_debug.length],
        )

    @property
    def ping_sent_at(self):
        """When the unanswered PING was queued; None without one."""
        return self._connection.ping_sent_at if self._connection.is_ping_unanswered else None

    @property
    def last_received_at(self):
        """When bytes last arrived; the moment of construction before any did."""
        return self._last_received_at

    @property
    def next_deadline(self):
        """The earliest deadline of a stream in flight."""
        cdef Stream *oldest = self._connection.streams.oldest
        return None if oldest == NULL else oldest.submitted_at + self._timeout

    def statistics(self):
        return SessionStatistics(
            submitted=self._submitted,
            answered=self._answered,
            in_flight=self.in_flight,
            bytes_sent=self._bytes_sent,
            bytes_received=self._bytes_received,
            round_trips=self._round_trips,
            round_trip_sum=self._round_trip_sum,
            round_trip_min=self._round_trip_min if self._round_trips else 0.0,
            round_trip_max=self._round_trip_max,
        )

    cdef int _require_open(self) except -1:
        if self._is_closed:
            raise LocalProtocolError("the session is closed")
        return 0

    cdef void _give_up(self, Stream *stream) noexcept:
        stream.reset_code = NGHTTP2_CANCEL
        self._connection.end(stream, CAUSE_TIMEOUT, NGHTTP2_CANCEL if stream.stream_id else 0)

    cdef int _finish_ending(self) except -1:
        return 0 if self._connection.is_failed else self._connection.flush()

    cdef Stream *_first_unsent(self) noexcept:
        cdef Stream *stream = self._connection.streams.pending
        if stream != NULL:
            return stream
        stream = self._connection.streams.oldest
        while stream != NULL and self._connection.is_sent(stream):
            stream = stream.next
        return stream

    cdef Py_ssize_t _available(self) noexcept:
        cdef Py_ssize_t limit = min(self._window, <Py_ssize_t>self._connection.peer_limit)
        if self._is_closed or not self._connection.can_submit():
            return 0
        return max(limit - self._connection.streams.open_count - self._connection.streams.pending_count, <Py_ssize_t>0)

    cdef list _take_endings(self):
        """Hand out what ended: successes to their batches, the rest as a list."""
        cdef list exchanges = []
        cdef Stream *stream = self._connection.streams.ended
        cdef Requests requests
        while stream != NULL:
            requests = <Requests>stream.requests
            if stream.ending == ANSWERED and not stream.is_captured:
                self._note_success(requests)
                requests.end(stream.row, True)
            else:
                exchanges.append(self._exchange(stream))
                requests.end(stream.row, False)
            if stream.ending == ANSWERED:
                self._measure(stream)
            self._connection.streams.tell(self._connection.streams.take_ended())
            stream = self._connection.streams.ended
        return exchanges

    cdef object _exchange(self, Stream *stream):
        return Exchange(
            <Requests>stream.requests, stream.row,
            ENDINGS[stream.ending], CAUSES[stream.cause], stream.error_code,
            stream.status if stream.status >= 200 else 0,
            _captured_headers(stream),
            PyBytes_FromStringAndSize(<char *>stream.answer.octets, stream.answer.length),
            stream.sent_at if self._connection.is_sent(stream) else None,
            stream.ended_at,
        )

    cdef int _note_success(self, Requests requests) except -1:
        if requests.touched_by != <void *>self:
            self._touched.append(requests)
            requests.touched_by = <void *>self
        return 0

    cdef void _measure(self, Stream *stream) noexcept:
        cdef double seconds = stream.ended_at - stream.sent_at
        self._answered += 1
        if not self._connection.is_sent(stream):
            return
        self._round_trips += 1
        self._round_trip_sum += seconds
        self._round_trip_min = min(self._round_trip_min, seconds)
        self._round_trip_max = max(self._round_trip_max, seconds)

    cdef void _forget_rows(self) noexcept:
        """Release the rows of a session that was dropped without ``close``."""
        cdef Stream *stream = self._connection.streams.oldest
        cdef Requests requests
        while stream != NULL:
            (<Requests>stream.requests).end(stream.row, False)
            stream = stream.next
        stream = self._connection.streams.ended
        while stream != NULL:
            (<Requests>stream.requests).end(stream.row, False)
            stream = stream.next
        for requests in self._touched:
            if requests.touched_by == <void *>self:
                requests.touched_by = NULL


cdef tuple _captured_headers(Stream *stream):
    """Read the captured headers back (see ``Stream.headers``)."""
    cdef list headers = []
    cdef unsigned char *octets = stream.headers.octets
    cdef unsigned char *stop = octets + stream.headers.length
    cdef uint32_t lengths[2]
    while octets < stop:
        memcpy(lengths, octets, sizeof(lengths))
        octets += sizeof(lengths)
        headers.append((octets[:lengths[0]], octets[lengths[0]:lengths[0] + lengths[1]]))
        octets += lengths[0] + lengths[1]
    return tuple(headers)
