"""One HTTP/2 connection on the server's side (RFC 9113): request frames in, answers out."""

from cpython.ref cimport PyObject
from libc.stdint cimport int64_t, uint8_t, uint32_t

from bench.sink.header_block cimport RequestDecoder
from bench.sink.open_streams cimport OpenStreams

cdef enum:
    INPUT_BYTES = 262_144     # one read takes up to this; holds any frame we allow many times over

cdef struct Counters:
    # Shared with whoever watches the sink: bench/sink/counters.py names the same fields in the same order.
    int64_t requests
    int64_t body_bytes
    int64_t received_bytes
    int64_t connections
    int64_t refused_streams
    int64_t protocol_errors
    int64_t deferred

cdef struct ServerSession:
    RequestDecoder decoder
    Counters* counters        # borrowed
    PyObject* audit           # borrowed; NULL when nobody asks for distinct requests
    OpenStreams streams
    uint32_t stream_limit
    uint32_t defer_every      # each so many-th request of the sink is deferred; 0 defers none
    uint8_t* input            # owned, INPUT_BYTES
    size_t input_length
    uint8_t* output           # owned, grows as needed
    size_t output_length
    size_t output_capacity
    uint8_t* block            # owned, BLOCK_LIMIT: a header block in pieces
    size_t block_length
    uint32_t block_stream     # 0 unless a CONTINUATION must follow
    bint block_ends_stream
    bint preface_seen
    bint is_closing           # send what is left, then close
    uint32_t highest_stream
    size_t unreported_bytes   # received DATA not yet given back by WINDOW_UPDATE

cdef ServerSession* session_open(
    uint32_t stream_limit, uint32_t defer_every, Counters* counters, PyObject* audit
) noexcept nogil
cdef void session_free(ServerSession* session) noexcept nogil
cdef void session_process(ServerSession* session) noexcept nogil
