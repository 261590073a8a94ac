"""What libnghttp2 tells about received frames, filed into the connection and its stream records.

A stream's record is libnghttp2's stream_user_data. A row that ended earlier (answered, too large, timed out) keeps
its record until libnghttp2 forgets the stream; whatever still comes for it is dropped here.
"""

from libc.stdint cimport int32_t, uint8_t, uint32_t
from libc.string cimport memcmp

from native.c.nghttp2 cimport *
from native.connection cimport OVERSIZED_BYTES, TURN_ANSWER_BYTES, TURN_FIELD_BYTES, Connection
from native.memory cimport buffer_append, buffer_reserve
from native.streams cimport Stream

from protocol.exchanges import Cause, Ending

cdef int IN_FLIGHT = 0
cdef int ANSWERED = Ending.ANSWERED
cdef int UNPROCESSED = Ending.UNPROCESSED
cdef int CAUSE_NONE = Cause.NONE
cdef int CAUSE_REFUSED_STREAM = Cause.REFUSED_STREAM
cdef int CAUSE_GOAWAY = Cause.GOAWAY
cdef int CAUSE_RESET = Cause.RESET
cdef int CAUSE_RESPONSE_TOO_LARGE = Cause.RESPONSE_TOO_LARGE
cdef int CAUSE_MALFORMED_RESPONSE = Cause.MALFORMED_RESPONSE

cdef enum:
    HEADER_OVERHEAD = 32  # what SETTINGS_MAX_HEADER_LIST_SIZE adds for a field (RFC 9113 section 6.5.2)


cdef inline Stream *_in_flight(nghttp2_session *session, int32_t stream_id) noexcept:
    """Return the record of a stream whose row has not ended, else NULL."""
    cdef Stream *stream = <Stream *>nghttp2_session_get_stream_user_data(session, stream_id)
    return stream if stream != NULL and stream.ending == IN_FLIGHT else NULL


cdef int _cb_begin_frame(nghttp2_session *session, const nghttp2_frame_hd *hd, void *user_data) noexcept:
    """Bound header blocks that nobody waits for: each octet may decode to a whole field (RFC 9113 section 10.5.1).

    How many frames one block may take is bounded by libnghttp2.
    """
    cdef Connection connection = <Connection>user_data
    if hd.type == NGHTTP2_HEADERS and _in_flight(session, hd.stream_id) == NULL:
        connection.stray_bytes += hd.length
    if connection.stray_bytes <= connection.stray_allowance:
        return 0
    connection.is_flooded_with_headers = True
    return NGHTTP2_ERR_CALLBACK_FAILURE


cdef int _cb_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user_data) noexcept:
    cdef Connection connection = <Connection>user_data
    cdef Stream *stream = _in_flight(session, frame.hd.stream_id)
    # Never the fields of a PUSH_PROMISE, which are a request's.
    connection.receiving = stream if frame.hd.type == NGHTTP2_HEADERS else NULL
    if stream != NULL and stream.status >= 200:
        stream.has_final_headers = True
    return 0


cdef int _cb_header(
    nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t namelen,
    const uint8_t *value, size_t valuelen, uint8_t flags, void *user_data
) noexcept:
    cdef Connection connection = <Connection>user_data
    cdef Stream *stream = connection.receiving
    cdef int result = 0
    connection.turn_field_bytes += namelen + valuelen + HEADER_OVERHEAD
    if stream == NULL:
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE
    stream.headers_received += namelen + valuelen + HEADER_OVERHEAD
    if name[0] == b":":
        # libnghttp2 has checked that this is :status, that it comes first and that it is three digits
        stream.status = 100 * (value[0] - 48) + 10 * (value[1] - 48) + value[2] - 48
    if stream.headers_received > connection.headers_limit:
        connection.receiving = NULL
        _end_too_large(connection, stream)
        connection.stray_bytes += OVERSIZED_BYTES
        stream.reset_code = -1  # libnghttp2 resets it, and decodes what is left of the block without checking it
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE
    if name[0] == b":":
        if stream.status == connection.success_status:
            stream.is_captured = False  # an interim response before it made it look otherwise
        else:
            _capture(connection, stream)
    elif stream.status >= 200 and not stream.has_final_headers:
        result = _capture_header(connection, stream, name, <uint32_t>namelen, value, <uint32_t>valuelen)
    if result == 0 and connection.turn_field_bytes > TURN_FIELD_BYTES:
        return NGHTTP2_ERR_PAUSE
    return result


