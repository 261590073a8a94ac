"""The streams of one session: a record each, and the two queues they stand in."""

from cpython.object cimport PyObject
from libc.stdint cimport int32_t, uint32_t, uint64_t

cimport cython

from native.memory cimport Buffer

cdef enum:
    BLOCK_STREAMS = 64

cdef struct Stream:
    PyObject *requests  # a strong reference from append to recycle
    const unsigned char *body  # belongs to the requests
    size_t body_length
    size_t body_written
    Py_ssize_t row
    int32_t stream_id  # 0 while it waits to be opened
    uint32_t error_code
    uint64_t sent_in  # number of the pull that wrote END_STREAM; 0: not written
    double submitted_at
    double expires_at  # it must not be opened at or after that
    double sent_at
    double ended_at
    int status
    int ending  # protocol.exchanges.Ending; 0: in flight
    int cause  # protocol.exchanges.Cause
    int reset_code  # the RST_STREAM it still needs; -1: none
    bint is_closed  # libnghttp2 has forgotten it
    bint is_told  # its ending was handed out
    bint is_reset_by_peer
    bint has_final_headers  # a further header block is trailers
    bint is_captured  # its ending makes an object
    size_t headers_received  # as SETTINGS_MAX_HEADER_LIST_SIZE counts them
    size_t body_received
    Buffer headers  # captured: two lengths (uint32_t), name, value, again and again
    Buffer answer  # captured body
    Stream *previous  # in flight, in order of submission
    Stream *next  # in flight; ended; or free

cdef struct Block:
    Block *next
    Stream streams[BLOCK_STREAMS]


@cython.final
cdef class Streams:
    cdef Block *_blocks  # owned
    cdef Stream *_free
    cdef Stream *oldest  # in flight
    cdef Stream *newest
    cdef Stream *pending  # the first one that waits to be opened; those after it wait too
    cdef Stream *ended  # not told yet, in order of ending
    cdef Stream *_last_ended
    cdef Py_ssize_t in_flight  # not ended
    cdef Py_ssize_t open_count  # libnghttp2 has a stream
    cdef Py_ssize_t pending_count

    cdef Stream *append(self, object requests, Py_ssize_t row, double now, double expires_at) noexcept
    cdef void open(self, Stream *stream, int32_t stream_id) noexcept
    cdef void end(self, Stream *stream, int ending, int cause, uint32_t error_code, double now) noexcept
    cdef Stream *take_ended(self) noexcept
    cdef void close(self, Stream *stream) noexcept
    cdef void tell(self, Stream *stream) noexcept
    cdef void _recycle(self, Stream *stream) noexcept
    cdef bint _grow(self) noexcept
