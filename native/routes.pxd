"""Which way through libcrypto."""

from native.ecdh cimport KeyAgreement

cdef str choose_route(object name)
cdef KeyAgreement new_agreement(str route)
cdef int raise_failure() except -1
