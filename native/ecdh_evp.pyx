"""The route that needs nothing deprecated: EVP keys, one derivation a row. Slower, and there as long as EVP is."""

from libc.string cimport memcpy

from native.c.openssl cimport (
    EVP_PKEY, EVP_PKEY_CTX, EVP_PKEY_EC, EVP_PKEY_KEYPAIR, EVP_PKEY_PUBLIC_KEY, OSSL_PARAM, OSSL_PKEY_PARAM_GROUP_NAME,
    OSSL_PKEY_PARAM_PRIV_KEY, OSSL_PKEY_PARAM_PUB_KEY, BN_bin2bn, BN_bn2binpad, BN_bn2nativepad, BN_clear,
    BN_clear_free, BN_new, ERR_clear_error, EVP_PKEY_CTX_free, EVP_PKEY_CTX_new_from_name, EVP_PKEY_CTX_new_from_pkey,
    EVP_PKEY_CTX_set_group_name, EVP_PKEY_derive, EVP_PKEY_derive_init, EVP_PKEY_derive_set_peer_ex, EVP_PKEY_free,
    EVP_PKEY_fromdata, EVP_PKEY_fromdata_init, EVP_PKEY_generate, EVP_PKEY_get_bn_param,
    EVP_PKEY_get_octet_string_param, EVP_PKEY_keygen_init, OPENSSL_cleanse, OSSL_PARAM_construct_BN,
    OSSL_PARAM_construct_end, OSSL_PARAM_construct_octet_string, OSSL_PARAM_construct_utf8_string, d2i_PrivateKey)
from native.ecdh cimport POINT_BYTES, SCALAR_BYTES, SECRET_BYTES, Agreement, KeyPair, ran_out_of_memory

cdef char *GROUP_NAME = "P-256"

# An ECPrivateKey (RFC 5915) without its public key, which libcrypto then computes: the octets around the scalar.
cdef enum:
    DER_HEAD_BYTES = 7
    DER_TAIL_BYTES = 12
    DER_BYTES = DER_HEAD_BYTES + SCALAR_BYTES + DER_TAIL_BYTES
cdef unsigned char *DER_HEAD = b"\x30\x31\x02\x01\x01\x04\x20"
cdef unsigned char *DER_TAIL = b"\xa0\x0a\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07"


