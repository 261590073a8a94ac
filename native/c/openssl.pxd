"""The part of libcrypto that encryption calls; names as in the headers of OpenSSL 3.0."""

from libc.stdint cimport uint32_t


cdef extern from "openssl/crypto.h" nogil:
    void OPENSSL_cleanse(void *pointer, size_t length)

cdef extern from "openssl/err.h" nogil:
    int ERR_R_MALLOC_FAILURE
    unsigned long ERR_peek_last_error()
    int ERR_GET_REASON(unsigned long code)
    void ERR_clear_error()

cdef extern from "openssl/rand.h" nogil:
    int RAND_bytes(unsigned char *octets, int count)
    int RAND_priv_bytes(unsigned char *octets, int count)

cdef extern from "openssl/bn.h" nogil:
    ctypedef struct BIGNUM:
        pass
    ctypedef struct BN_CTX:
        pass

    BN_CTX *BN_CTX_new()
    void BN_CTX_free(BN_CTX *context)
    BIGNUM *BN_new()
    void BN_clear_free(BIGNUM *number)
    void BN_clear(BIGNUM *number)
    BIGNUM *BN_bin2bn(const unsigned char *octets, int length, BIGNUM *number)
    int BN_bn2binpad(const BIGNUM *number, unsigned char *octets, int length)
    int BN_bn2nativepad(const BIGNUM *number, unsigned char *octets, int length)
    int BN_is_zero(const BIGNUM *number)
    int BN_cmp(const BIGNUM *one, const BIGNUM *other)

cdef extern from "openssl/obj_mac.h" nogil:
    int NID_X9_62_prime256v1

cdef extern from "openssl/ec.h" nogil:
    ctypedef struct EC_GROUP:
        pass
    ctypedef struct EC_POINT:
        pass

    EC_GROUP *EC_GROUP_new_by_curve_name(int nid)
    const BIGNUM *EC_GROUP_get0_order(const EC_GROUP *group)
    const EC_POINT *EC_GROUP_get0_generator(const EC_GROUP *group)
    EC_POINT *EC_POINT_new(const EC_GROUP *group)
    void EC_POINT_clear_free(EC_POINT *point)
    int EC_POINT_copy(EC_POINT *to, const EC_POINT *point)
    int EC_POINT_is_at_infinity(const EC_GROUP *group, const EC_POINT *point)
    int EC_POINT_oct2point(
        const EC_GROUP *group, EC_POINT *point, const unsigned char *octets, size_t length, BN_CTX *context)
    int EC_POINT_mul(
        const EC_GROUP *group, EC_POINT *product, const BIGNUM *of_generator, const EC_POINT *point,
        const BIGNUM *of_point, BN_CTX *context)

cdef extern from "native/c/low_level.h" nogil:
    int EC_POINTs_make_affine(const EC_GROUP *group, size_t count, EC_POINT **points, BN_CTX *context)
    int EC_POINT_get_Jprojective_coordinates_GFp(
        const EC_GROUP *group, const EC_POINT *point, BIGNUM *x, BIGNUM *y, BIGNUM *z, BN_CTX *context)

    ctypedef struct SHA256_CTX:
        pass

    int SHA256_Init(SHA256_CTX *state)
    int SHA256_Update(SHA256_CTX *state, const void *octets, size_t length)
    int SHA256_Final(unsigned char *digest, SHA256_CTX *state)

cdef extern from "openssl/params.h" nogil:
    ctypedef struct OSSL_PARAM:
        pass

    OSSL_PARAM OSSL_PARAM_construct_utf8_string(const char *key, char *text, size_t size)
    OSSL_PARAM OSSL_PARAM_construct_octet_string(const char *key, void *octets, size_t size)
    OSSL_PARAM OSSL_PARAM_construct_BN(const char *key, unsigned char *octets, size_t size)
    OSSL_PARAM OSSL_PARAM_construct_end()

