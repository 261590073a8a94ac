"""HPACK for our own requests (RFC 7541): field tables, the encoder's dynamic table, block writing."""

from libc.stdint cimport uint32_t, uint64_t

cimport cython

from native.memory cimport Buffer


cdef enum:
    TABLE_BYTES = 4096  # what a peer allows before its SETTINGS say otherwise, and the most we ever use
    TABLE_ENTRIES = 128  # TABLE_BYTES / 32, the least an entry costs (RFC 7541 section 4.1)
    CACHED_SETS = 16  # header sets that alternate on one session; more only means encoding anew
    SIZE_UPDATES_BYTES = 12  # two dynamic table size updates of at most 6 octets
    LITERAL_BYTES = 12  # the most a literal needs beside the octets of its name and value

cdef struct Field:
    const unsigned char *name  # these octets belong to the Python objects of whoever made the field
    const unsigned char *value
    uint32_t name_length
    uint32_t value_length
    uint32_t static_name  # index of the name in the static table, 0 when it isn't there
    bint indexed

cdef struct Entry:
    unsigned char *octets  # owned: name and value in one piece
    uint32_t name_length
    uint32_t value_length
    bint pinned

cdef struct CachedSet:
    Buffer block
    uint64_t generation

cdef uint32_t static_name_index(bytes name) except? 0
cdef unsigned char *write_integer(
    unsigned char *out, unsigned char pattern, unsigned char prefix_bits, uint32_t value) noexcept
cdef unsigned char *write_text(unsigned char *out, const unsigned char *octets, uint32_t length) noexcept


@cython.final
cdef class Encoder:
    cdef Entry entries[TABLE_ENTRIES]  # ring
    cdef uint32_t newest, count, size, limit
    cdef uint32_t announced_least  # the lowest limit since the last block
    cdef bint is_limit_changed
    cdef uint64_t generation  # moves with every insertion and eviction
    cdef Field authority
    cdef object authority_owner, session_owner
    cdef Field *session_fields  # borrowed from session_owner
    cdef uint32_t session_field_count, session_size
    cdef list cache_owners
    cdef CachedSet cache[CACHED_SETS]

    cdef int set_session_fields(self, object owner, Field *fields, uint32_t count) except -1
    cdef void set_peer_limit(self, uint32_t limit) noexcept
    cdef unsigned char *write_head(
        self, unsigned char *out, const unsigned char *path, uint32_t path_length,
        object owner, Field *fields, uint32_t count) noexcept
    cdef unsigned char *_write_shared(self, unsigned char *out, object owner, Field *fields, uint32_t count) noexcept
    cdef unsigned char *_write_size_updates(self, unsigned char *out) noexcept
    cdef unsigned char *_write_field(self, unsigned char *out, Field *field, bint pinned) noexcept
    cdef uint32_t _find_field(self, Field *field, bint pinned) noexcept
    cdef uint32_t _find_name(self, Field *field) noexcept
    cdef Entry *_entry(self, uint32_t position) noexcept
    cdef bint _insert(self, Field *field, bint pinned) noexcept
    cdef bint _can_evict(self, uint32_t needed, bint pinned) noexcept
    cdef void _evict_to(self, uint32_t size) noexcept
