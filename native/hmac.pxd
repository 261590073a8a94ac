"""HMAC-SHA-256 of short texts, by either route."""

cimport cython

from native.c.openssl cimport EVP_MD_CTX, SHA256_CTX

cdef enum:
    HASH_BYTES = 32
    BLOCK_BYTES = 64
    LONGEST_TEXT_BYTES = 145  # a key info of RFC 8291


cdef class Hmac:
    cdef bint set_key(self, const unsigned char *key, int length) noexcept nogil
    cdef bint compute(self, const unsigned char *text, int length, unsigned char *out) noexcept nogil
    cdef void forget(self) noexcept nogil


@cython.final
cdef class StateHmac(Hmac):
    cdef SHA256_CTX _inner  # what the key alone makes of it, like the next
    cdef SHA256_CTX _outer
    cdef SHA256_CTX _state


@cython.final
cdef class EvpHmac(Hmac):
    cdef EVP_MD_CTX *_context  # owned
    cdef unsigned char _inner[BLOCK_BYTES + LONGEST_TEXT_BYTES]
    cdef unsigned char _outer[BLOCK_BYTES + HASH_BYTES]

    cdef bint _hash(self, const unsigned char *octets, size_t length, unsigned char *out) noexcept nogil
