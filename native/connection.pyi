from typing import Self, final

__pyx_capi__: dict[str, object]  # what cimports of other modules find

@final
class Connection:
    """libnghttp2's session, the records of its streams, and the bytes on their way out: for other native modules."""
    def __new__(cls, authority: bytes) -> Self: ...
