"""The route that needs nothing deprecated: EVP keys."""

from native.c.openssl cimport BIGNUM, EVP_PKEY, EVP_PKEY_CTX
from native.ecdh cimport Agreement, KeyAgreement, KeyPair


cdef class EvpAgreement(KeyAgreement):
    cdef EVP_PKEY_CTX *_generator  # owned, like all below
    cdef EVP_PKEY_CTX *_importer
    cdef BIGNUM *_scalar

    cdef bint make_pairs(self, KeyPair *pairs, int count) noexcept nogil
    cdef bint complete_pair(self, KeyPair *pair) noexcept nogil
    cdef bint agree(self, Agreement *rows, int count) noexcept nogil
    cdef bint _agree_row(self, Agreement *row) noexcept nogil
    cdef bint _make_pair(self, KeyPair *pair) noexcept nogil
    cdef bint _export_scalar(self, EVP_PKEY *key, unsigned char *scalar) noexcept nogil
    cdef EVP_PKEY *_import_peer(self, const unsigned char *point) noexcept nogil
    cdef EVP_PKEY *_import_pair(self, const KeyPair *pair) noexcept nogil
