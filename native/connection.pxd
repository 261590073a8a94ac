"""libnghttp2's session with our own request blocks, and what its callbacks have filed."""

from libc.stdint cimport int32_t, uint32_t, uint64_t

cimport cython

from native.c.nghttp2 cimport nghttp2_session, nghttp2_session_callbacks
from native.hpack cimport Encoder
from native.memory cimport Buffer
from native.streams cimport Stream, Streams

cdef enum:
    FRAME_HEADER_BYTES = 9
    FRAME_BYTES = FRAME_HEADER_BYTES + 16384  # no frame we send is longer
    CONTROL_BYTES = 65536  # control frames that wait for the wire: about 3,800 answers to PING
    # With the rest of a buffer below the 128 KiB from which malloc maps fresh pages: 0.29 instead of 0.56 us a request.
    PULL_BYTES = 96 * 1024
    CONNECTION_WINDOW_BYTES = 1 << 20  # response octets on the way at once; libnghttp2 renews it at the half
    # The work of one call: field octets decoded, each field with 32 on top. About 1 ms when all are checked.
    TURN_FIELD_BYTES = 512 * 1024
    # An answer that makes an object costs as much of a turn: 64 a call, 0.7 ms with what their owner does about them.
    TURN_ANSWER_BYTES = 8 * 1024
    STRAY_BYTES = 64 * 1024  # header octets for streams that nobody waits for: each may hide a field (50 ns)
    STRAY_BYTES_PER_RESET = 1024  # an answer may have been on its way when we gave a stream up
    OVERSIZED_BYTES = 1024  # what an answer over the cap counts for among them: 64 end a session
    LAST_STREAM_ID = 0x7FF00000  # a session is retired half a million requests before its ids end


@cython.final
cdef class Connection:
    cdef nghttp2_session *_handle  # owned
    cdef Streams streams
    cdef Encoder encoder
    cdef double now  # of the call being served
    # sending
    cdef unsigned char *_cursor  # into the buffer that pull fills
    cdef unsigned char *_data_stop  # no DATA frame begins at or behind it
    cdef Stream *_opening  # its HEADERS frame comes next
    cdef Buffer _control  # control frames not pulled yet
    cdef uint64_t pulls  # buffers handed over
    cdef bint is_shut_down
    cdef bint _is_shutdown_sent
    cdef bint _is_goaway_written  # by libnghttp2, into ``_control``
    # the peer
    cdef uint32_t peer_limit
    cdef uint32_t settings_received
    cdef bint has_goaway
    cdef int32_t goaway_last_stream_id
    cdef uint32_t goaway_code
    cdef Buffer goaway_debug
    cdef bint is_ping_unanswered
    cdef double ping_sent_at
    cdef unsigned char _ping_data[8]
    # what ended it
    cdef bint is_failed  # libnghttp2 must not be called any more
    cdef bint is_memory_exhausted  # in a callback
    cdef bint is_flooded_with_headers  # in a callback
    cdef uint32_t violation_code  # of the GOAWAY with which libnghttp2 answered a broken rule; 0: none
    cdef int violation_error  # libnghttp2's error of it
    # responses
    cdef size_t headers_limit
    cdef size_t body_limit
    cdef int success_status
    cdef bint captures_success_body
    cdef tuple captured_headers
    cdef Stream *receiving  # whose header block is being received; NULL: nobody's
    cdef size_t turn_field_bytes  # decoded in this call
    cdef size_t stray_bytes
    cdef size_t stray_allowance

    cdef int start(self, nghttp2_session_callbacks *callbacks, int32_t first_stream_id) except -1
    cdef bint can_submit(self) noexcept
    cdef bint can_open(self) noexcept
    cdef bint wants_write(self) noexcept
    cdef bint is_sent(self, Stream *stream) noexcept
    cdef void end(self, Stream *stream, int cause, uint32_t error_code) noexcept
    cdef bytes pull(self, double now, Py_ssize_t limit_bytes)
    cdef ssize_t receive(self, const unsigned char *octets, size_t length, double now) except -1
    cdef int flush(self) except -1
    cdef int ping(self, double now) except -1
    cdef bytes leave(self, uint32_t code)
    cdef int fail(self, ssize_t result) except -1
    cdef void stop(self) noexcept
    cdef int _fill(self) except -1
    cdef int _open_next(self) except -1
    cdef void _write_headers(self, const unsigned char *frame) noexcept
    cdef int _raise_violation(self) except -1

cdef void register_sending(nghttp2_session_callbacks *callbacks) noexcept