cdef class EvpAgreement(KeyAgreement):
    """The EVP route: for other native modules."""

    def __cinit__(self):
        self._generator = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL)
        self._importer = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL)
        self._scalar = BN_new()
        if NULL in (self._generator, self._importer, self._scalar):
            raise MemoryError
        if (
            EVP_PKEY_keygen_init(self._generator) != 1
            or EVP_PKEY_CTX_set_group_name(self._generator, GROUP_NAME) != 1
            or EVP_PKEY_fromdata_init(self._importer) != 1
        ):
            ERR_clear_error()
            raise MemoryError

    def __dealloc__(self):
        EVP_PKEY_CTX_free(self._generator)
        EVP_PKEY_CTX_free(self._importer)
        BN_clear_free(self._scalar)

    cdef bint make_pairs(self, KeyPair *pairs, int count) noexcept nogil:
        cdef int row
        for row in range(count):
            if not self._make_pair(&pairs[row]):
                return False
        return True

    cdef bint complete_pair(self, KeyPair *pair) noexcept nogil:
        cdef unsigned char encoded[DER_BYTES]
        cdef const unsigned char *position = encoded
        cdef EVP_PKEY *key
        cdef size_t length = 0
        cdef bint is_complete
        memcpy(encoded, DER_HEAD, DER_HEAD_BYTES)
        memcpy(encoded + DER_HEAD_BYTES, pair.scalar, SCALAR_BYTES)
        memcpy(encoded + DER_HEAD_BYTES + SCALAR_BYTES, DER_TAIL, DER_TAIL_BYTES)
        key = d2i_PrivateKey(EVP_PKEY_EC, NULL, &position, DER_BYTES)
        OPENSSL_cleanse(encoded, DER_BYTES)
        is_complete = key != NULL and EVP_PKEY_get_octet_string_param(
            key, OSSL_PKEY_PARAM_PUB_KEY, pair.point, POINT_BYTES, &length) == 1 and length == POINT_BYTES
        EVP_PKEY_free(key)
        return is_complete

    cdef bint agree(self, Agreement *rows, int count) noexcept nogil:
        cdef int row
        for row in range(count):
            if not self._agree_row(&rows[row]):
                return False
        return True

    cdef bint _agree_row(self, Agreement *row) noexcept nogil:
        cdef EVP_PKEY *peer = self._import_peer(row.peer)
        cdef EVP_PKEY *own
        cdef EVP_PKEY_CTX *derivation = NULL
        cdef size_t length = SECRET_BYTES
        cdef bint is_agreed
        if peer == NULL:
            row.is_refused = not ran_out_of_memory()
            ERR_clear_error()
            return row.is_refused
        if not row.has_pair:
            row.has_pair = self._make_pair(&row.pair)
        own = self._import_pair(&row.pair) if row.has_pair else NULL
        if own != NULL:
            derivation = EVP_PKEY_CTX_new_from_pkey(NULL, own, NULL)
        is_agreed = (
            derivation != NULL and EVP_PKEY_derive_init(derivation) == 1
            and EVP_PKEY_derive_set_peer_ex(derivation, peer, 0) == 1
            and EVP_PKEY_derive(derivation, row.secret, &length) == 1 and length == SECRET_BYTES)
        EVP_PKEY_CTX_free(derivation)
        EVP_PKEY_free(own)
        EVP_PKEY_free(peer)
        return is_agreed

    cdef bint _make_pair(self, KeyPair *pair) noexcept nogil:
        cdef EVP_PKEY *key = NULL
        cdef size_t length = 0
        cdef bint is_made
        is_made = (
            EVP_PKEY_generate(self._generator, &key) == 1
            and EVP_PKEY_get_octet_string_param(
                key, OSSL_PKEY_PARAM_PUB_KEY, pair.point, POINT_BYTES, &length) == 1
            and length == POINT_BYTES and self._export_scalar(key, pair.scalar))
        EVP_PKEY_free(key)
        return is_made

    cdef bint _export_scalar(self, EVP_PKEY *key, unsigned char *scalar) noexcept nogil:
        cdef bint is_exported
        is_exported = (
            EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_PRIV_KEY, &self._scalar) == 1
            and BN_bn2binpad(self._scalar, scalar, SCALAR_BYTES) == SCALAR_BYTES)
        BN_clear(self._scalar)
        return is_exported

    cdef EVP_PKEY *_import_peer(self, const unsigned char *point) noexcept nogil:
        """Decode a point, which checks that it is on the curve."""
        cdef EVP_PKEY *key = NULL
        cdef OSSL_PARAM parameters[3]
        parameters[0] = OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, GROUP_NAME, 0)
        parameters[1] = OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, <void *>point, POINT_BYTES)
        parameters[2] = OSSL_PARAM_construct_end()
        EVP_PKEY_fromdata(self._importer, &key, EVP_PKEY_PUBLIC_KEY, parameters)
        return key

    cdef EVP_PKEY *_import_pair(self, const KeyPair *pair) noexcept nogil:
        cdef EVP_PKEY *key = NULL
        cdef OSSL_PARAM parameters[4]
        cdef unsigned char scalar[SCALAR_BYTES]  # in the machine's order
        if BN_bin2bn(pair.scalar, SCALAR_BYTES, self._scalar) == NULL:
            return NULL
        BN_bn2nativepad(self._scalar, scalar, SCALAR_BYTES)
        BN_clear(self._scalar)
        parameters[0] = OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, GROUP_NAME, 0)
        parameters[1] = OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, <void *>pair.point, POINT_BYTES)
        parameters[2] = OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_PRIV_KEY, scalar, SCALAR_BYTES)
        parameters[3] = OSSL_PARAM_construct_end()
        EVP_PKEY_fromdata(self._importer, &key, EVP_PKEY_KEYPAIR, parameters)
        OPENSSL_cleanse(scalar, SCALAR_BYTES)
        return key
