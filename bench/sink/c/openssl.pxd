"""What the sink calls of OpenSSL 3."""

cdef extern from "openssl/ssl.h" nogil:
    ctypedef struct SSL_METHOD:
        pass
    ctypedef struct SSL_CTX:
        pass
    ctypedef struct SSL:
        pass

    enum:
        SSL_ERROR_WANT_READ
        SSL_ERROR_WANT_WRITE
        SSL_FILETYPE_PEM
        SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER
        SSL_MODE_ENABLE_PARTIAL_WRITE
        SSL_TLSEXT_ERR_ALERT_FATAL
        SSL_TLSEXT_ERR_OK
        TLS1_3_VERSION

    ctypedef int (*alpn_callback)(
        SSL*, const unsigned char**, unsigned char*, const unsigned char*, unsigned int, void*
    ) noexcept

    const SSL_METHOD* TLS_server_method()
    SSL_CTX* SSL_CTX_new(const SSL_METHOD* method)
    void SSL_CTX_free(SSL_CTX* context)
    int SSL_CTX_set_min_proto_version(SSL_CTX* context, int version)
    int SSL_CTX_set_ciphersuites(SSL_CTX* context, const char* suites)
    int SSL_CTX_set_num_tickets(SSL_CTX* context, size_t count)
    long SSL_CTX_set_mode(SSL_CTX* context, long mode)
    void SSL_CTX_set_read_ahead(SSL_CTX* context, int yes)
    void SSL_CTX_set_default_read_buffer_len(SSL_CTX* context, size_t size)
    int SSL_CTX_use_certificate_chain_file(SSL_CTX* context, const char* path)
    int SSL_CTX_use_PrivateKey_file(SSL_CTX* context, const char* path, int file_type)
    void SSL_CTX_set_alpn_select_cb(SSL_CTX* context, alpn_callback callback, void* argument)

    SSL* SSL_new(SSL_CTX* context)
    void SSL_free(SSL* tls)
    int SSL_set_fd(SSL* tls, int descriptor)
    void SSL_set_accept_state(SSL* tls)
    int SSL_read_ex(SSL* tls, void* buffer, size_t size, size_t* received)
    int SSL_write_ex(SSL* tls, const void* buffer, size_t size, size_t* written)
    int SSL_get_error(const SSL* tls, int status)
    int SSL_shutdown(SSL* tls)

cdef extern from "openssl/err.h" nogil:
    void ERR_clear_error()
