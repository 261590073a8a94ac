"""From a shared secret to a message body."""

cimport cython

from native.c.openssl cimport EVP_CIPHER_CTX
from native.ecdh cimport POINT_BYTES, Agreement
from native.hmac cimport HASH_BYTES, Hmac

cdef enum:
    AUTH_BYTES = 16
    SALT_BYTES = 16
    TAG_BYTES = 16
    HEADER_BYTES = SALT_BYTES + 4 + 1 + POINT_BYTES
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
    cdef Hmac _hmac
    cdef EVP_CIPHER_CTX *_cipher  # owned
    cdef unsigned char _key_info[KEY_INFO_BYTES]
    cdef unsigned char _key[HASH_BYTES]
    cdef unsigned char _nonce[HASH_BYTES]

    cdef bint seal(self, const Message *message, const Agreement *agreement, unsigned int record_size) noexcept nogil
    cdef void forget(self) noexcept nogil
    cdef bint _derive(self, const Message *message, const Agreement *agreement) noexcept nogil
    cdef bint _encrypt(self, unsigned char *record, int length) noexcept nogil
