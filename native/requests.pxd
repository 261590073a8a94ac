"""Batches of requests as arrays."""

from cpython.object cimport PyObject
from libc.stdint cimport uint32_t

cimport cython

from native.hpack cimport Encoder, Field

cdef enum:
    BLOCK_BYTES = 16384  # a header block fits one frame of the least SETTINGS_MAX_FRAME_SIZE (RFC 9113 section 4.2)
    SESSION_PART_BYTES = 6144  # of it for pseudo-header and session fields; a row's own fields have the rest
    UUID_TEXT_BYTES = 36

cdef enum RowState:
    ROW_IDLE = 0
    ROW_IN_FLIGHT = 1
    ROW_SUCCEEDED = 2  # until take_successes told it


@cython.final
cdef class HeaderSet:
    cdef readonly tuple fields
    cdef Field *_fields  # owned; the octets belong to ``fields``
    cdef uint32_t _count
    cdef size_t _bound  # octets it takes at most


@cython.final
cdef class Requests:
    cdef public object owner
    cdef tuple _paths, _bodies, _header_sets
    cdef list _row_fields  # of (name, tuple of bytes or None)
    cdef Field *_row_names  # owned; name parts of _row_fields
    cdef uint32_t *_body_of_row  # owned, like the arrays below; NULL: row i has number i
    cdef uint32_t *_header_set_of_row  # NULL: all have number 0
    cdef uint32_t *_uuid_numbers  # NULL: first number + row
    cdef unsigned char *_states  # a RowState a row
    cdef bytes _uuid_literal  # representation up to the last eight digits
    cdef uint32_t _uuid_first
    cdef Py_ssize_t _length
    cdef Py_ssize_t _in_flight
    cdef Py_ssize_t _succeeded_start, _succeeded_stop  # rows that may be ROW_SUCCEEDED
    cdef void *touched_by  # the session that listed this batch last

    cdef PyObject *body(self, Py_ssize_t row) noexcept
    cdef unsigned char *write_block(self, unsigned char *out, Py_ssize_t row, Encoder encoder) noexcept
    cdef bint begin(self, Py_ssize_t row) noexcept
    cdef void end(self, Py_ssize_t row, bint succeeded) noexcept
    cdef unsigned char *_write_uuid(self, unsigned char *out, Py_ssize_t row) noexcept
    cdef unsigned char *_write_row_field(self, unsigned char *out, Py_ssize_t position, Py_ssize_t row) noexcept
    cdef HeaderSet _headers(self, Py_ssize_t row)
    cdef int _take_uuid_header(self, uuid_header, uuid_numbers) except -1
    cdef int _take_row_fields(self, row_fields) except -1
    cdef int _check_rows(self) except -1
    cdef Py_ssize_t _check_row(self, Py_ssize_t row) except -1
