# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""The sink's loop: TLS connections on one epoll, without the GIL.

What keeps it cheap: reads of up to 256 KiB, every whole frame of them parsed before anything is written, one SSL_write
a wake-up. A peer that does not read its answers is not read from either, so no output grows without bound.
"""

from cpython.ref cimport PyObject
from libc.errno cimport EINTR, errno
from libc.stdint cimport int64_t, uint32_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcmp, memmove

from bench.sink.c.epoll cimport (
    EPOLL_CLOEXEC,
    EPOLL_CTL_ADD,
    EPOLL_CTL_MOD,
    EPOLLIN,
    EPOLLOUT,
    IPPROTO_TCP,
    SOCK_CLOEXEC,
    SOCK_NONBLOCK,
    TCP_NODELAY,
    accept4,
    close,
    epoll_create1,
    epoll_ctl,
    epoll_event,
    epoll_wait,
    setsockopt,
)
from bench.sink.c.openssl cimport (
    SSL,
    SSL_CTX,
    SSL_ERROR_WANT_READ,
    SSL_ERROR_WANT_WRITE,
    SSL_FILETYPE_PEM,
    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER,
    SSL_MODE_ENABLE_PARTIAL_WRITE,
    SSL_TLSEXT_ERR_ALERT_FATAL,
    SSL_TLSEXT_ERR_OK,
    TLS1_3_VERSION,
    ERR_clear_error,
    SSL_CTX_free,
    SSL_CTX_new,
    SSL_CTX_set_alpn_select_cb,
    SSL_CTX_set_ciphersuites,
    SSL_CTX_set_default_read_buffer_len,
    SSL_CTX_set_min_proto_version,
    SSL_CTX_set_mode,
    SSL_CTX_set_num_tickets,
    SSL_CTX_set_read_ahead,
    SSL_CTX_use_certificate_chain_file,
    SSL_CTX_use_PrivateKey_file,
    SSL_free,
    SSL_get_error,
    SSL_new,
    SSL_read_ex,
    SSL_set_accept_state,
    SSL_set_fd,
    SSL_shutdown,
    SSL_write_ex,
    TLS_server_method,
)
from bench.sink.server_session cimport (
    INPUT_BYTES,
    Counters,
    ServerSession,
    session_free,
    session_open,
    session_process,
)

import os

cdef enum:
    EVENTS_A_WAKE_UP = 64
    OUTPUT_LIMIT = 1_048_576  # answers a peer may leave unread before we stop reading from it

cdef struct Connection:
    int descriptor            # owned
    SSL* tls                  # owned
    ServerSession* session    # owned
    uint32_t events           # what epoll watches now
    Connection* previous
    Connection* next

cdef struct Loop:
    int epoll                 # owned
    int listener              # borrowed
    int stop                  # borrowed
    SSL_CTX* context          # borrowed
    Connection* connections   # owned, a list with the newest first
    Counters* counters        # borrowed
    PyObject* audit           # borrowed
    uint32_t stream_limit
    uint32_t defer_every


cdef int _choose_h2(
    SSL* tls, const unsigned char** chosen, unsigned char* length,
    const unsigned char* offered, unsigned int size, void* argument,
) noexcept nogil:
    """Pick "h2" of the client's list (RFC 7301 3.1), or refuse the handshake."""
    cdef unsigned int position = 0
    while position < size and position + offered[position] < size:
        if offered[position] == 2 and memcmp(offered + position + 1, b"h2", 2) == 0:
            chosen[0] = offered + position + 1
            length[0] = 2
            return SSL_TLSEXT_ERR_OK
        position += 1 + offered[position]
    return SSL_TLSEXT_ERR_ALERT_FATAL


