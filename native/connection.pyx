"""One connection over libnghttp2: what goes out, and how its own state and the streams' hang together.

libnghttp2 is the protocol state machine: settings, flow control, GOAWAY, resets, validation of responses. Three
things are ours, for speed or for the promises of the session:

* **Request blocks.** libnghttp2's deflater allocates, looks up and Huffman-codes each field, and never indexes
  ``authorization``. So a request is submitted to it without any field; of the HEADERS frame that it yields only the
  frame header's flags and stream id are kept, and the block is written by ``native.hpack``. This is sound because one
  encoder alone feeds the peer's table: having no fields, libnghttp2's deflater emits nothing but table size updates,
  which are dropped with its block, and ours follows the same SETTINGS_HEADER_TABLE_SIZE. Whoever makes libnghttp2
  send other header blocks (trailers, CONTINUATION) breaks it.
* **Waiting rows.** A row is submitted to libnghttp2 only while ``pull`` writes it, one at a time, HEADERS then DATA.
  So the peer's stream limit holds for rows taken earlier too, a row that waits is dropped without a trace, ``pull``
  can stop after any request, and no stream is between two states when bytes arrive: libnghttp2 finishes a frame only
  when asked for the next.
* **Control frames** are collected after every call into ``_control`` until the next ``pull``, which bounds them and
  makes libnghttp2 close reset streams, and so tell their endings, in the call that caused it.

DATA goes from the row's bytes object straight into the buffer that is handed out. A row counts as sent when the
buffer with its END_STREAM was handed out: ``sent_in`` holds the number of that pull, and a pull that failed half-way
never counts.

Callbacks run inside libnghttp2: they file what happened in these fields and in ``Streams``, and call nothing.
"""

from cpython.bytes cimport PyBytes_AS_STRING
from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF
from libc.stdint cimport int32_t, uint8_t, uint32_t
from libc.string cimport memcpy

cimport cython

from native.c.nghttp2 cimport *
from native.hpack cimport Encoder
from native.memory cimport buffer_append, buffer_release, library_memory
from native.requests cimport Requests
from native.streams cimport Stream, Streams

from protocol.errors import RemoteProtocolError
from protocol.exchanges import Cause, Ending


cdef extern from "Python.h":
    PyObject *_new_bytes "PyBytes_FromStringAndSize"(const char *octets, Py_ssize_t length) except NULL
    int _resize_bytes "_PyBytes_Resize"(PyObject **octets, Py_ssize_t length) except -1

cdef int UNREACHABLE = Ending.UNREACHABLE
cdef int UNCERTAIN = Ending.UNCERTAIN
cdef int CAUSE_GOAWAY = Cause.GOAWAY
cdef int CAUSE_EXPIRED = Cause.EXPIRED
# Up to its error code: 8 octets for the connection, with 0 as the last stream id, since no stream of a server is open.
cdef bytes GOAWAY_HEADER = bytes([0, 0, 8, NGHTTP2_GOAWAY, 0, 0, 0, 0, 0, 0, 0, 0, 0])


