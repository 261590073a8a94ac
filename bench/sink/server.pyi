from collections.abc import Callable
from typing import final

@final
class TlsContext:
    def __init__(self, *, certificate_file: str, key_file: str) -> None: ...

def serve(
    tls: TlsContext,
    *,
    listener: int,
    stop: int,
    counters: memoryview,
    stream_limit: int,
    audit: Callable[[bytes, bytes], object] | None = ...,
) -> None: ...
