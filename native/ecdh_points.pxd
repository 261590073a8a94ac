"""The fast route: points."""

from native.c.openssl cimport BIGNUM, BN_CTX, EC_POINT
from native.ecdh cimport CHUNK_ROWS, SCALAR_BYTES, Agreement, KeyAgreement, KeyPair


cdef class PointAgreement(KeyAgreement):
    cdef BN_CTX *_context  # owned, like all below; made for each chunk, so that no number of one stays
    cdef BIGNUM *_scalar
    cdef BIGNUM *_x
    cdef BIGNUM *_y
    cdef EC_POINT *_peer
    cdef EC_POINT *_points[2 * CHUNK_ROWS]  # made when first needed
    cdef int _used  # of _points: all beyond are the generator
    cdef unsigned char _draws[CHUNK_ROWS * SCALAR_BYTES]
    cdef int _undrawn  # scalars left in _draws

    cdef bint make_pairs(self, KeyPair *pairs, int count) noexcept nogil
    cdef bint complete_pair(self, KeyPair *pair) noexcept nogil
    cdef bint agree(self, Agreement *rows, int count) noexcept nogil
    cdef bint _agree(self, Agreement *rows, int count) noexcept nogil
    cdef bint _make_pairs(self, KeyPair *pairs, int count) noexcept nogil
    cdef bint _draw(self, int count) noexcept nogil
    cdef bint _take_scalar(self, unsigned char *scalar) noexcept nogil
    cdef bint _is_scalar(self, const unsigned char *octets) noexcept nogil
    cdef EC_POINT *_append_point(self) noexcept nogil
    cdef bint _multiply_generator(self) noexcept nogil
    cdef bint _multiply_peer(self, Agreement *row) noexcept nogil
    cdef bint _make_affine(self) noexcept nogil
    cdef bint _read_point(self, int position, unsigned char *point) noexcept nogil
    cdef bint _read_secret(self, int position, unsigned char *secret) noexcept nogil
    cdef bint _begin(self) noexcept nogil
    cdef void _forget(self) noexcept nogil
