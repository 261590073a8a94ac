"""What the sink calls of Linux."""

from libc.stdint cimport uint32_t

cdef extern from "sys/epoll.h" nogil:
    enum:
        EPOLLIN
        EPOLLOUT
        EPOLL_CLOEXEC
        EPOLL_CTL_ADD
        EPOLL_CTL_MOD

    ctypedef union epoll_data_t:
        void* ptr

    struct epoll_event:
        uint32_t events
        epoll_data_t data

    int epoll_create1(int flags)
    int epoll_ctl(int epoll, int operation, int descriptor, epoll_event* event)
    int epoll_wait(int epoll, epoll_event* events, int most, int timeout)

cdef extern from "sys/socket.h" nogil:
    enum:
        SOCK_CLOEXEC
        SOCK_NONBLOCK
        SOL_SOCKET

    int accept4(int listener, void* address, void* size, int flags)
    int setsockopt(int descriptor, int level, int name, const void* value, unsigned int size)

cdef extern from "netinet/in.h" nogil:
    enum:
        IPPROTO_TCP

cdef extern from "netinet/tcp.h" nogil:
    enum:
        TCP_NODELAY

cdef extern from "unistd.h" nogil:
    int close(int descriptor)
