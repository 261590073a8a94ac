"""The callbacks that file what the peer sent."""

from native.c.nghttp2 cimport nghttp2_session_callbacks

cdef void register_receiving(nghttp2_session_callbacks *callbacks) noexcept
