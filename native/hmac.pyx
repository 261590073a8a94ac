"""HMAC-SHA-256 (RFC 2104) of short texts, by either route: libcrypto's MAC objects cost more than the hashing.

The contract, an object that one thread uses at a time: ``set_key`` takes a key of at most one block, ``compute`` then
authenticates texts of at most LONGEST_TEXT_BYTES with it, as many as wanted; ``out`` may be where the key came from.
Both return False when libcrypto failed. ``forget`` wipes what they leave here.
"""

from libc.string cimport memcpy, memset

cimport cython

from native.c.openssl cimport (
    EVP_MD, EVP_DigestFinal_ex, EVP_DigestInit_ex, EVP_DigestUpdate, EVP_MD_CTX_free, EVP_MD_CTX_new, EVP_MD_fetch,
    OPENSSL_cleanse, SHA256_Final, SHA256_Init, SHA256_Update)

# Fetched once: a lookup by name costs more than the hashing, and takes a lock.
cdef EVP_MD *SHA256 = EVP_MD_fetch(NULL, "SHA256", NULL)
if SHA256 == NULL:
    raise ImportError("libcrypto offers no SHA-256")

cdef enum:
    INNER_OCTET = 0x36
    OUTER_OCTET = 0x5C


cdef void _pad(unsigned char *block, const unsigned char *key, int length, unsigned char octet) noexcept nogil:
    cdef int position
    memset(block + length, octet, BLOCK_BYTES - length)
    for position in range(length):
        block[position] = key[position] ^ octet


cdef class Hmac:
    """A way to HMAC: for other native modules."""

    cdef bint set_key(self, const unsigned char *key, int length) noexcept nogil:
        return False

    cdef bint compute(self, const unsigned char *text, int length, unsigned char *out) noexcept nogil:
        return False

    cdef void forget(self) noexcept nogil:
        pass


@cython.final
cdef class StateHmac(Hmac):
    """Hashes a key once and goes on from a copy of that state for each text: for other native modules."""

    def __dealloc__(self):
        self.forget()

    cdef bint set_key(self, const unsigned char *key, int length) noexcept nogil:
        cdef unsigned char blocks[2 * BLOCK_BYTES]
        cdef bint is_set
        _pad(blocks, key, length, INNER_OCTET)
        _pad(blocks + BLOCK_BYTES, key, length, OUTER_OCTET)
        is_set = (
            SHA256_Init(&self._inner) == 1 and SHA256_Update(&self._inner, blocks, BLOCK_BYTES) == 1
            and SHA256_Init(&self._outer) == 1 and SHA256_Update(&self._outer, blocks + BLOCK_BYTES, BLOCK_BYTES) == 1)
        OPENSSL_cleanse(blocks, sizeof(blocks))
        return is_set

    cdef bint compute(self, const unsigned char *text, int length, unsigned char *out) noexcept nogil:
        self._state = self._inner
        if SHA256_Update(&self._state, text, length) != 1 or SHA256_Final(out, &self._state) != 1:
            return False
        self._state = self._outer
        return SHA256_Update(&self._state, out, HASH_BYTES) == 1 and SHA256_Final(out, &self._state) == 1

    cdef void forget(self) noexcept nogil:
        OPENSSL_cleanse(&self._inner, sizeof(self._inner))
        OPENSSL_cleanse(&self._outer, sizeof(self._outer))
        OPENSSL_cleanse(&self._state, sizeof(self._state))


@cython.final
cdef class EvpHmac(Hmac):
    """Hashes key and text together by one digest context: for other native modules."""

    def __cinit__(self):
        self._context = EVP_MD_CTX_new()
        if self._context == NULL or EVP_DigestInit_ex(self._context, SHA256, NULL) != 1:
            raise MemoryError

    def __dealloc__(self):
        self.forget()
        EVP_MD_CTX_free(self._context)  # wipes what it holds

    cdef bint set_key(self, const unsigned char *key, int length) noexcept nogil:
        _pad(self._inner, key, length, INNER_OCTET)
        _pad(self._outer, key, length, OUTER_OCTET)
        return True

    cdef bint compute(self, const unsigned char *text, int length, unsigned char *out) noexcept nogil:
        memcpy(self._inner + BLOCK_BYTES, text, length)
        return (
            self._hash(self._inner, BLOCK_BYTES + length, self._outer + BLOCK_BYTES)
            and self._hash(self._outer, BLOCK_BYTES + HASH_BYTES, out))

    cdef void forget(self) noexcept nogil:
        OPENSSL_cleanse(self._inner, sizeof(self._inner))
        OPENSSL_cleanse(self._outer, sizeof(self._outer))

    cdef bint _hash(self, const unsigned char *octets, size_t length, unsigned char *out) noexcept nogil:
        return (
            EVP_DigestInit_ex(self._context, NULL, NULL) == 1
            and EVP_DigestUpdate(self._context, octets, length) == 1
            and EVP_DigestFinal_ex(self._context, out, NULL) == 1)
