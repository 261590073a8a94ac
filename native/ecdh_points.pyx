"""The fast route: products are kept as projective points and made affine together, one inversion a chunk.

libcrypto's own ECDH is this multiplication, a conversion to affine coordinates for itself alone (4 to 8 µs) and, with
EVP, the keys' objects. What is saved there pays for the fresh key. After the joint conversion Z is 1,
so X and Y are read as they stand: the functions that read affine coordinates would invert Z once more.

EC_POINT_mul with one scalar takes constant time on P-256; so does the inversion, an exponentiation.
"""

from libc.string cimport memcpy

from native.c.openssl cimport (
    BN_CTX_free, BN_CTX_new, BN_bin2bn, BN_bn2binpad, BN_clear, BN_clear_free, BN_cmp, BN_is_zero, BN_new, EC_GROUP,
    EC_GROUP_get0_generator, EC_GROUP_get0_order, EC_GROUP_new_by_curve_name, EC_POINT, EC_POINT_clear_free,
    EC_POINT_copy, EC_POINT_get_Jprojective_coordinates_GFp, EC_POINT_is_at_infinity, EC_POINT_mul, EC_POINT_new,
    EC_POINT_oct2point, EC_POINTs_make_affine, ERR_clear_error, NID_X9_62_prime256v1, OPENSSL_cleanse, RAND_priv_bytes)
from native.ecdh cimport CHUNK_ROWS, POINT_BYTES, SCALAR_BYTES, SECRET_BYTES, Agreement, KeyPair, ran_out_of_memory

cdef EC_GROUP *P256 = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1)
if P256 == NULL:
    raise ImportError("libcrypto knows no curve P-256")


