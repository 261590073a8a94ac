"""The request header encoder of a session (RFC 7541).

libnghttp2's own deflater treats every field alike: it looks each up, Huffman-codes it, and never indexes
``authorization``. A push gateway sends the same few fields in every request beside two or three that never repeat, so
this encoder does just that. What it promises:

* Only fields marked as indexed enter the dynamic table, each once, as long as the peer's table holds them. Values of a
  single request (path, ids, row fields) are raw literals without indexing; they can't push the token out.
* The session's own fields (authority, the bearer token) are *pinned*: an insertion for a header set never evicts them.
  Another session field may, provided that all of them fit together, or two of them would evict each other for ever.
* What follows the path is the same for every request of a header set once the table has settled. It is kept per header
  set and copied, until the table's ``generation`` moves.
* The table is never larger than TABLE_BYTES, whatever the peer would allow. After the peer lowered its limit the next
  block opens with the size updates that RFC 7541 section 4.2 asks for: the lowest limit in between, then the final
  one.

Whoever calls ``write_head`` has bounded the block (see SIZE_UPDATES_BYTES and LITERAL_BYTES) and owns the room for
it. A failed allocation makes a field a plain literal: never a wrong block.
"""

from libc.string cimport memcmp, memcpy, memset

cimport cython

from native.memory cimport allocate, buffer_append, buffer_release, release

cdef dict STATIC_NAMES = {
    # RFC 7541 appendix A: the first entry of each name
    b":authority": 1, b":method": 2, b":path": 4, b":scheme": 6, b":status": 8, b"accept-charset": 15,
    b"accept-encoding": 16, b"accept-language": 17, b"accept-ranges": 18, b"accept": 19,
    b"access-control-allow-origin": 20, b"age": 21, b"allow": 22, b"authorization": 23, b"cache-control": 24,
    b"content-disposition": 25, b"content-encoding": 26, b"content-language": 27, b"content-length": 28,
    b"content-location": 29, b"content-range": 30, b"content-type": 31, b"cookie": 32, b"date": 33, b"etag": 34,
    b"expect": 35, b"expires": 36, b"from": 37, b"host": 38, b"if-match": 39, b"if-modified-since": 40,
    b"if-none-match": 41, b"if-range": 42, b"if-unmodified-since": 43, b"last-modified": 44, b"link": 45,
    b"location": 46, b"max-forwards": 47, b"proxy-authenticate": 48, b"proxy-authorization": 49, b"range": 50,
    b"referer": 51, b"refresh": 52, b"retry-after": 53, b"server": 54, b"set-cookie": 55,
    b"strict-transport-security": 56, b"transfer-encoding": 57, b"user-agent": 58, b"vary": 59, b"via": 60,
    b"www-authenticate": 61,
}

cdef bytes AUTHORITY_NAME = b":authority"

cdef enum:
    STATIC_ENTRIES = 61
    ENTRY_OVERHEAD = 32  # RFC 7541 section 4.1
    INDEXED = 0x80  # the field representations of RFC 7541 section 6
    INCREMENTAL_INDEXING = 0x40
    SIZE_UPDATE = 0x20
    WITHOUT_INDEXING = 0x00
    METHOD_POST = 0x83  # static entry 3
    SCHEME_HTTPS = 0x87  # static entry 7
    NAME_PATH = 0x04  # a literal without indexing whose name is static entry 4


cdef uint32_t static_name_index(bytes name) except? 0:
    return STATIC_NAMES.get(name, 0)


cdef unsigned char *write_integer(
    unsigned char *out, unsigned char pattern, unsigned char prefix_bits, uint32_t value
) noexcept:
    """Write an integer behind ``pattern`` (RFC 7541 section 5.1): at most 6 octets."""
    cdef uint32_t most = (<uint32_t>1 << prefix_bits) - 1
    if value < most:
        out[0] = <unsigned char>(pattern | value)
        return out + 1
    out[0] = <unsigned char>(pattern | most)
    out += 1
    value -= most
    while value >= 0x80:
        out[0] = <unsigned char>(0x80 | (value & 0x7F))
        out += 1
        value >>= 7
    out[0] = <unsigned char>value
    return out + 1


