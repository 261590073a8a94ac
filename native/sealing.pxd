"""From a shared secret to a message body."""

cimport cython

from native.c.openssl cimport EVP_CIPHER_CTX, EVP_MD_CTX
from native.ecdh cimport POINT_BYTES, SECRET_BYTES, Agreement

cdef enum:
    AUTH_BYTES = 16
    SALT_BYTES = 16
    TAG_BYTES = 16
    HEADER_BYTES = SALT_BYTES + 4 + 1 + POINT_BYTES
    HASH_BYTES = 32
    BLOCK_BYTES = 64  # of SHA-256
    KEY_INFO_PREFIX_BYTES = 14
    KEY_INFO_BYTES = KEY_INFO_PREFIX_BYTES + 2 * POINT_BYTES + 1
    CONTENT_KEY_BYTES = 16
    NONCE_BYTES = 12


cdef struct Message:
    const unsigned char *plaintext  # the caller's octets, like the next
    const unsigned char *auth_secret
    unsigned char *body  # HEADER_BYTES + padded_length + 1 + TAG_BYTES, the salt already in its place
    int plaintext_length
    int padded_length  # plaintext and padding


@cython.final
cdef class Sealer:
    cdef EVP_MD_CTX *_digest  # owned, like the next
    cdef EVP_CIPHER_CTX *_cipher
    cdef unsigned char _inner[BLOCK_BYTES + KEY_INFO_BYTES]
    cdef unsigned char _outer[BLOCK_BYTES + HASH_BYTES]
    cdef unsigned char _key_info[KEY_INFO_BYTES]
    cdef unsigned char _key[HASH_BYTES]
    cdef unsigned char _next_key[HASH_BYTES]
    cdef unsigned char _nonce[HASH_BYTES]

    cdef bint seal(self, const Message *message, const Agreement *agreement, unsigned int record_size) noexcept nogil
    cdef void forget(self) noexcept nogil
    cdef bint _derive(self, const Message *message, const Agreement *agreement) noexcept nogil
    cdef bint _hmac(
        self, const unsigned char *key, int key_length, const unsigned char *text, int text_length,
        unsigned char *out) noexcept nogil
    cdef bint _hash(self, const unsigned char *octets, size_t length, unsigned char *out) noexcept nogil
    cdef bint _encrypt(self, unsigned char *record, int length) noexcept nogil