cdef class PointAgreement(KeyAgreement):
    """The fast route: for other native modules."""

    def __cinit__(self):
        self._scalar = BN_new()
        self._x = BN_new()
        self._y = BN_new()
        self._peer = EC_POINT_new(P256)
        if NULL in (self._scalar, self._x, self._y, self._peer):
            raise MemoryError

    def __dealloc__(self):
        cdef int position
        for position in range(2 * CHUNK_ROWS):
            EC_POINT_clear_free(self._points[position])
        EC_POINT_clear_free(self._peer)
        BN_clear_free(self._scalar)
        BN_clear_free(self._x)
        BN_clear_free(self._y)

    cdef bint make_pairs(self, KeyPair *pairs, int count) noexcept nogil:
        cdef int done = 0
        cdef int part
        cdef bint is_made = True
        while is_made and done < count:
            part = min(count - done, CHUNK_ROWS)
            is_made = self._begin() and self._make_pairs(pairs + done, part)
            self._forget()
            done += part
        return is_made

    cdef bint complete_pair(self, KeyPair *pair) noexcept nogil:
        cdef bint is_complete
        is_complete = (
            self._begin() and self._is_scalar(pair.scalar) and self._multiply_generator() and self._make_affine()
            and self._read_point(0, pair.point))
        self._forget()
        return is_complete

    cdef bint agree(self, Agreement *rows, int count) noexcept nogil:
        cdef bint is_agreed = self._begin() and self._agree(rows, count)
        self._forget()
        return is_agreed

    cdef bint _agree(self, Agreement *rows, int count) noexcept nogil:
        cdef int row
        cdef int missing = 0
        cdef int position = 0
        for row in range(count):
            missing += not rows[row].has_pair
        if not self._draw(missing):
            return False
        for row in range(count):
            if not self._multiply_peer(&rows[row]):
                return False
        if not self._make_affine():
            return False
        for row in range(count):
            if rows[row].is_refused:
                continue
            if not self._read_secret(position, rows[row].secret):
                return False
            position += 1
            if not rows[row].has_pair:
                if not self._read_point(position, rows[row].pair.point):
                    return False
                rows[row].has_pair = True
                position += 1
        return True

    cdef bint _make_pairs(self, KeyPair *pairs, int count) noexcept nogil:
        cdef int row
        if not self._draw(count):
            return False
        for row in range(count):
            if not (self._take_scalar(pairs[row].scalar) and self._multiply_generator()):
                return False
        if not self._make_affine():
            return False
        for row in range(count):
            if not self._read_point(row, pairs[row].point):
                return False
        return True

    cdef bint _draw(self, int count) noexcept nogil:
        """Draw the scalars of a chunk at once: a draw costs 1 µs by itself."""
        self._undrawn = count
        return count == 0 or RAND_priv_bytes(self._draws, count * SCALAR_BYTES) == 1

    cdef bint _take_scalar(self, unsigned char *scalar) noexcept nogil:
        """Take the next one, uniform below the order: drawn again in the one case of 2**32 that lies outside."""
        self._undrawn -= 1
        memcpy(scalar, self._draws + self._undrawn * SCALAR_BYTES, SCALAR_BYTES)
        while not self._is_scalar(scalar):
            if RAND_priv_bytes(scalar, SCALAR_BYTES) != 1:
                return False
        return True

    cdef bint _is_scalar(self, const unsigned char *octets) noexcept nogil:
        """Read a scalar and say whether it is one: neither 0 nor as great as the order."""
        return (
            BN_bin2bn(octets, SCALAR_BYTES, self._scalar) != NULL and not BN_is_zero(self._scalar)
            and BN_cmp(self._scalar, EC_GROUP_get0_order(P256)) < 0)

    cdef EC_POINT *_append_point(self) noexcept nogil:
        """Return the next of the points, for a product; NULL when there is no memory."""
        if self._points[self._used] == NULL:
            self._points[self._used] = EC_POINT_new(P256)
            if self._points[self._used] == NULL:
                return NULL
        self._used += 1
        return self._points[self._used - 1]

    cdef bint _multiply_generator(self) noexcept nogil:
        """Append scalar times generator: a public key."""
        cdef EC_POINT *product = self._append_point()
        return product != NULL and EC_POINT_mul(P256, product, self._scalar, NULL, NULL, self._context) == 1

    cdef bint _multiply_peer(self, Agreement *row) noexcept nogil:
        """Append a row's secret and, if it lacks a pair, its public key; or refuse the row."""
        cdef EC_POINT *product
        if not EC_POINT_oct2point(P256, self._peer, row.peer, POINT_BYTES, self._context):
            row.is_refused = not ran_out_of_memory()
            ERR_clear_error()
            return row.is_refused
        if row.has_pair:
            if not self._is_scalar(row.pair.scalar):
                return False
        elif not self._take_scalar(row.pair.scalar):
            return False
        product = self._append_point()
        if product == NULL or not EC_POINT_mul(P256, product, NULL, self._peer, self._scalar, self._context):
            return False
        if EC_POINT_is_at_infinity(P256, product):
            return False  # no point of 65 octets leads here
        return row.has_pair or self._multiply_generator()

    cdef bint _make_affine(self) noexcept nogil:
        return self._used == 0 or EC_POINTs_make_affine(P256, self._used, self._points, self._context) == 1

    cdef bint _read_point(self, int position, unsigned char *point) noexcept nogil:
        point[0] = 4
        return (
            EC_POINT_get_Jprojective_coordinates_GFp(
                P256, self._points[position], self._x, self._y, NULL, self._context) == 1
            and BN_bn2binpad(self._x, point + 1, 32) == 32 and BN_bn2binpad(self._y, point + 33, 32) == 32)

    cdef bint _read_secret(self, int position, unsigned char *secret) noexcept nogil:
        """Read X with its leading zeros (RFC 8291 section 3.1)."""
        return (
            EC_POINT_get_Jprojective_coordinates_GFp(
                P256, self._points[position], self._x, NULL, NULL, self._context) == 1
            and BN_bn2binpad(self._x, secret, SECRET_BYTES) == SECRET_BYTES)

    cdef bint _begin(self) noexcept nogil:
        self._context = BN_CTX_new()
        return self._context != NULL

    cdef void _forget(self) noexcept nogil:
        """Wipe what a chunk left here. The points stay, as the generator: making them anew costs 0.4 µs each."""
        cdef const EC_POINT *generator = EC_GROUP_get0_generator(P256)
        while self._used > 0:
            self._used -= 1
            if EC_POINT_copy(self._points[self._used], generator) != 1:  # its coordinates fill every word
                EC_POINT_clear_free(self._points[self._used])
                self._points[self._used] = NULL
        BN_CTX_free(self._context)  # wipes its numbers
        self._context = NULL
        OPENSSL_cleanse(self._draws, sizeof(self._draws))
        BN_clear(self._scalar)
        BN_clear(self._x)