cdef class TlsContext:
    """A server's TLS context: TLS 1.3 with AES-128-GCM-SHA256 only, so that every client pays for the same.

    Raises ValueError naming the file that is no certificate chain or no key that fits it.
    """

    cdef SSL_CTX* context     # owned

    def __cinit__(self, *, str certificate_file, str key_file):
        self.context = SSL_CTX_new(TLS_server_method())
        if self.context == NULL:
            raise MemoryError
        SSL_CTX_set_min_proto_version(self.context, TLS1_3_VERSION)
        SSL_CTX_set_ciphersuites(self.context, b"TLS_AES_128_GCM_SHA256")
        SSL_CTX_set_num_tickets(self.context, 0)
        SSL_CTX_set_mode(self.context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER)
        SSL_CTX_set_read_ahead(self.context, 1)
        SSL_CTX_set_default_read_buffer_len(self.context, INPUT_BYTES)
        SSL_CTX_set_alpn_select_cb(self.context, _choose_h2, NULL)
        if SSL_CTX_use_certificate_chain_file(self.context, os.fsencode(certificate_file)) != 1:
            raise ValueError(f"{certificate_file}: no certificate chain in PEM form")
        if SSL_CTX_use_PrivateKey_file(self.context, os.fsencode(key_file), SSL_FILETYPE_PEM) != 1:
            raise ValueError(f"{key_file}: no private key in PEM form that fits the certificate")

    def __dealloc__(self):
        SSL_CTX_free(self.context)


cdef void _watch(Loop* loop, Connection* connection, uint32_t events) noexcept nogil:
    cdef epoll_event event
    if events == connection.events:
        return
    connection.events = events
    event.events = events
    event.data.ptr = connection
    epoll_ctl(loop.epoll, EPOLL_CTL_MOD, connection.descriptor, &event)


cdef void _close(Loop* loop, Connection* connection) noexcept nogil:
    """Take the connection off the list and free it; closing the descriptor takes it off the epoll too."""
    if connection.previous != NULL:
        connection.previous.next = connection.next
    elif loop.connections == connection:
        loop.connections = connection.next
    if connection.next != NULL:
        connection.next.previous = connection.previous
    if connection.tls != NULL:
        SSL_free(connection.tls)
    if connection.session != NULL:
        session_free(connection.session)
    close(connection.descriptor)
    free(connection)


cdef int _start(Loop* loop, Connection* connection) noexcept nogil:
    cdef int enable = 1
    cdef epoll_event event
    connection.tls = SSL_new(loop.context)
    connection.session = session_open(loop.stream_limit, loop.defer_every, loop.counters, loop.audit)
    if connection.tls == NULL or connection.session == NULL or SSL_set_fd(connection.tls, connection.descriptor) != 1:
        return -1
    SSL_set_accept_state(connection.tls)
    setsockopt(connection.descriptor, IPPROTO_TCP, TCP_NODELAY, &enable, sizeof(enable))
    connection.events = EPOLLIN
    event.events = EPOLLIN
    event.data.ptr = connection
    if epoll_ctl(loop.epoll, EPOLL_CTL_ADD, connection.descriptor, &event) < 0:
        return -1
    connection.next = loop.connections
    if loop.connections != NULL:
        loop.connections.previous = connection
    loop.connections = connection
    return 0


cdef void _accept(Loop* loop) noexcept nogil:
    """Accept every connection that waits."""
    cdef Connection* connection
    cdef int descriptor
    while True:
        descriptor = accept4(loop.listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)
        if descriptor < 0:
            return
        connection = <Connection*>calloc(1, sizeof(Connection))
        if connection == NULL:
            close(descriptor)
            return
        connection.descriptor = descriptor
        if _start(loop, connection) < 0:
            _close(loop, connection)


cdef int _read(Connection* connection) noexcept nogil:
    """Read and process all there is; -1 when the connection has ended, 1 when the output is full, else 0."""
    cdef ServerSession* session = connection.session
    cdef size_t received
    cdef int error
    while not session.is_closing and session.output_length < OUTPUT_LIMIT:
        ERR_clear_error()
        if SSL_read_ex(
            connection.tls, session.input + session.input_length, INPUT_BYTES - session.input_length, &received
        ) == 1:
            session.input_length += received
            session.counters.received_bytes += received
            session_process(session)
            continue
        error = SSL_get_error(connection.tls, 0)
        return 0 if error == SSL_ERROR_WANT_READ or error == SSL_ERROR_WANT_WRITE else -1
    return 1