cdef extern from "openssl/core_names.h" nogil:
    const char *OSSL_PKEY_PARAM_GROUP_NAME
    const char *OSSL_PKEY_PARAM_PUB_KEY
    const char *OSSL_PKEY_PARAM_PRIV_KEY

cdef extern from "openssl/evp.h" nogil:
    ctypedef struct EVP_PKEY:
        pass
    ctypedef struct EVP_PKEY_CTX:
        pass
    ctypedef struct EVP_MD:
        pass
    ctypedef struct EVP_MD_CTX:
        pass
    ctypedef struct EVP_CIPHER:
        pass
    ctypedef struct EVP_CIPHER_CTX:
        pass

    int EVP_PKEY_EC
    int EVP_PKEY_KEYPAIR
    int EVP_PKEY_PUBLIC_KEY
    int EVP_CTRL_AEAD_GET_TAG

    void EVP_PKEY_free(EVP_PKEY *key)
    EVP_PKEY_CTX *EVP_PKEY_CTX_new_from_name(void *library, const char *name, const char *properties)
    EVP_PKEY_CTX *EVP_PKEY_CTX_new_from_pkey(void *library, EVP_PKEY *key, const char *properties)
    void EVP_PKEY_CTX_free(EVP_PKEY_CTX *context)
    int EVP_PKEY_keygen_init(EVP_PKEY_CTX *context)
    int EVP_PKEY_CTX_set_group_name(EVP_PKEY_CTX *context, const char *name)
    int EVP_PKEY_generate(EVP_PKEY_CTX *context, EVP_PKEY **key)
    int EVP_PKEY_fromdata_init(EVP_PKEY_CTX *context)
    int EVP_PKEY_fromdata(EVP_PKEY_CTX *context, EVP_PKEY **key, int selection, OSSL_PARAM *parameters)
    int EVP_PKEY_get_octet_string_param(
        const EVP_PKEY *key, const char *name, unsigned char *octets, size_t size, size_t *length)
    int EVP_PKEY_get_bn_param(const EVP_PKEY *key, const char *name, BIGNUM **number)
    int EVP_PKEY_derive_init(EVP_PKEY_CTX *context)
    int EVP_PKEY_derive_set_peer_ex(EVP_PKEY_CTX *context, EVP_PKEY *peer, int validate_peer)
    int EVP_PKEY_derive(EVP_PKEY_CTX *context, unsigned char *secret, size_t *length)
    EVP_PKEY *d2i_PrivateKey(int kind, EVP_PKEY **key, const unsigned char **octets, long length)

    EVP_MD *EVP_MD_fetch(void *library, const char *name, const char *properties)
    EVP_MD_CTX *EVP_MD_CTX_new()
    void EVP_MD_CTX_free(EVP_MD_CTX *context)
    int EVP_DigestInit_ex(EVP_MD_CTX *context, const EVP_MD *digest, void *engine)
    int EVP_DigestUpdate(EVP_MD_CTX *context, const void *octets, size_t length)
    int EVP_DigestFinal_ex(EVP_MD_CTX *context, unsigned char *digest, unsigned int *length)

    EVP_CIPHER *EVP_CIPHER_fetch(void *library, const char *name, const char *properties)
    EVP_CIPHER_CTX *EVP_CIPHER_CTX_new()
    void EVP_CIPHER_CTX_free(EVP_CIPHER_CTX *context)
    int EVP_EncryptInit_ex(
        EVP_CIPHER_CTX *context, const EVP_CIPHER *cipher, void *engine, const unsigned char *key,
        const unsigned char *nonce)
    int EVP_EncryptUpdate(
        EVP_CIPHER_CTX *context, unsigned char *out, int *out_length, const unsigned char *octets, int length)
    int EVP_EncryptFinal_ex(EVP_CIPHER_CTX *context, unsigned char *out, int *out_length)
    int EVP_CIPHER_CTX_ctrl(EVP_CIPHER_CTX *context, int kind, int argument, void *pointer)
