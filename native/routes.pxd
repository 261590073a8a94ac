"""Which way through libcrypto."""

from native.ecdh cimport KeyAgreement
from native.sealing cimport Sealer

cdef str choose_route(object name)
cdef KeyAgreement borrow_agreement(str route)
cdef int give_back(str route, KeyAgreement agreement) except -1
cdef Sealer new_sealer(str route)
cdef int raise_failure() except -1