cdef unsigned char *write_text(unsigned char *out, const unsigned char *octets, uint32_t length) noexcept:
    """Write a string literal without Huffman coding (RFC 7541 section 5.2)."""
    out = write_integer(out, 0, 7, length)
    memcpy(out, octets, length)
    return out + length


cdef inline uint32_t _size_of(Field *field) noexcept:
    return field.name_length + field.value_length + ENTRY_OVERHEAD


cdef inline bint _is_name(Entry *entry, Field *field) noexcept:
    return entry.name_length == field.name_length and memcmp(entry.octets, field.name, field.name_length) == 0


cdef inline bint _is_value(Entry *entry, Field *field) noexcept:
    return (
        entry.value_length == field.value_length
        and memcmp(entry.octets + entry.name_length, field.value, field.value_length) == 0
    )


@cython.final
cdef class Encoder:
    """The dynamic table of one connection's requests, and the block writer. Fields borrow their owners' octets."""

    def __cinit__(self, bytes authority):
        self.limit = self.announced_least = TABLE_BYTES
        self.newest = TABLE_ENTRIES - 1
        self.cache_owners = [None] * CACHED_SETS
        memset(self.cache, 0, sizeof(self.cache))
        self.authority_owner = authority
        self.authority.name = AUTHORITY_NAME
        self.authority.name_length = <uint32_t>len(AUTHORITY_NAME)
        self.authority.value = authority
        self.authority.value_length = len(authority)
        self.authority.static_name = 1
        self.authority.indexed = True
        self.session_size = _size_of(&self.authority)

    def __dealloc__(self):
        cdef uint32_t slot
        self._evict_to(0)
        for slot in range(<uint32_t>CACHED_SETS):
            buffer_release(&self.cache[slot].block)

    cdef int set_session_fields(self, object owner, Field *fields, uint32_t count) except -1:
        """Replace the fields every block carries; ``owner`` keeps their octets alive."""
        cdef uint32_t position
        self.session_owner = owner
        self.session_fields = fields
        self.session_field_count = count
        self.session_size = _size_of(&self.authority)
        for position in range(count):
            if fields[position].indexed:
                self.session_size += _size_of(&fields[position])
        for position in range(self.count):
            self._entry(position).pinned = False
        self.generation += 1
        return 0

    cdef void set_peer_limit(self, uint32_t limit) noexcept:
        """Follow a SETTINGS_HEADER_TABLE_SIZE at once; the next block says so."""
        limit = min(limit, <uint32_t>TABLE_BYTES)
        if limit == self.limit:
            return
        if not self.is_limit_changed or limit < self.announced_least:
            self.announced_least = limit
        self.is_limit_changed = True
        self.limit = limit
        self._evict_to(limit)

    cdef unsigned char *write_head(
        self, unsigned char *out, const unsigned char *path, uint32_t path_length,
        object owner, Field *fields, uint32_t count
    ) noexcept:
        """Write what opens a block: size updates, pseudo-header fields, session fields, the header set ``owner``."""
        cdef uint32_t slot = <uint32_t>((<size_t><void *>owner >> 4) % CACHED_SETS)
        cdef CachedSet *cached = &self.cache[slot]
        if self.is_limit_changed:
            out = self._write_size_updates(out)
        out[0] = NAME_PATH
        out = write_text(out + 1, path, path_length)
        if self.cache_owners[slot] is owner and cached.generation == self.generation and cached.block.length:
            memcpy(out, cached.block.octets, cached.block.length)
            return out + cached.block.length
        return self._write_shared(out, owner, fields, count)

    cdef unsigned char *_write_shared(self, unsigned char *out, object owner, Field *fields, uint32_t count) noexcept:
        """Write what all requests of a header set share, and keep it when the table stood still meanwhile."""
        cdef unsigned char *start = out
        cdef uint64_t generation = self.generation
        cdef uint32_t slot = <uint32_t>((<size_t><void *>owner >> 4) % CACHED_SETS)
        cdef uint32_t position
        out[0] = METHOD_POST
        out[1] = SCHEME_HTTPS
        out = self._write_field(out + 2, &self.authority, True)
        for position in range(self.session_field_count):
            out = self._write_field(out, &self.session_fields[position], True)
        for position in range(count):
            out = self._write_field(out, &fields[position], False)
        if self.generation == generation:
            self.cache[slot].block.length = 0
            if buffer_append(&self.cache[slot].block, start, out - start):
                self.cache[slot].generation = generation
                self.cache_owners[slot] = owner
        return out

    cdef unsigned char *_write_size_updates(self, unsigned char *out) noexcept:
        if self.announced_least < self.limit:
            out = write_integer(out, SIZE_UPDATE, 5, self.announced_least)
        self.is_limit_changed = False
        return write_integer(out, SIZE_UPDATE, 5, self.limit)

    cdef unsigned char *_write_field(self, unsigned char *out, Field *field, bint pinned) noexcept:
        cdef uint32_t index
        cdef unsigned char pattern = WITHOUT_INDEXING
        cdef unsigned char prefix_bits = 4
        if field.indexed:
            index = self._find_field(field, pinned)
            if index:
                return write_integer(out, INDEXED, 7, index)
        index = self._find_name(field)
        if field.indexed and self._insert(field, pinned):
            pattern = INCREMENTAL_INDEXING
            prefix_bits = 6
        out = write_integer(out, pattern, prefix_bits, index)
        if index == 0:
            out = write_text(out, field.name, field.name_length)
        return write_text(out, field.value, field.value_length)

    cdef inline Entry *_entry(self, uint32_t position) noexcept:
        """Return the entry inserted ``position`` insertions before the newest."""
        return &self.entries[(self.newest + TABLE_ENTRIES - position) % TABLE_ENTRIES]

    cdef uint32_t _find_field(self, Field *field, bint pinned) noexcept:
        """Return the index of a field that stands in the dynamic table, else 0."""
        cdef uint32_t position
        cdef Entry *entry
        for position in range(self.count):
            entry = self._entry(position)
            if _is_name(entry, field) and _is_value(entry, field):
                entry.pinned = entry.pinned or pinned
                return STATIC_ENTRIES + 1 + position
        return 0

    cdef uint32_t _find_name(self, Field *field) noexcept:
        cdef uint32_t position
        if field.static_name:
            return field.static_name
        for position in range(self.count):
            if _is_name(self._entry(position), field):
                return STATIC_ENTRIES + 1 + position
        return 0

    cdef bint _insert(self, Field *field, bint pinned) noexcept:
        """Put a field into the table; False when it must stay out of it, or memory ran out."""
        cdef uint32_t needed = _size_of(field)
        cdef unsigned char *octets
        cdef Entry *entry
        if needed > self.limit or not self._can_evict(needed, pinned):
            return False
        octets = <unsigned char *>allocate(field.name_length + field.value_length)
        if octets == NULL:
            return False
        self._evict_to(self.limit - needed)
        self.newest = (self.newest + 1) % TABLE_ENTRIES
        self.count += 1
        self.size += needed
        self.generation += 1
        entry = self._entry(0)
        memcpy(octets, field.name, field.name_length)
        memcpy(octets + field.name_length, field.value, field.value_length)
        entry.octets = octets
        entry.name_length = field.name_length
        entry.value_length = field.value_length
        entry.pinned = pinned
        return True

    cdef bint _can_evict(self, uint32_t needed, bint pinned) noexcept:
        """Tell whether ``needed`` octets can be had from the oldest entries without evicting a pinned one in vain."""
        cdef uint32_t size = self.size
        cdef uint32_t position = self.count
        cdef Entry *oldest
        if pinned and self.session_size <= self.limit:
            return True
        while size + needed > self.limit:
            position -= 1
            oldest = self._entry(position)
            if oldest.pinned:
                return False
            size -= oldest.name_length + oldest.value_length + ENTRY_OVERHEAD
        return True

    cdef void _evict_to(self, uint32_t size) noexcept:
        """Evict the oldest entries until at most ``size`` octets are left (RFC 7541 section 4.3)."""
        cdef Entry *oldest
        while self.size > size:
            oldest = self._entry(self.count - 1)
            self.size -= oldest.name_length + oldest.value_length + ENTRY_OVERHEAD
            self.count -= 1
            self.generation += 1
            release(oldest.octets)
            oldest.octets = NULL
