# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Decoding of request header blocks (HPACK, RFC 7541), as far as a sink has to look.

A sink reads ``apns-id`` and, when it audits, ``:path``. Every other field is only stepped over, so that the sink stays
cheaper than whatever it measures: a Huffman string is decoded when it names a field, enters the dynamic table (whose
sizes count decoded bytes) or is a value somebody reads. The price is that it does not notice bad codes in the rest.
libnghttp2's inflater decodes everything and would cost more than all other work of the sink together.

Static table and Huffman code come from the ``hpack`` package, which the benchmark's h2 clients need anyway.
"""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcmp, memcpy, memset

from hpack.huffman_constants import REQUEST_CODES as _CODES
from hpack.huffman_constants import REQUEST_CODES_LENGTH as _CODE_LENGTHS
from hpack.table import HeaderTable

cdef enum:
    STATIC_ENTRIES = 61
    ENTRY_OVERHEAD = 32       # RFC 7541 4.1
    SHORTEST_CODE = 5
    LONGEST_CODE = 30
    INTEGER_LIMIT = 1 << 24   # nothing that fits a header block is longer

cdef struct Cursor:
    const uint8_t* at
    const uint8_t* end

cdef struct FieldName:
    size_t kind
    size_t length

cdef FieldName static_names[STATIC_ENTRIES + 1]

# Canonical Huffman code: the codes of one length are consecutive, so a length is found by its limit in a left-justified
# 32-bit window, and the symbol by its distance from the first code of that length.
cdef uint64_t code_limit[LONGEST_CODE + 1]
cdef uint32_t first_code[LONGEST_CODE + 1]
cdef uint32_t first_symbol[LONGEST_CODE + 1]
cdef uint8_t symbols[257]


def _fill_static_table():
    cdef int index
    for index in range(STATIC_ENTRIES):
        name, _value = HeaderTable.STATIC_TABLE[index]
        static_names[index + 1].kind = FIELD_PATH if name == b":path" else FIELD_OTHER
        static_names[index + 1].length = len(name)


def _fill_code_table():
    cdef size_t position
    cdef int length
    cdef uint64_t code
    order = sorted(range(256), key=_CODES.__getitem__)
    order.sort(key=_CODE_LENGTHS.__getitem__)
    for position in range(256):
        code = _CODES[order[position]]
        length = _CODE_LENGTHS[order[position]]
        symbols[position] = order[position]
        if code_limit[length] == 0:
            first_code[length] = code
            first_symbol[length] = position
        code_limit[length] = (code + 1) << (32 - length)
    for length in range(SHORTEST_CODE + 1, LONGEST_CODE + 1):
        if code_limit[length] == 0:
            code_limit[length] = code_limit[length - 1]


_fill_static_table()
_fill_code_table()


cdef int _read_integer(Cursor* cursor, int prefix_bits, size_t* value) noexcept nogil:
    """Read an integer (RFC 7541 5.1) whose first octet is at the cursor."""
    cdef size_t mask = (1 << prefix_bits) - 1
    cdef size_t total
    cdef int shift = 0
    cdef uint8_t octet
    if cursor.at == cursor.end:
        return -1
    total = cursor.at[0] & mask
    cursor.at += 1
    if total == mask:
        while True:
            if cursor.at == cursor.end or shift > 21:
                return -1
            octet = cursor.at[0]
            cursor.at += 1
            total += <size_t>(octet & 0x7F) << shift
            shift += 7
            if not octet & 0x80:
                break
    if total > INTEGER_LIMIT:
        return -1
    value[0] = total
    return 0


cdef int _decode_huffman(const uint8_t* coded, size_t size, uint8_t* target, size_t* length) noexcept nogil:
    """Decode into ``target``, which holds TEXT_LIMIT bytes; padding of ones ends the string (RFC 7541 5.2)."""
    cdef uint64_t window = 0
    cdef int bits = 0
    cdef int code_length
    cdef uint32_t head
    cdef size_t produced = 0
    cdef size_t position = 0
    while True:
        while bits <= 56 and position < size:
            window |= <uint64_t>coded[position] << (56 - bits)
            bits += 8
            position += 1
        if bits < SHORTEST_CODE:
            break
        # Past the end the window is filled up with ones: padding then never looks like a symbol that is there.
        head = <uint32_t>((window | (<uint64_t>-1 >> bits if bits < 64 else 0)) >> 32)
        code_length = SHORTEST_CODE
        while code_length <= LONGEST_CODE and head >= code_limit[code_length]:
            code_length += 1
        if code_length > bits:
            break
        if code_length > LONGEST_CODE:
            return -1
        target[produced] = symbols[first_symbol[code_length] + (head >> (32 - code_length)) - first_code[code_length]]
        produced += 1
        window <<= code_length
        bits -= code_length
    if bits > 7:
        return -1
    length[0] = produced
    return 0


cdef int _read_string(Cursor* cursor, uint8_t* target, size_t* length) noexcept nogil:
    """Read a string literal (RFC 7541 5.2) into ``target``; with NULL for a target step over it."""
    cdef size_t size
    cdef bint is_coded
    cdef const uint8_t* start
    if cursor.at == cursor.end:
        return -1
    is_coded = cursor.at[0] & 0x80
    if _read_integer(cursor, 7, &size) < 0 or size > <size_t>(cursor.end - cursor.at):
        return -1
    start = cursor.at
    cursor.at += size
    if target == NULL:
        return 0
    if size > ENCODED_LIMIT:
        return -1
    if is_coded:
        return _decode_huffman(start, size, target, length)
    memcpy(target, start, size)
    length[0] = size
    return 0


cdef TableEntry* _dynamic_entry(RequestDecoder* decoder, size_t index) noexcept nogil:
    """Return the entry of a header-table index above the static ones, or NULL."""
    cdef size_t age = index - STATIC_ENTRIES - 1
    if age >= decoder.count:
        return NULL
    return &decoder.entries[(decoder.newest + TABLE_ENTRIES - age) % TABLE_ENTRIES]


cdef void _evict_to(RequestDecoder* decoder, size_t room) noexcept nogil:
    """Drop oldest entries until at most ``room`` bytes are in use (RFC 7541 4.4)."""
    cdef TableEntry* oldest
    while decoder.table_bytes > room:
        oldest = &decoder.entries[(decoder.newest + TABLE_ENTRIES + 1 - decoder.count) % TABLE_ENTRIES]
        decoder.table_bytes -= oldest.name_length + oldest.value_length + ENTRY_OVERHEAD
        decoder.count -= 1
        free(oldest.value)
        oldest.value = NULL


cdef int _insert(RequestDecoder* decoder, FieldName name, const uint8_t* value, size_t length) noexcept nogil:
    """Add an entry, keeping its value only if its kind is one we read."""
    cdef size_t size = name.length + length + ENTRY_OVERHEAD
    cdef TableEntry* entry
    if size > decoder.table_limit:
        _evict_to(decoder, 0)
        return 0
    _evict_to(decoder, decoder.table_limit - size)
    decoder.newest = (decoder.newest + 1) % TABLE_ENTRIES
    decoder.count += 1
    decoder.table_bytes += size
    entry = &decoder.entries[decoder.newest]
    entry.kind = name.kind
    entry.name_length = name.length
    entry.value_length = length
    entry.value = NULL
    if name.kind == FIELD_OTHER or length == 0:
        return 0
    entry.value = <uint8_t*>malloc(length)
    if entry.value == NULL:
        return -1
    memcpy(entry.value, value, length)
    return 0


cdef int _read_indexed(RequestDecoder* decoder, Cursor* cursor) noexcept nogil:
    """Take a field that stands in a table whole (RFC 7541 6.1). The static paths "/" and "/index.html" read as none."""
    cdef size_t index
    cdef TableEntry* entry
    if _read_integer(cursor, 7, &index) < 0 or index == 0:
        return -1
    if index <= STATIC_ENTRIES:
        return 0
    entry = _dynamic_entry(decoder, index)
    if entry == NULL:
        return -1
    if entry.kind != FIELD_OTHER:
        decoder.length[entry.kind] = entry.value_length
        if entry.value_length:
            memcpy(decoder.text[entry.kind], entry.value, entry.value_length)
    return 0


cdef int _read_name(RequestDecoder* decoder, Cursor* cursor, size_t index, FieldName* name) noexcept nogil:
    """Find the name a literal field refers to, or read it."""
    cdef TableEntry* entry
    if index == 0:
        if _read_string(cursor, decoder.name, &name.length) < 0:
            return -1
        name.kind = FIELD_OTHER
        if name.length == 7 and memcmp(decoder.name, b"apns-id", 7) == 0:
            name.kind = FIELD_APNS_ID
        elif name.length == 5 and memcmp(decoder.name, b":path", 5) == 0:
            name.kind = FIELD_PATH
    elif index <= STATIC_ENTRIES:
        name[0] = static_names[index]
    else:
        entry = _dynamic_entry(decoder, index)
        if entry == NULL:
            return -1
        name.kind = entry.kind
        name.length = entry.name_length
    return 0


cdef int _read_literal(RequestDecoder* decoder, Cursor* cursor, int prefix_bits, bint inserts) noexcept nogil:
    """Take a literal field: with incremental indexing (RFC 7541 6.2.1), or without (6.2.2, 6.2.3)."""
    cdef size_t index
    cdef FieldName name
    cdef uint8_t* target = NULL
    if _read_integer(cursor, prefix_bits, &index) < 0 or _read_name(decoder, cursor, index, &name) < 0:
        return -1
    if inserts or name.kind == FIELD_APNS_ID or (name.kind == FIELD_PATH and decoder.reads_path):
        target = decoder.text[name.kind]
    if _read_string(cursor, target, &decoder.length[name.kind]) < 0:
        return -1
    if inserts:
        return _insert(decoder, name, target, decoder.length[name.kind])
    return 0


cdef int _resize_table(RequestDecoder* decoder, Cursor* cursor) noexcept nogil:
    """Follow a dynamic table size update (RFC 7541 6.3)."""
    cdef size_t size
    if _read_integer(cursor, 5, &size) < 0 or size > TABLE_BYTES:
        return -1
    decoder.table_limit = size
    _evict_to(decoder, size)
    return 0


cdef void decoder_start(RequestDecoder* decoder, bint reads_path) noexcept nogil:
    """Set up a decoder with an empty table."""
    memset(decoder, 0, sizeof(RequestDecoder))
    decoder.table_limit = TABLE_BYTES
    decoder.reads_path = reads_path


cdef void decoder_release(RequestDecoder* decoder) noexcept nogil:
    """Free what the table owns."""
    _evict_to(decoder, 0)


cdef int decode_request(RequestDecoder* decoder, const uint8_t* block, size_t size) noexcept nogil:
    """Decode one whole header block into ``text`` and ``length`` (0: no such field); -1 is a COMPRESSION_ERROR."""
    cdef Cursor cursor
    cdef uint8_t first
    cdef int status
    cursor.at = block
    cursor.end = block + size
    decoder.length[FIELD_PATH] = 0
    decoder.length[FIELD_APNS_ID] = 0
    while cursor.at < cursor.end:
        first = cursor.at[0]
        if first & 0x80:
            status = _read_indexed(decoder, &cursor)
        elif first & 0x40:
            status = _read_literal(decoder, &cursor, 6, True)
        elif first & 0x20:
            status = _resize_table(decoder, &cursor)
        else:
            status = _read_literal(decoder, &cursor, 4, False)
        if status < 0:
            return -1
    return 0


cdef class RequestHeaderDecoder:
    """The decoder for Python: one a connection, blocks in the order they came."""

    cdef RequestDecoder* decoder  # owned

    def __cinit__(self):
        self.decoder = <RequestDecoder*>malloc(sizeof(RequestDecoder))
        if self.decoder == NULL:
            raise MemoryError
        decoder_start(self.decoder, True)

    def __dealloc__(self):
        if self.decoder != NULL:
            decoder_release(self.decoder)
            free(self.decoder)

    def decode(self, bytes block):
        """Return path and apns-id of one header block, b"" for a missing one. ValueError is a COMPRESSION_ERROR."""
        cdef RequestDecoder* decoder = self.decoder
        if decode_request(decoder, block, len(block)) < 0:
            raise ValueError("the header block breaks RFC 7541, or a string in it is over 4096 bytes")
        return (
            decoder.text[FIELD_PATH][:decoder.length[FIELD_PATH]],
            decoder.text[FIELD_APNS_ID][:decoder.length[FIELD_APNS_ID]],
        )
