"""Every native allocation goes through these, so that leaks can be counted and failures planted."""

from native.c.nghttp2 cimport nghttp2_mem


cdef struct Buffer:
    unsigned char *octets  # owned; NULL until something was appended
    size_t length
    size_t capacity

cdef enum:
    LIVE_SESSIONS
    LIVE_REQUESTS
    LIVE_STREAMS
    LIVE_KEY_POOLS

cdef void *allocate(size_t size) noexcept
cdef void *reallocate(void *pointer, size_t size) noexcept
cdef void release(void *pointer) noexcept
cdef nghttp2_mem *library_memory() noexcept
cdef void count_live(int kind, Py_ssize_t change) noexcept

cdef bint buffer_reserve(Buffer *buffer, size_t more) noexcept
cdef bint buffer_append(Buffer *buffer, const void *octets, size_t length) noexcept
cdef void buffer_release(Buffer *buffer) noexcept