cdef void _capture(Connection connection, Stream *stream) noexcept:
    """Have the answer's end make an object, of which a call makes only so many."""
    if not stream.is_captured:
        stream.is_captured = True
        connection.turn_field_bytes += TURN_ANSWER_BYTES


cdef int _capture_header(
    Connection connection, Stream *stream, const uint8_t *name, uint32_t name_length,
    const uint8_t *value, uint32_t value_length
) noexcept:
    """Keep a header of an answer that makes an object: all of a rejection's, the asked-for ones of a success."""
    cdef uint32_t lengths[2]
    if stream.status == connection.success_status:
        if not _is_captured_name(connection, name, name_length):
            return 0
        _capture(connection, stream)
    lengths[0] = name_length
    lengths[1] = value_length
    # all or nothing: a header kept by half could not be read back
    if not buffer_reserve(&stream.headers, sizeof(lengths) + name_length + value_length):
        connection.is_memory_exhausted = True
        return NGHTTP2_ERR_CALLBACK_FAILURE
    buffer_append(&stream.headers, lengths, sizeof(lengths))
    buffer_append(&stream.headers, name, name_length)
    buffer_append(&stream.headers, value, value_length)
    return 0


cdef bint _is_captured_name(Connection connection, const uint8_t *name, uint32_t length) noexcept:
    cdef bytes captured
    for captured in connection.captured_headers:
        if len(captured) == length and memcmp(<const unsigned char *>captured, name, length) == 0:
            return True
    return False


cdef int _cb_data_chunk(
    nghttp2_session *session, uint8_t flags, int32_t stream_id, const uint8_t *data, size_t length, void *user_data
) noexcept:
    cdef Connection connection = <Connection>user_data
    cdef Stream *stream = _in_flight(session, stream_id)
    if stream == NULL:
        return 0
    stream.body_received += length
    if stream.body_received > connection.body_limit:
        _end_too_large(connection, stream)
        return 0
    if stream.status == connection.success_status:
        if not connection.captures_success_body:
            return 0
        _capture(connection, stream)
    if buffer_append(&stream.answer, data, length):
        return 0
    connection.is_memory_exhausted = True
    return NGHTTP2_ERR_CALLBACK_FAILURE


cdef void _end_too_large(Connection connection, Stream *stream) noexcept:
    """Give up the rest of a response over its caps. Its status is the answer all the same; of its words none are kept
    by half."""
    stream.reset_code = NGHTTP2_CANCEL
    stream.answer.length = 0
    if stream.status >= 200:
        connection.streams.end(stream, ANSWERED, CAUSE_RESPONSE_TOO_LARGE, NGHTTP2_CANCEL, connection.now)
    else:
        connection.end(stream, CAUSE_RESPONSE_TOO_LARGE, NGHTTP2_CANCEL)


cdef int _cb_frame_received(nghttp2_session *session, const nghttp2_frame *frame, void *user_data) noexcept:
    cdef Connection connection = <Connection>user_data
    if frame.hd.type == NGHTTP2_HEADERS or frame.hd.type == NGHTTP2_DATA:
        if frame.hd.flags & NGHTTP2_FLAG_END_STREAM:
            _on_end_stream(connection, _in_flight(session, frame.hd.stream_id))
    elif frame.hd.type == NGHTTP2_SETTINGS:
        if not frame.hd.flags & NGHTTP2_FLAG_ACK:
            _on_settings(connection, frame)
    elif frame.hd.type == NGHTTP2_RST_STREAM:
        _on_reset(_in_flight(session, frame.hd.stream_id))
    elif frame.hd.type == NGHTTP2_GOAWAY:
        return _on_goaway(connection, frame)
    elif frame.hd.type == NGHTTP2_PING and frame.hd.flags & NGHTTP2_FLAG_ACK:
        if memcmp(frame.ping.opaque_data, connection._ping_data, 8) == 0:
            connection.is_ping_unanswered = False
    return 0


