"""From a shared secret to a message body: key derivation (RFC 8291 section 3.4), one record (RFC 8188 section 2).

The HKDF steps have one block of output each, hence the single octet 0x01 behind every info.
"""

from libc.string cimport memcpy, memset

cimport cython

from native.c.openssl cimport (
    EVP_CIPHER, EVP_CTRL_AEAD_GET_TAG, EVP_CIPHER_CTX_ctrl, EVP_CIPHER_CTX_free, EVP_CIPHER_CTX_new, EVP_CIPHER_fetch,
    EVP_EncryptFinal_ex, EVP_EncryptInit_ex, EVP_EncryptUpdate, OPENSSL_cleanse)
from native.ecdh cimport POINT_BYTES, SECRET_BYTES, Agreement
from native.hmac cimport HASH_BYTES, Hmac

# Fetched once: a lookup by name costs more than the encryption, and takes a lock.
cdef EVP_CIPHER *AES_128_GCM = EVP_CIPHER_fetch(NULL, "AES-128-GCM", NULL)
if AES_128_GCM == NULL:
    raise ImportError("libcrypto offers no AES-128-GCM")

cdef unsigned char *KEY_INFO_PREFIX = b"WebPush: info\x00"
cdef unsigned char *CONTENT_KEY_INFO = b"Content-Encoding: aes128gcm\x00\x01"
cdef unsigned char *NONCE_INFO = b"Content-Encoding: nonce\x00\x01"
cdef enum:
    CONTENT_KEY_INFO_BYTES = 29
    NONCE_INFO_BYTES = 25


@cython.final
cdef class Sealer:
    """Contexts that one thread uses at a time: for other native modules."""

    def __cinit__(self, Hmac hmac not None):
        self._hmac = hmac
        self._cipher = EVP_CIPHER_CTX_new()
        if self._cipher == NULL or EVP_EncryptInit_ex(self._cipher, AES_128_GCM, NULL, NULL, NULL) != 1:
            raise MemoryError
        memcpy(self._key_info, KEY_INFO_PREFIX, KEY_INFO_PREFIX_BYTES)
        self._key_info[KEY_INFO_BYTES - 1] = 1

    def __dealloc__(self):
        self.forget()
        EVP_CIPHER_CTX_free(self._cipher)  # wipes what it holds

    cdef bint seal(self, const Message *message, const Agreement *agreement, unsigned int record_size) noexcept nogil:
        """Write a whole body; False when libcrypto failed. ``forget`` wipes what this leaves here."""
        cdef unsigned char *header = message.body + SALT_BYTES
        cdef unsigned char *record = message.body + HEADER_BYTES
        header[0] = <unsigned char>(record_size >> 24)
        header[1] = <unsigned char>(record_size >> 16)
        header[2] = <unsigned char>(record_size >> 8)
        header[3] = <unsigned char>record_size
        header[4] = POINT_BYTES
        memcpy(header + 5, agreement.pair.point, POINT_BYTES)
        memcpy(record, message.plaintext, message.plaintext_length)
        record[message.plaintext_length] = 2  # the last record's delimiter
        memset(record + message.plaintext_length + 1, 0, message.padded_length - message.plaintext_length)
        return self._derive(message, agreement) and self._encrypt(record, message.padded_length + 1)

    cdef void forget(self) noexcept nogil:
        OPENSSL_cleanse(self._key, sizeof(self._key))
        OPENSSL_cleanse(self._nonce, sizeof(self._nonce))

    cdef bint _derive(self, const Message *message, const Agreement *agreement) noexcept nogil:
        """Leave the content key in ``_key`` and the nonce in ``_nonce``."""
        cdef unsigned char *key = self._key
        memcpy(self._key_info + KEY_INFO_PREFIX_BYTES, agreement.peer, POINT_BYTES)
        memcpy(self._key_info + KEY_INFO_PREFIX_BYTES + POINT_BYTES, agreement.pair.point, POINT_BYTES)
        return (
            self._hmac.set_key(message.auth_secret, AUTH_BYTES)
            and self._hmac.compute(agreement.secret, SECRET_BYTES, key)  # PRK_key
            and self._hmac.set_key(key, HASH_BYTES)
            and self._hmac.compute(self._key_info, KEY_INFO_BYTES, key)  # IKM
            and self._hmac.set_key(message.body, SALT_BYTES)
            and self._hmac.compute(key, HASH_BYTES, key)  # PRK
            and self._hmac.set_key(key, HASH_BYTES)
            and self._hmac.compute(NONCE_INFO, NONCE_INFO_BYTES, self._nonce)
            and self._hmac.compute(CONTENT_KEY_INFO, CONTENT_KEY_INFO_BYTES, key))

    cdef bint _encrypt(self, unsigned char *record, int length) noexcept nogil:
        """Encrypt in place and append the tag."""
        cdef int written = 0
        cdef int last = 0
        return (
            EVP_EncryptInit_ex(self._cipher, NULL, NULL, self._key, self._nonce) == 1
            and EVP_EncryptUpdate(self._cipher, record, &written, record, length) == 1 and written == length
            and EVP_EncryptFinal_ex(self._cipher, record + length, &last) == 1 and last == 0
            and EVP_CIPHER_CTX_ctrl(self._cipher, EVP_CTRL_AEAD_GET_TAG, TAG_BYTES, record + length) == 1)
