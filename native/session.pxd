"""The batch interface of one HTTP/2 connection."""

from libc.stdint cimport uint64_t

cimport cython

from native.connection cimport Connection
from native.requests cimport HeaderSet, Requests
from native.streams cimport Stream

cdef enum:
    SUBMIT_ROWS = 200  # one call takes or ends no more: it holds the event loop well under a millisecond


@cython.final
cdef class Session:
    cdef Connection _connection
    cdef bytes _authority
    cdef bint _is_closed
    cdef Py_ssize_t _window
    cdef double _timeout
    cdef double _last_received_at
    cdef bytes _unread  # received, and left for another call
    cdef list _touched  # Requests that gained plain successes
    cdef uint64_t _submitted, _answered, _bytes_sent, _bytes_received
    cdef uint64_t _round_trips
    cdef double _round_trip_sum, _round_trip_min, _round_trip_max

    cdef int _require_open(self) except -1
    cdef void _give_up(self, Stream *stream) noexcept
    cdef int _finish_ending(self) except -1
    cdef Stream *_first_unsent(self) noexcept
    cdef Py_ssize_t _available(self) noexcept
    cdef list _take_endings(self)
    cdef object _exchange(self, Stream *stream)
    cdef int _note_success(self, Requests requests) except -1
    cdef void _measure(self, Stream *stream) noexcept
    cdef void _forget_rows(self) noexcept
