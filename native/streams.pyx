"""Stream records, kept in blocks so that a stream costs no allocation.

A record lives from ``append`` until both its ending was told (``tell``) and libnghttp2 forgot the stream (``close``),
whichever comes last: its address is libnghttp2's stream_user_data. Until it ends it stands in the queue of rows in
flight, which is in order of submission and so, all streams of a session having the same timeout, in order of
deadlines. The rows not yet opened are that queue's tail. Then it stands in the queue of endings until ``take_ended``.
"""

from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.stdint cimport int32_t, uint32_t
from libc.string cimport memset

cimport cython

from native.memory cimport LIVE_STREAMS, allocate, buffer_release, count_live, release


@cython.final
cdef class Streams:
    """The records of one session and their queues."""

    def __dealloc__(self):
        cdef Block *block = self._blocks
        cdef Block *following
        cdef int position
        while block != NULL:
            for position in range(BLOCK_STREAMS):
                if block.streams[position].requests != NULL:
                    self._recycle(&block.streams[position])
            following = block.next
            release(block)
            block = following

    cdef Stream *append(self, object requests, Py_ssize_t row, double now, double expires_at) noexcept:
        """Add a row that waits to be opened; NULL when memory ran out."""
        cdef Stream *stream
        if self._free == NULL and not self._grow():
            return NULL
        stream = self._free
        self._free = stream.next
        memset(stream, 0, sizeof(Stream))
        Py_INCREF(requests)
        stream.requests = <PyObject *>requests
        stream.row = row
        stream.submitted_at = now
        stream.expires_at = expires_at
        stream.reset_code = -1
        stream.previous = self.newest
        if self.newest == NULL:
            self.oldest = stream
        else:
            self.newest.next = stream
        self.newest = stream
        if self.pending == NULL:
            self.pending = stream
        self.pending_count += 1
        self.in_flight += 1
        count_live(LIVE_STREAMS, 1)
        return stream

    cdef void open(self, Stream *stream, int32_t stream_id) noexcept:
        """Note that the first waiting row has its stream."""
        stream.stream_id = stream_id
        self.pending = stream.next
        self.pending_count -= 1
        self.open_count += 1

    cdef void end(self, Stream *stream, int ending, int cause, uint32_t error_code, double now) noexcept:
        """Move a row in flight to the queue of endings."""
        stream.ending = ending
        stream.cause = cause
        stream.error_code = error_code
        stream.ended_at = now
        if stream.stream_id == 0:
            self.pending_count -= 1
            stream.is_closed = True
        if self.pending == stream:
            self.pending = stream.next
        if stream.previous == NULL:
            self.oldest = stream.next
        else:
            stream.previous.next = stream.next
        if stream.next == NULL:
            self.newest = stream.previous
        else:
            stream.next.previous = stream.previous
        stream.previous = stream.next = NULL
        if self.ended == NULL:
            self.ended = stream
        else:
            self._last_ended.next = stream
        self._last_ended = stream
        self.in_flight -= 1

    cdef Stream *take_ended(self) noexcept:
        """Take the next ending out of its queue, NULL without one; ``tell`` must follow."""
        cdef Stream *stream = self.ended
        if stream != NULL:
            self.ended = stream.next
            stream.next = NULL
        return stream

    cdef void close(self, Stream *stream) noexcept:
        """Note that libnghttp2 forgot the stream."""
        stream.is_closed = True
        self.open_count -= 1
        if stream.is_told:
            self._recycle(stream)

    cdef void tell(self, Stream *stream) noexcept:
        """Note that the ending was handed out."""
        stream.is_told = True
        if stream.is_closed:
            self._recycle(stream)

    cdef void _recycle(self, Stream *stream) noexcept:
        buffer_release(&stream.headers)
        buffer_release(&stream.answer)
        Py_DECREF(<object>stream.requests)
        stream.requests = NULL
        stream.next = self._free
        self._free = stream
        count_live(LIVE_STREAMS, -1)

    cdef bint _grow(self) noexcept:
        cdef Block *block = <Block *>allocate(sizeof(Block))
        cdef int position
        if block == NULL:
            return False
        memset(block, 0, sizeof(Block))
        block.next = self._blocks
        self._blocks = block
        for position in range(BLOCK_STREAMS):
            block.streams[position].next = self._free
            self._free = &block.streams[position]
        return True
