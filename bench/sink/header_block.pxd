"""Decoding of request header blocks (HPACK, RFC 7541), as far as a sink has to look."""

from libc.stdint cimport uint8_t, uint32_t

cdef enum:
    TABLE_BYTES = 4096        # SETTINGS_HEADER_TABLE_SIZE we leave at its default (RFC 9113 6.5.2)
    TABLE_ENTRIES = 128       # an entry counts at least 32 bytes (RFC 7541 4.1)
    ENCODED_LIMIT = 4096      # longest string we decode, as it stands on the wire
    TEXT_LIMIT = 8192         # the same decoded: the shortest Huffman code has 5 bits

cdef enum:                    # kinds of fields; they index what a decoder keeps of a block
    FIELD_OTHER
    FIELD_PATH
    FIELD_APNS_ID
    FIELD_KINDS

cdef struct TableEntry:
    size_t kind
    size_t name_length
    size_t value_length
    uint8_t* value            # owned; NULL for kinds nobody reads

cdef struct RequestDecoder:
    TableEntry entries[TABLE_ENTRIES]
    size_t newest
    size_t count
    size_t table_bytes
    size_t table_limit
    bint reads_path           # only an audit looks at paths
    uint8_t name[TEXT_LIMIT]
    uint8_t text[FIELD_KINDS][TEXT_LIMIT]
    size_t length[FIELD_KINDS]

cdef void decoder_start(RequestDecoder* decoder, bint reads_path) noexcept nogil
cdef void decoder_release(RequestDecoder* decoder) noexcept nogil
cdef int decode_request(RequestDecoder* decoder, const uint8_t* block, size_t size) noexcept nogil