cdef void _on_end_stream(Connection connection, Stream *stream) noexcept:
    """Take a whole response as the answer even when our request isn't out: its rest is reset (RFC 9113 section 8.1)."""
    if stream == NULL:
        return
    if stream.sent_in == 0:
        stream.reset_code = NGHTTP2_NO_ERROR
    connection.streams.end(stream, ANSWERED, CAUSE_NONE, NGHTTP2_NO_ERROR, connection.now)


cdef void _on_settings(Connection connection, const nghttp2_frame *frame) noexcept:
    """Follow the two settings that libnghttp2 doesn't follow for us, in the order they came."""
    cdef size_t position
    cdef nghttp2_settings_entry *entry
    if connection.settings_received == 0:
        connection.peer_limit = 0xFFFFFFFF  # no limit unless one is set (RFC 9113 section 6.5.2)
    connection.settings_received += 1
    for position in range(frame.settings.niv):
        entry = &frame.settings.iv[position]
        if entry.settings_id == NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS:
            connection.peer_limit = entry.value
        elif entry.settings_id == NGHTTP2_SETTINGS_HEADER_TABLE_SIZE:
            connection.encoder.set_peer_limit(entry.value)


cdef void _on_reset(Stream *stream) noexcept:
    if stream != NULL:
        stream.is_reset_by_peer = True


cdef int _on_goaway(Connection connection, const nghttp2_frame *frame) noexcept:
    """Keep the latest code and data; libnghttp2 refuses an id that rises and then closes the streams above it."""
    connection.has_goaway = True
    connection.goaway_last_stream_id = frame.goaway.last_stream_id
    connection.goaway_code = frame.goaway.error_code
    connection.goaway_debug.length = 0
    if buffer_append(&connection.goaway_debug, frame.goaway.opaque_data, frame.goaway.opaque_data_len):
        return 0
    connection.is_memory_exhausted = True
    return NGHTTP2_ERR_CALLBACK_FAILURE


cdef int _cb_invalid_frame(
    nghttp2_session *session, const nghttp2_frame *frame, int lib_error_code, void *user_data
) noexcept:
    (<Connection>user_data).violation_error = lib_error_code
    return 0


cdef int _cb_stream_close(nghttp2_session *session, int32_t stream_id, uint32_t error_code, void *user_data) noexcept:
    cdef Connection connection = <Connection>user_data
    cdef Stream *stream = <Stream *>nghttp2_session_get_stream_user_data(session, stream_id)
    if stream == NULL:
        return 0
    if stream == connection.receiving:
        connection.receiving = NULL
    if stream.ending == IN_FLIGHT:
        _end_closed(connection, stream, error_code)
    connection.streams.close(stream)
    return 0


cdef void _end_closed(Connection connection, Stream *stream, uint32_t error_code) noexcept:
    """File the ending of a stream that closed without a whole response."""
    if connection.has_goaway and stream.stream_id > connection.goaway_last_stream_id:
        connection.streams.end(stream, UNPROCESSED, CAUSE_GOAWAY, connection.goaway_code, connection.now)
    elif not stream.is_reset_by_peer:
        # libnghttp2 itself resets a stream whose row is in flight for a malformed response only (RFC 9113 8.1.1)
        connection.end(stream, CAUSE_MALFORMED_RESPONSE, error_code)
    elif error_code == NGHTTP2_REFUSED_STREAM:
        connection.streams.end(stream, UNPROCESSED, CAUSE_REFUSED_STREAM, error_code, connection.now)
    else:
        connection.end(stream, CAUSE_RESET, error_code)


cdef void register_receiving(nghttp2_session_callbacks *callbacks) noexcept:
    nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks, _cb_begin_frame)
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, _cb_begin_headers)
    nghttp2_session_callbacks_set_on_header_callback(callbacks, _cb_header)
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, _cb_data_chunk)
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, _cb_frame_received)
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, _cb_invalid_frame)
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, _cb_stream_close)
