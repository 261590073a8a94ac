"""Requests between their HEADERS and their END_STREAM."""

from libc.stdint cimport uint8_t, uint32_t

cdef enum:
    IDENTIFIER_LIMIT = 64     # an apns-id is a UUID's 36 characters

cdef struct OpenStream:
    uint32_t stream_id
    int next                  # in its bucket's chain or in the free list; -1 ends both
    size_t identifier_length
    uint8_t identifier[IDENTIFIER_LIMIT]

cdef struct OpenStreams:
    OpenStream* slots         # owned
    int* buckets              # owned, the first slot of each chain
    uint32_t bucket_count     # a power of two
    uint32_t open
    int first_free

cdef int streams_start(OpenStreams* streams, uint32_t limit) noexcept nogil
cdef void streams_release(OpenStreams* streams) noexcept nogil
cdef OpenStream* streams_find(OpenStreams* streams, uint32_t stream_id) noexcept nogil
cdef OpenStream* streams_add(OpenStreams* streams, uint32_t stream_id) noexcept nogil
cdef void streams_drop(OpenStreams* streams, OpenStream* stream) noexcept nogil
