"""The allocator of the native modules and of libnghttp2: counts what is alive, and fails on demand for the tests."""

from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memcpy

from native.c.nghttp2 cimport nghttp2_mem

cdef Py_ssize_t _allocations = 0
cdef Py_ssize_t _live[4]
cdef Py_ssize_t _until_failure = 0  # 1: the next allocation fails; 0: none is going to

_live[LIVE_SESSIONS] = _live[LIVE_REQUESTS] = _live[LIVE_STREAMS] = _live[LIVE_KEY_POOLS] = 0


cdef inline bint _fails_now() noexcept:
    global _until_failure
    if _until_failure == 0:
        return False
    _until_failure -= 1
    return _until_failure == 0


cdef void *allocate(size_t size) noexcept:
    global _allocations
    cdef void *pointer
    if _fails_now():
        return NULL
    pointer = malloc(size if size else 1)
    _allocations += pointer != NULL
    return pointer


cdef void *reallocate(void *pointer, size_t size) noexcept:
    global _allocations
    cdef void *moved
    if _fails_now():
        return NULL
    moved = realloc(pointer, size if size else 1)
    _allocations += moved != NULL and pointer == NULL
    return moved


cdef void release(void *pointer) noexcept:
    global _allocations
    _allocations -= pointer != NULL
    free(pointer)


cdef void *_library_malloc(size_t size, void *user_data) noexcept:
    return allocate(size)


cdef void _library_free(void *pointer, void *user_data) noexcept:
    release(pointer)


cdef void *_library_calloc(size_t count, size_t size, void *user_data) noexcept:
    global _allocations
    cdef void *pointer
    if _fails_now():
        return NULL
    pointer = calloc(count if count else 1, size if size else 1)
    _allocations += pointer != NULL
    return pointer


cdef void *_library_realloc(void *pointer, size_t size, void *user_data) noexcept:
    return reallocate(pointer, size)


cdef nghttp2_mem _library_memory
_library_memory.mem_user_data = NULL
_library_memory.malloc = _library_malloc
_library_memory.free = _library_free
_library_memory.calloc = _library_calloc
_library_memory.realloc = _library_realloc


cdef nghttp2_mem *library_memory() noexcept:
    """Return the functions to hand to libnghttp2; it copies the struct."""
    return &_library_memory


cdef void count_live(int kind, Py_ssize_t change) noexcept:
    _live[kind] += change


cdef bint buffer_reserve(Buffer *buffer, size_t more) noexcept:
    """Make room for ``more`` octets after the present ones; False when memory ran out (the buffer stays as it was)."""
    cdef size_t capacity = buffer.length + more
    cdef unsigned char *octets
    if capacity <= buffer.capacity:
        return True
    if capacity < 2 * buffer.capacity:
        capacity = 2 * buffer.capacity
    octets = <unsigned char *>reallocate(buffer.octets, capacity)
    if octets == NULL:
        return False
    buffer.octets = octets
    buffer.capacity = capacity
    return True


cdef bint buffer_append(Buffer *buffer, const void *octets, size_t length) noexcept:
    if not buffer_reserve(buffer, length):
        return False
    if length:
        memcpy(buffer.octets + buffer.length, octets, length)
    buffer.length += length
    return True


cdef void buffer_release(Buffer *buffer) noexcept:
    release(buffer.octets)
    buffer.octets = NULL
    buffer.length = buffer.capacity = 0


def live_objects():
    """Count live native objects (sessions, requests, streams, key pools, allocations); zeros once all is released."""
    return {
        "sessions": _live[LIVE_SESSIONS],
        "requests": _live[LIVE_REQUESTS],
        "streams": _live[LIVE_STREAMS],
        "key_pools": _live[LIVE_KEY_POOLS],
        "allocations": _allocations,
    }


def fail_allocation_after(Py_ssize_t count):
    """Let the ``count``-th native allocation from now fail once (tests); zero or less switches it off.

    Returns how many allocations were left up to a failure planted before: 0 when it has happened.
    """
    global _until_failure
    left = _until_failure
    _until_failure = count if count > 0 else 0
    return left