@cython.final
cdef class Connection:
    """libnghttp2's session, the records of its streams, and the bytes on their way out."""

    def __cinit__(self, bytes authority):
        self.streams = Streams()
        self.encoder = Encoder(authority)
        self.peer_limit = 1
        self.stray_allowance = STRAY_BYTES

    def __dealloc__(self):
        self.stop()
        buffer_release(&self.goaway_debug)

    cdef int start(self, nghttp2_session_callbacks *callbacks, int32_t first_stream_id) except -1:
        """Make libnghttp2's session and queue the client's first frames (RFC 9113 section 3.4)."""
        cdef nghttp2_settings_entry settings[3]
        settings[0].settings_id = NGHTTP2_SETTINGS_ENABLE_PUSH
        settings[0].value = 0
        settings[1].settings_id = NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS
        settings[1].value = 0
        settings[2].settings_id = NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE
        settings[2].value = <uint32_t>self.headers_limit
        self.fail(nghttp2_session_client_new3(&self._handle, callbacks, <void *>self, NULL, library_memory()))
        self.fail(nghttp2_session_set_next_stream_id(self._handle, first_stream_id))
        self.fail(nghttp2_submit_settings(self._handle, NGHTTP2_FLAG_NONE, settings, 3))
        self.fail(nghttp2_session_set_local_window_size(self._handle, NGHTTP2_FLAG_NONE, 0, CONNECTION_WINDOW_BYTES))
        return self.flush()

    cdef void stop(self) noexcept:
        """Let go of libnghttp2's session; the streams keep their records."""
        if self._handle != NULL:
            nghttp2_session_del(self._handle)
        self._handle = NULL
        self.is_failed = True
        buffer_release(&self._control)

    cdef bint can_submit(self) noexcept:
        cdef Py_ssize_t last_id
        if self.is_failed or self.is_shut_down or self.has_goaway or self.violation_code:
            return False
        last_id = nghttp2_session_get_next_stream_id(self._handle) + 2 * self.streams.pending_count
        return last_id < LAST_STREAM_ID

    cdef bint can_open(self) noexcept:
        """Tell whether a waiting row may be opened; without a connection window its body couldn't follow: it waits."""
        return (
            self.streams.pending != NULL
            and self.streams.open_count < self.peer_limit
            and not self.is_failed
            and not self.has_goaway
            and not self.violation_code
            and nghttp2_session_get_remote_window_size(self._handle) > 0
        )

    cdef bint wants_write(self) noexcept:
        if self.is_failed:
            return False
        return self._control.length > 0 or nghttp2_session_want_write(self._handle) or self.can_open()

    cdef bint is_sent(self, Stream *stream) noexcept:
        """Tell whether END_STREAM stood in a buffer that was handed out."""
        return 0 < stream.sent_in <= self.pulls

    cdef void end(self, Stream *stream, int cause, uint32_t error_code) noexcept:
        """End a row without an answer."""
        self.streams.end(stream, UNCERTAIN if self.is_sent(stream) else UNREACHABLE, cause, error_code, self.now)

    cdef bytes pull(self, double now, Py_ssize_t limit_bytes):
        """Write what may be sent into a new bytes object: whole frames, DATA up to about ``limit_bytes``."""
        cdef PyObject *buffer
        cdef unsigned char *start
        cdef size_t controls = self._control.length
        cdef bytes handed
        limit_bytes = min(limit_bytes, <Py_ssize_t>PULL_BYTES)
        self.now = now
        if not self.wants_write():
            return b""
        buffer = _new_bytes(NULL, controls + limit_bytes + FRAME_BYTES)
        try:
            start = <unsigned char *>PyBytes_AS_STRING(<object>buffer)
            if controls:
                memcpy(start, self._control.octets, controls)
            self._cursor = start + controls
            self._data_stop = self._cursor + limit_bytes
            self._fill()
            _resize_bytes(&buffer, self._cursor - start)
            self._control.length = 0
            self.flush()
        except BaseException:
            self.is_failed = True
            if buffer != NULL:
                Py_DECREF(<object>buffer)
            raise
        handed = <bytes>buffer
        Py_DECREF(handed)
        self.pulls += 1
        return handed

    cdef int _fill(self) except -1:
        """Let libnghttp2 finish what it has begun, then open waiting rows one by one until the room is used."""
        cdef const uint8_t *frame
        cdef ssize_t length
        while not self.violation_code:
            length = nghttp2_session_mem_send(self._handle, &frame)
            if length > 0:
                # every other frame was collected before; this is the HEADERS frame of the stream just opened
                self._write_headers(frame)
            elif length < 0:
                return self.fail(length)
            elif self._cursor < self._data_stop and self.can_open():
                self._open_next()
            else:
                break
        return 0

    cdef int _open_next(self) except -1:
        """Submit the first waiting row to libnghttp2, without fields; its HEADERS frame comes next.

        A row that has expired while it waited is ended instead: this is the last moment to look.
        """
        cdef Stream *stream = self.streams.pending
        cdef nghttp2_data_provider body
        cdef int32_t stream_id
        if stream.expires_at <= self.now:
            self.end(stream, CAUSE_EXPIRED, 0)
            return 0
        body.source.ptr = stream
        body.read_callback = _cb_read_data
        stream_id = nghttp2_submit_request(
            self._handle, NULL, NULL, 0, &body if stream.body_length else NULL, stream)
        if stream_id < 0:
            return self.fail(stream_id)
        self._opening = stream
        self.streams.open(stream, stream_id)
        return 0

    cdef void _write_headers(self, const unsigned char *frame) noexcept:
        """Write the HEADERS frame with the block of our own encoder; FRAME_BYTES behind ``_data_stop`` make room."""
        cdef Stream *stream = self._opening
        cdef unsigned char *out = self._cursor
        cdef size_t length
        self._cursor = (<Requests>stream.requests).write_block(out + FRAME_HEADER_BYTES, stream.row, self.encoder)
        length = self._cursor - out - FRAME_HEADER_BYTES
        memcpy(out, frame, FRAME_HEADER_BYTES)
        out[0] = <unsigned char>(length >> 16)
        out[1] = <unsigned char>(length >> 8)
        out[2] = <unsigned char>length
        if frame[4] & NGHTTP2_FLAG_END_STREAM:
            stream.sent_in = self.pulls + 1
            stream.sent_at = self.now

    cdef int flush(self) except -1:
        """Submit the resets that endings ask for, and collect all control frames; streams close by it."""
        cdef Stream *stream = self.streams.ended
        cdef const uint8_t *frame
        cdef ssize_t length = 0
        while stream != NULL:
            if stream.reset_code >= 0 and not stream.is_closed:
                self.fail(nghttp2_submit_rst_stream(
                    self._handle, NGHTTP2_FLAG_NONE, stream.stream_id, stream.reset_code))
                stream.reset_code = -1
                self.stray_allowance += STRAY_BYTES_PER_RESET
            stream = stream.next
        if self.is_shut_down and not self._is_shutdown_sent and self.streams.pending == NULL:
            self.fail(nghttp2_submit_goaway(self._handle, NGHTTP2_FLAG_NONE, 0, NGHTTP2_NO_ERROR, NULL, 0))
            self._is_shutdown_sent = True
        self._cursor = self._data_stop = NULL
        while True:
            length = nghttp2_session_mem_send(self._handle, &frame)
            if length <= 0:
                return self.fail(length)
            if not buffer_append(&self._control, frame, length):
                return self.fail(NGHTTP2_ERR_NOMEM)
            if self._control.length > CONTROL_BYTES:
                return self.fail(NGHTTP2_ERR_FLOODED)

    cdef ssize_t receive(self, const unsigned char *octets, size_t length, double now) except -1:
        """Let libnghttp2 read; the callbacks of ``native.responses`` file what came. Return how much was read.

        That is all of it unless the headers in it would take too long to decode: the rest is for another call.
        Raises RemoteProtocolError when the peer broke HTTP/2: what was filed stays, and our GOAWAY can still be pulled.
        """
        cdef ssize_t consumed
        self.now = now
        self.turn_field_bytes = 0
        consumed = nghttp2_session_mem_recv(self._handle, octets, length)
        self.fail(consumed)
        if self.has_goaway:
            while self.streams.pending != NULL:
                self.end(self.streams.pending, CAUSE_GOAWAY, self.goaway_code)
        self.flush()
        if self.violation_code:
            self._raise_violation()
        return consumed

    cdef int ping(self, double now) except -1:
        """Send a PING with new data, so that a late answer to an older one isn't taken for its own."""
        cdef int position = 7
        while position >= 0:
            self._ping_data[position] += 1
            if self._ping_data[position]:
                break
            position -= 1
        self.fail(nghttp2_submit_ping(self._handle, NGHTTP2_FLAG_NONE, self._ping_data))
        self.is_ping_unanswered = True
        self.ping_sent_at = now
        return self.flush()

    cdef bytes leave(self, uint32_t code):
        """Return the last bytes for the wire: control frames not pulled yet, and a GOAWAY unless one is said already.

        It is written here because libnghttp2 must not be asked once the session has failed.
        """
        cdef bytes waiting = b"" if self.is_failed else self._control.octets[:self._control.length]
        cdef bint is_said = not self.is_failed and self._is_goaway_written and (self.violation_code or not code)
        return waiting if is_said else waiting + GOAWAY_HEADER + code.to_bytes(4, "big")

    cdef int fail(self, ssize_t result) except -1:
        """Raise what a result of libnghttp2 means, nothing for one that isn't an error. Errors end the connection."""
        if result >= 0:
            return 0
        self.is_failed = True
        if result == NGHTTP2_ERR_NOMEM or self.is_memory_exhausted:
            raise MemoryError
        if self.is_flooded_with_headers:
            raise RemoteProtocolError("the peer sends more header fields than answers need", NGHTTP2_ENHANCE_YOUR_CALM)
        if result == NGHTTP2_ERR_FLOODED:
            raise RemoteProtocolError("the peer makes us answer more than it reads", NGHTTP2_ENHANCE_YOUR_CALM)
        raise RemoteProtocolError(f"libnghttp2: {nghttp2_strerror(<int>result).decode()}", NGHTTP2_INTERNAL_ERROR)

    cdef int _raise_violation(self) except -1:
        cdef str name = nghttp2_http2_strerror(self.violation_code).decode()
        cdef str detail = nghttp2_strerror(self.violation_error).decode()
        raise RemoteProtocolError(f"{name}: {detail}", self.violation_code)