cdef int _write(Connection* connection) noexcept nogil:
    """Write what the session has to send; -1 when the connection has ended, 1 when something is left, else 0."""
    cdef ServerSession* session = connection.session
    cdef size_t sent = 0
    cdef size_t written
    cdef int status = 0
    while sent < session.output_length:
        ERR_clear_error()
        if SSL_write_ex(connection.tls, session.output + sent, session.output_length - sent, &written) != 1:
            status = SSL_get_error(connection.tls, 0)
            status = 1 if status == SSL_ERROR_WANT_WRITE or status == SSL_ERROR_WANT_READ else -1
            break
        sent += written
    session.output_length -= sent
    if sent and session.output_length:
        memmove(session.output, session.output + sent, session.output_length)
    return status


cdef void _serve(Loop* loop, Connection* connection) noexcept nogil:
    """Move one ready connection on: read all, write once, decide what to wait for."""
    cdef int reading = 1
    cdef int writing = 0
    # TLS may hold bytes that epoll doesn't know of: having stopped for a full output, read on once it is gone.
    while reading == 1 and writing == 0 and not connection.session.is_closing:
        reading = _read(connection)
        writing = _write(connection)
    if reading < 0 or writing < 0 or (writing == 0 and connection.session.is_closing):
        SSL_shutdown(connection.tls)
        _close(loop, connection)
    elif writing == 0:
        _watch(loop, connection, EPOLLIN)
    elif connection.session.output_length < OUTPUT_LIMIT:
        _watch(loop, connection, EPOLLIN | EPOLLOUT)
    else:
        _watch(loop, connection, EPOLLOUT)


cdef void _run(Loop* loop) noexcept nogil:
    """Serve until the stop descriptor becomes readable."""
    cdef epoll_event events[EVENTS_A_WAKE_UP]
    cdef int count
    cdef int index
    while True:
        count = epoll_wait(loop.epoll, events, EVENTS_A_WAKE_UP, -1)
        if count < 0 and errno != EINTR:
            return
        for index in range(count):
            if events[index].data.ptr == &loop.stop:
                return
            if events[index].data.ptr == &loop.listener:
                _accept(loop)
            else:
                _serve(loop, <Connection*>events[index].data.ptr)


cdef int _watch_own(Loop* loop, int* descriptor) except -1:
    """Watch the listener or the stop descriptor; their address in the loop tells them from connections."""
    cdef epoll_event event
    event.events = EPOLLIN
    event.data.ptr = descriptor
    if epoll_ctl(loop.epoll, EPOLL_CTL_ADD, descriptor[0], &event) < 0:
        raise OSError(errno, "epoll_ctl")
    return 0


def serve(
    TlsContext tls, *, int listener, int stop, counters, uint32_t stream_limit, uint32_t defer_every=0, audit=None
):
    """Serve connections of ``listener`` until ``stop`` becomes readable. Both descriptors stay the caller's.

    ``counters`` is a writable buffer of int64 laid out as bench.sink.counters says. Each ``defer_every``-th request of
    all connections is answered 503, none with 0. ``audit(path, apns_id)``, if given,
    is called for every request; that takes the GIL each time, so no cost is to be read off such a run.
    """
    cdef int64_t[::1] numbers = counters
    cdef Loop loop
    if numbers.shape[0] * sizeof(int64_t) < sizeof(Counters) or stream_limit < 1:
        raise ValueError("the counters need room for every field, and a session needs at least one stream")
    loop.counters = <Counters*>&numbers[0]
    loop.audit = <PyObject*>audit if audit is not None else NULL
    loop.stream_limit = stream_limit
    loop.defer_every = defer_every
    loop.listener = listener
    loop.stop = stop
    loop.connections = NULL
    loop.context = tls.context
    loop.epoll = epoll_create1(EPOLL_CLOEXEC)
    if loop.epoll < 0:
        raise OSError(errno, "epoll_create1")
    try:
        _watch_own(&loop, &loop.listener)
        _watch_own(&loop, &loop.stop)
        with nogil:
            _run(&loop)
    finally:
        while loop.connections != NULL:
            _close(&loop, loop.connections)
        close(loop.epoll)
