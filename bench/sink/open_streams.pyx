# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""Requests between their HEADERS and their END_STREAM: a hash table of fixed slots.

Stream ids of clients are odd and rise by two, so half the id is the hash: as long as streams end in about the order in
which they began, no chain has more than one link.
"""

from libc.stdint cimport uint32_t
from libc.stdlib cimport free, malloc


cdef int* _bucket(OpenStreams* streams, uint32_t stream_id) noexcept nogil:
    return &streams.buckets[(stream_id >> 1) & (streams.bucket_count - 1)]


cdef int streams_start(OpenStreams* streams, uint32_t limit) noexcept nogil:
    """Make room for ``limit`` streams; -1 when memory is out, with nothing lost that ``streams_release`` won't free."""
    cdef uint32_t index
    streams.bucket_count = 16
    while streams.bucket_count < limit:
        streams.bucket_count *= 2
    streams.slots = <OpenStream*>malloc(limit * sizeof(OpenStream))
    streams.buckets = <int*>malloc(streams.bucket_count * sizeof(int))
    if streams.slots == NULL or streams.buckets == NULL:
        return -1
    for index in range(streams.bucket_count):
        streams.buckets[index] = -1
    for index in range(limit):
        streams.slots[index].next = <int>index + 1 if index + 1 < limit else -1
    return 0


cdef void streams_release(OpenStreams* streams) noexcept nogil:
    free(streams.slots)
    free(streams.buckets)


cdef OpenStream* streams_find(OpenStreams* streams, uint32_t stream_id) noexcept nogil:
    """Return the stream, or NULL when it is not open."""
    cdef int slot = _bucket(streams, stream_id)[0]
    while slot >= 0 and streams.slots[slot].stream_id != stream_id:
        slot = streams.slots[slot].next
    return NULL if slot < 0 else &streams.slots[slot]


cdef OpenStream* streams_add(OpenStreams* streams, uint32_t stream_id) noexcept nogil:
    """Open a stream; the caller has checked that ``open`` is below the limit."""
    cdef int slot = streams.first_free
    cdef int* bucket = _bucket(streams, stream_id)
    cdef OpenStream* stream = &streams.slots[slot]
    streams.first_free = stream.next
    streams.open += 1
    stream.stream_id = stream_id
    stream.next = bucket[0]
    bucket[0] = slot
    return stream


cdef void streams_drop(OpenStreams* streams, OpenStream* stream) noexcept nogil:
    """Forget an open stream."""
    cdef int slot = <int>(stream - streams.slots)
    cdef int* link = _bucket(streams, stream.stream_id)
    while link[0] != slot:
        link = &streams.slots[link[0]].next
    link[0] = stream.next
    stream.next = streams.first_free
    streams.first_free = slot
    streams.open -= 1
