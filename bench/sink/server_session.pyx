# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""One HTTP/2 connection on the server's side (RFC 9113): request frames in, answers out.

The owner appends received bytes to ``input``, calls ``session_process`` and sends ``output``. Each request is answered
the moment its END_STREAM is parsed: ``:status 200``, or 503 where it is to be tried again, and its own ``apns-id``. A
stream is remembered only between its HEADERS and its END_STREAM. Answers have no body, so the peer's flow control never
holds them back; our own windows are wide and given back in large steps, so that a WINDOW_UPDATE costs next to nothing
per request.

What breaks the protocol ends the connection with GOAWAY and is counted. What a strict server would also notice (header
names, a body's length against content-length, stream states after END_STREAM) is the simulator's business.
"""

from cpython.ref cimport PyObject
from libc.stdint cimport uint8_t, uint32_t
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memcmp, memcpy, memmove

from bench.sink.header_block cimport (
    FIELD_APNS_ID,
    FIELD_PATH,
    decode_request,
    decoder_release,
    decoder_start,
)
from bench.sink.open_streams cimport (
    IDENTIFIER_LIMIT,
    OpenStream,
    streams_add,
    streams_drop,
    streams_find,
    streams_release,
    streams_start,
)

cdef enum:
    FRAME_HEADER_BYTES = 9
    FRAME_LIMIT = 16_384              # SETTINGS_MAX_FRAME_SIZE stays at its default
    BLOCK_LIMIT = 65_536
    PREFACE_BYTES = 24
    OUTPUT_START_BYTES = 65_536
    STREAM_WINDOW = 0x7FFFFFFF        # so no stream ever needs a WINDOW_UPDATE of its own
    CONNECTION_WINDOW = 16_777_216
    WINDOW_STEP = 8_388_608
    FIRST_CONNECTION_WINDOW = 65_535  # RFC 9113 6.9.2

cdef enum FrameType:
    DATA = 0
    HEADERS = 1
    PRIORITY = 2
    RST_STREAM = 3
    SETTINGS = 4
    PUSH_PROMISE = 5
    PING = 6
    GOAWAY = 7
    WINDOW_UPDATE = 8
    CONTINUATION = 9

cdef enum Flag:
    ACK = 0x1
    END_STREAM = 0x1
    END_HEADERS = 0x4
    PADDED = 0x8
    HAS_PRIORITY = 0x20

cdef enum ErrorCode:
    PROTOCOL_ERROR = 0x1
    INTERNAL_ERROR = 0x2
    STREAM_CLOSED = 0x5
    FRAME_SIZE_ERROR = 0x6
    REFUSED_STREAM = 0x7
    COMPRESSION_ERROR = 0x9
    ENHANCE_YOUR_CALM = 0xB

cdef enum Setting:
    MAX_CONCURRENT_STREAMS = 0x3
    INITIAL_WINDOW_SIZE = 0x4

cdef struct Frame:
    uint8_t type
    uint8_t flags
    uint32_t stream_id
    const uint8_t* payload
    size_t size

cdef const uint8_t* PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
# :status 200 is static index 8 (RFC 7541 6.1); 503 has none, so it is a literal under that index's name (6.2.2).
cdef const uint8_t* ACCEPTED = b"\x88"
cdef const uint8_t* DEFERRED = b"\x08\x03503"
# A literal without indexing whose new name is "apns-id"; its value follows.
cdef const uint8_t* IDENTIFIER = b"\x00\x07apns-id"
cdef enum:
    ACCEPTED_BYTES = 1
    DEFERRED_BYTES = 5
    IDENTIFIER_BYTES = 9


cdef void _put_32(uint8_t* target, uint32_t value) noexcept nogil:
    target[0] = (value >> 24) & 0xFF
    target[1] = (value >> 16) & 0xFF
    target[2] = (value >> 8) & 0xFF
    target[3] = value & 0xFF


cdef uint32_t _get_32(const uint8_t* source) noexcept nogil:
    return (<uint32_t>source[0] << 24) | (<uint32_t>source[1] << 16) | (<uint32_t>source[2] << 8) | source[3]


cdef uint8_t* _frame(
    ServerSession* session, uint8_t kind, uint8_t flags, uint32_t stream_id, size_t size
) noexcept nogil:
    """Append a frame's header to the output and return where its payload goes; NULL when memory is out."""
    cdef size_t needed = session.output_length + FRAME_HEADER_BYTES + size
    cdef uint8_t* target
    if needed > session.output_capacity:
        target = <uint8_t*>realloc(session.output, 2 * needed)
        if target == NULL:
            session.is_closing = True
            return NULL
        session.output = target
        session.output_capacity = 2 * needed
    target = session.output + session.output_length
    session.output_length = needed
    target[0] = (size >> 16) & 0xFF
    target[1] = (size >> 8) & 0xFF
    target[2] = size & 0xFF
    target[3] = kind
    target[4] = flags
    _put_32(target + 5, stream_id)
    return target + FRAME_HEADER_BYTES


cdef void _send_number(ServerSession* session, uint8_t kind, uint32_t stream_id, uint32_t value) noexcept nogil:
    """Send a frame whose payload is one 32-bit number: RST_STREAM or WINDOW_UPDATE."""
    cdef uint8_t* payload = _frame(session, kind, 0, stream_id, 4)
    if payload != NULL:
        _put_32(payload, value)


cdef void _send_settings(ServerSession* session) noexcept nogil:
    """Send our SETTINGS and widen the connection's window."""
    cdef uint8_t* payload = _frame(session, SETTINGS, 0, 0, 12)
    if payload == NULL:
        return
    payload[0] = 0
    payload[1] = MAX_CONCURRENT_STREAMS
    _put_32(payload + 2, session.stream_limit)
    payload[6] = 0
    payload[7] = INITIAL_WINDOW_SIZE
    _put_32(payload + 8, STREAM_WINDOW)
    _send_number(session, WINDOW_UPDATE, 0, CONNECTION_WINDOW - FIRST_CONNECTION_WINDOW)


cdef void _fail(ServerSession* session, uint32_t error_code) noexcept nogil:
    """End the connection with GOAWAY (RFC 9113 5.4.1)."""
    cdef uint8_t* payload
    if session.is_closing:
        return
    session.is_closing = True
    session.counters.protocol_errors += 1
    payload = _frame(session, GOAWAY, 0, 0, 8)
    if payload != NULL:
        _put_32(payload, session.highest_stream)
        _put_32(payload + 4, error_code)


cdef void _answer(ServerSession* session, uint32_t stream_id, const uint8_t* identifier, size_t length) noexcept nogil:
    """Answer a whole request and count it."""
    cdef const uint8_t* status = ACCEPTED
    cdef size_t status_bytes = ACCEPTED_BYTES
    cdef size_t identifier_bytes = IDENTIFIER_BYTES + 1 + length if length else 0
    cdef uint8_t* payload
    session.counters.requests += 1
    if session.defer_every and session.counters.requests % session.defer_every == 0:
        session.counters.deferred += 1
        status = DEFERRED
        status_bytes = DEFERRED_BYTES
    payload = _frame(session, HEADERS, END_STREAM | END_HEADERS, stream_id, status_bytes + identifier_bytes)
    if payload == NULL:
        return
    memcpy(payload, status, status_bytes)
    if length:
        payload += status_bytes
        memcpy(payload, IDENTIFIER, IDENTIFIER_BYTES)
        payload[IDENTIFIER_BYTES] = <uint8_t>length
        memcpy(payload + IDENTIFIER_BYTES + 1, identifier, length)


cdef int _record(ServerSession* session) except -1 with gil:
    """Hand path and apns-id of the request just decoded to the audit."""
    (<object>session.audit)(
        session.decoder.text[FIELD_PATH][:session.decoder.length[FIELD_PATH]],
        session.decoder.text[FIELD_APNS_ID][:session.decoder.length[FIELD_APNS_ID]],
    )
    return 0


cdef void _finish_block(
    ServerSession* session, uint32_t stream_id, const uint8_t* block, size_t size, bint ends_stream
) noexcept nogil:
    """Act on a whole header block: a new request, or the trailers of one."""
    cdef OpenStream* stream = streams_find(&session.streams, stream_id)
    cdef size_t length
    if stream == NULL and stream_id <= session.highest_stream:
        _fail(session, STREAM_CLOSED)
        return
    if decode_request(&session.decoder, block, size) < 0:
        _fail(session, COMPRESSION_ERROR)
        return
    if stream != NULL:
        if not ends_stream:
            _fail(session, PROTOCOL_ERROR)
            return
        _answer(session, stream_id, stream.identifier, stream.identifier_length)
        streams_drop(&session.streams, stream)
        return
    session.highest_stream = stream_id
    length = session.decoder.length[FIELD_APNS_ID]
    if length > IDENTIFIER_LIMIT or session.streams.open == session.stream_limit:
        session.counters.refused_streams += 1
        _send_number(session, RST_STREAM, stream_id, REFUSED_STREAM)
        return
    if session.audit != NULL:
        _record(session)
    if ends_stream:
        _answer(session, stream_id, session.decoder.text[FIELD_APNS_ID], length)
        return
    stream = streams_add(&session.streams, stream_id)
    stream.identifier_length = length
    memcpy(stream.identifier, session.decoder.text[FIELD_APNS_ID], length)


cdef int _strip(ServerSession* session, Frame* frame) noexcept nogil:
    """Cut padding and priority fields off a DATA or HEADERS payload (RFC 9113 6.1, 6.2)."""
    cdef size_t padding = 0
    if frame.flags & PADDED:
        if frame.size < 1:
            return -1
        padding = frame.payload[0]
        frame.payload += 1
        frame.size -= 1
    if frame.type == HEADERS and frame.flags & HAS_PRIORITY:
        if frame.size < 5:
            return -1
        frame.payload += 5
        frame.size -= 5
    if padding > frame.size:
        return -1
    frame.size -= padding
    return 0


cdef void _on_headers(ServerSession* session, Frame* frame) noexcept nogil:
    cdef bint ends_stream = (frame.flags & END_STREAM) != 0
    if frame.stream_id % 2 == 0 or _strip(session, frame) < 0:
        _fail(session, PROTOCOL_ERROR)
        return
    if frame.flags & END_HEADERS:
        _finish_block(session, frame.stream_id, frame.payload, frame.size, ends_stream)
        return
    memcpy(session.block, frame.payload, frame.size)
    session.block_length = frame.size
    session.block_stream = frame.stream_id
    session.block_ends_stream = ends_stream


cdef void _on_continuation(ServerSession* session, Frame* frame) noexcept nogil:
    if session.block_stream == 0:
        _fail(session, PROTOCOL_ERROR)
        return
    if session.block_length + frame.size > BLOCK_LIMIT:
        _fail(session, ENHANCE_YOUR_CALM)
        return
    memcpy(session.block + session.block_length, frame.payload, frame.size)
    session.block_length += frame.size
    if frame.flags & END_HEADERS:
        session.block_stream = 0
        _finish_block(session, frame.stream_id, session.block, session.block_length, session.block_ends_stream)


cdef void _on_data(ServerSession* session, Frame* frame) noexcept nogil:
    cdef OpenStream* stream
    # The whole payload counts against the window, padding included, whatever becomes of the stream (RFC 9113 6.9.1).
    session.unreported_bytes += frame.size
    if session.unreported_bytes >= WINDOW_STEP:
        _send_number(session, WINDOW_UPDATE, 0, <uint32_t>session.unreported_bytes)
        session.unreported_bytes = 0
    if frame.stream_id == 0 or frame.stream_id > session.highest_stream or _strip(session, frame) < 0:
        _fail(session, PROTOCOL_ERROR)
        return
    stream = streams_find(&session.streams, frame.stream_id)
    if stream == NULL:
        return  # reset or refused while its DATA was on the way
    session.counters.body_bytes += frame.size
    if frame.flags & END_STREAM:
        _answer(session, frame.stream_id, stream.identifier, stream.identifier_length)
        streams_drop(&session.streams, stream)


cdef void _on_rst_stream(ServerSession* session, Frame* frame) noexcept nogil:
    cdef OpenStream* stream = streams_find(&session.streams, frame.stream_id)
    if stream != NULL:
        streams_drop(&session.streams, stream)


cdef void _on_settings(ServerSession* session, Frame* frame) noexcept nogil:
    # Nothing in them concerns us: answers have no body, no dynamic table entry and are shorter than any frame limit.
    if frame.stream_id != 0 or frame.size % 6 != 0:
        _fail(session, PROTOCOL_ERROR if frame.stream_id else FRAME_SIZE_ERROR)
    elif not frame.flags & ACK:
        _frame(session, SETTINGS, ACK, 0, 0)


cdef void _on_ping(ServerSession* session, Frame* frame) noexcept nogil:
    cdef uint8_t* payload
    if frame.size != 8:
        _fail(session, FRAME_SIZE_ERROR)
    elif not frame.flags & ACK:
        payload = _frame(session, PING, ACK, 0, 8)
        if payload != NULL:
            memcpy(payload, frame.payload, 8)


cdef void _dispatch(ServerSession* session, Frame* frame) noexcept nogil:
    """Hand a frame to the handler of its type; unknown types are ignored (RFC 9113 5.5)."""
    if session.block_stream and (frame.type != CONTINUATION or frame.stream_id != session.block_stream):
        _fail(session, PROTOCOL_ERROR)
    elif frame.type == DATA:
        _on_data(session, frame)
    elif frame.type == HEADERS:
        _on_headers(session, frame)
    elif frame.type == CONTINUATION:
        _on_continuation(session, frame)
    elif frame.type == RST_STREAM:
        _on_rst_stream(session, frame)
    elif frame.type == SETTINGS:
        _on_settings(session, frame)
    elif frame.type == PING:
        _on_ping(session, frame)
    elif frame.type == PUSH_PROMISE:
        _fail(session, PROTOCOL_ERROR)  # clients can't push (RFC 9113 8.4)


cdef size_t _take_preface(ServerSession* session) noexcept nogil:
    """Check the client's preface once it is whole; return how many bytes it took."""
    if session.input_length < PREFACE_BYTES:
        return 0
    if memcmp(session.input, PREFACE, PREFACE_BYTES) != 0:
        _fail(session, PROTOCOL_ERROR)
        return 0
    session.preface_seen = True
    return PREFACE_BYTES


cdef size_t _take_frame(ServerSession* session, const uint8_t* at, size_t available) noexcept nogil:
    """Process the frame at ``at`` if it is whole; return its bytes, else 0."""
    cdef Frame frame
    if available < FRAME_HEADER_BYTES:
        return 0
    frame.size = (<size_t>at[0] << 16) | (<size_t>at[1] << 8) | at[2]
    if frame.size > FRAME_LIMIT:
        _fail(session, FRAME_SIZE_ERROR)
        return 0
    if available < FRAME_HEADER_BYTES + frame.size:
        return 0
    available = FRAME_HEADER_BYTES + frame.size
    frame.type = at[3]
    frame.flags = at[4]
    frame.stream_id = _get_32(at + 5) & 0x7FFFFFFF
    frame.payload = at + FRAME_HEADER_BYTES
    _dispatch(session, &frame)
    return available


cdef void session_process(ServerSession* session) noexcept nogil:
    """Take every whole frame of the input and keep the rest for later."""
    cdef size_t position = 0
    cdef size_t taken
    if not session.preface_seen:
        position = _take_preface(session)
    while session.preface_seen and not session.is_closing:
        taken = _take_frame(session, session.input + position, session.input_length - position)
        if taken == 0:
            break
        position += taken
    session.input_length -= position
    if position and session.input_length:
        memmove(session.input, session.input + position, session.input_length)


cdef int _allocate(ServerSession* session) noexcept nogil:
    session.input = <uint8_t*>malloc(INPUT_BYTES)
    session.output = <uint8_t*>malloc(OUTPUT_START_BYTES)
    session.output_capacity = OUTPUT_START_BYTES
    session.block = <uint8_t*>malloc(BLOCK_LIMIT)
    if session.input == NULL or session.output == NULL or session.block == NULL:
        return -1
    return streams_start(&session.streams, session.stream_limit)


cdef ServerSession* session_open(
    uint32_t stream_limit, uint32_t defer_every, Counters* counters, PyObject* audit
) noexcept nogil:
    """Open a session with our SETTINGS in its output; NULL when memory is out. Free it with ``session_free``."""
    cdef ServerSession* session = <ServerSession*>calloc(1, sizeof(ServerSession))
    if session == NULL:
        return NULL
    decoder_start(&session.decoder, audit != NULL)
    session.stream_limit = stream_limit
    session.defer_every = defer_every
    if _allocate(session) < 0:
        session_free(session)
        return NULL
    session.counters = counters
    session.audit = audit
    counters.connections += 1
    _send_settings(session)
    return session


cdef void session_free(ServerSession* session) noexcept nogil:
    """Free the session and all it owns."""
    decoder_release(&session.decoder)
    free(session.input)
    free(session.output)
    free(session.block)
    streams_release(&session.streams)
    free(session)
