"""Ephemeral keys made ahead."""

cimport cython

from native.ecdh cimport KeyPair


@cython.final
cdef class KeyPool:
    cdef readonly Py_ssize_t capacity
    cdef str _route
    cdef KeyPair *_pairs  # owned; ``capacity`` of them, the first ``_ready`` are keys, the others zeros
    cdef Py_ssize_t _ready
    cdef int _process  # whose keys they are

    cdef void leave_to_parent(self) noexcept
    cdef bint take(self, KeyPair *pair) noexcept
