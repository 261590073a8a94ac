"""Ephemeral keys and shared secrets on P-256: what both routes through libcrypto have in common."""

cdef enum:
    SCALAR_BYTES = 32
    POINT_BYTES = 65  # uncompressed: 0x04, X, Y
    SECRET_BYTES = 32
    CHUNK_ROWS = 64  # rows of one conversion to affine coordinates: its one inversion is then under 0.2 µs a row


cdef struct KeyPair:
    unsigned char scalar[SCALAR_BYTES]
    unsigned char point[POINT_BYTES]


cdef struct Agreement:
    const unsigned char *peer  # POINT_BYTES; the octets belong to the caller
    KeyPair pair
    bint has_pair  # else agree() makes one
    bint is_refused  # by agree(): the peer's point is not on the curve
    unsigned char secret[SECRET_BYTES]


cdef class KeyAgreement:
    cdef bint make_pairs(self, KeyPair *pairs, int count) noexcept nogil
    cdef bint complete_pair(self, KeyPair *pair) noexcept nogil
    cdef bint agree(self, Agreement *rows, int count) noexcept nogil


cdef bint ran_out_of_memory() noexcept nogil
