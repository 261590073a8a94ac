from typing import Self, final

__pyx_capi__: dict[str, object]  # what cimports of other modules find

@final
class Encoder:
    """The dynamic table of one connection's requests, and the block writer: for other native modules."""
    def __new__(cls, authority: bytes) -> Self: ...
