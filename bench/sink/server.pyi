from collections.abc import Callable
from typing import Self, final

@final
class TlsContext:
    """A server's TLS context: TLS 1.3 with AES-128-GCM-SHA256 only, so that every client pays for the same.

    Raises ValueError naming the file that is no certificate chain or no key that fits it.
    """
    def __new__(cls, *, certificate_file: str, key_file: str) -> Self: ...

def serve(
    tls: TlsContext,
    *,
    listener: int,
    stop: int,
    counters: memoryview,
    stream_limit: int,
    defer_every: int = ...,
    audit: Callable[[bytes, bytes], object] | None = ...,
) -> None:
    """Serve connections of ``listener`` until ``stop`` becomes readable. Both descriptors stay the caller's.

    ``counters`` is a writable buffer of int64 laid out as bench.sink.counters says. Each ``defer_every``-th request of
    all connections is answered 503, none with 0. ``audit(path, apns_id)``, if given,
    is called for every request; that takes the GIL each time, so no cost is to be read off such a run.
    """
