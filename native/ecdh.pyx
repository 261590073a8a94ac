"""Ephemeral keys and shared secrets on P-256: what both routes through libcrypto have in common (RFC 8291 section 3.1).

The contract of a route, an object that one thread uses at a time:

- ``make_pairs`` fills fresh pairs, ``complete_pair`` computes the point of a given scalar (False too where that is 0 or
  not below the order), ``agree`` computes the secrets of up to CHUNK_ROWS rows, making the pairs that rows lack.
- Each returns False when libcrypto failed; the pairs and secrets must then be wiped unread. Whoever owns the rows wipes
  them in any case; a route wipes what it kept for itself before it returns, for it serves other calls after this one.
- A peer's point is checked once, while it is decoded: both coordinates below p, on the curve. P-256 has cofactor 1, so
  every such point has the whole order; EVP's own check of that (one scalar multiplication, about 70 µs) is left out.
"""

from native.c.openssl cimport ERR_GET_REASON, ERR_R_MALLOC_FAILURE, ERR_peek_last_error


cdef class KeyAgreement:
    """A route through libcrypto: for other native modules."""

    cdef bint make_pairs(self, KeyPair *pairs, int count) noexcept nogil:
        return False

    cdef bint complete_pair(self, KeyPair *pair) noexcept nogil:
        return False

    cdef bint agree(self, Agreement *rows, int count) noexcept nogil:
        return False


cdef bint ran_out_of_memory() noexcept nogil:
    """Tell whether libcrypto's last failure says nothing about the octets it was given."""
    return ERR_GET_REASON(ERR_peek_last_error()) == ERR_R_MALLOC_FAILURE