cdef ssize_t _cb_read_data(
    nghttp2_session *session, int32_t stream_id, uint8_t *buf, size_t length, uint32_t *data_flags,
    nghttp2_data_source *source, void *user_data
) noexcept:
    """Say how much of the body the next DATA frame carries; ``_cb_send_data`` writes it."""
    cdef Connection connection = <Connection>user_data
    cdef Stream *stream = <Stream *>source.ptr
    cdef size_t left = stream.body_length - stream.body_written
    if connection._cursor >= connection._data_stop:
        return NGHTTP2_ERR_PAUSE
    data_flags[0] |= NGHTTP2_DATA_FLAG_NO_COPY
    if left <= length:
        data_flags[0] |= NGHTTP2_DATA_FLAG_EOF
        return <ssize_t>left
    return <ssize_t>length


cdef int _cb_send_data(
    nghttp2_session *session, nghttp2_frame *frame, const uint8_t *framehd, size_t length,
    nghttp2_data_source *source, void *user_data
) noexcept:
    cdef Connection connection = <Connection>user_data
    cdef Stream *stream = <Stream *>source.ptr
    memcpy(connection._cursor, framehd, FRAME_HEADER_BYTES)
    memcpy(connection._cursor + FRAME_HEADER_BYTES, stream.body + stream.body_written, length)
    connection._cursor += FRAME_HEADER_BYTES + length
    stream.body_written += length
    if framehd[4] & NGHTTP2_FLAG_END_STREAM:
        stream.sent_in = connection.pulls + 1
        stream.sent_at = connection.now
    return 0


cdef int _cb_frame_sent(nghttp2_session *session, const nghttp2_frame *frame, void *user_data) noexcept:
    """Notice the GOAWAY with which libnghttp2 ends a connection whose peer broke a rule."""
    cdef Connection connection = <Connection>user_data
    if frame.hd.type == NGHTTP2_GOAWAY:
        connection._is_goaway_written = True
        connection.violation_code = connection.violation_code or frame.goaway.error_code
    return 0


cdef void register_sending(nghttp2_session_callbacks *callbacks) noexcept:
    nghttp2_session_callbacks_set_send_data_callback(callbacks, _cb_send_data)
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, _cb_frame_sent)
