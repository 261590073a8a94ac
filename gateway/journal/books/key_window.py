"""The keys inside their window, oldest first, packed: the moment at which each may be forgotten."""

from collections import deque
from math import inf
from struct import Struct
from typing import NamedTuple

_ENTRY = Struct("<qqdI")  # hash, batch number, end of the window, bytes of the key
_END = Struct("<d")
_END_AT = 16
BLOCK_BYTES = 1024 * _ENTRY.size  # freed whole; appending never moves more than this


class HeldKey(NamedTuple):
    """A key, by the hash of its name, and what it takes. ``held_until`` is monotonic seconds."""

    hashed: int
    number: int
    held_until: float
    size_bytes: int


class KeyWindow:
    """A queue of held keys. One that was accepted later is behind, even where clocks say that it ends before."""

    def __init__(self) -> None:
        self._blocks: deque[bytearray] = deque()
        self._last = bytearray()  # the block that is filled
        self._first_at = 0  # in the first block

    @property
    def size_bytes(self) -> int:
        """What the entries take in memory."""
        return len(self._blocks) * BLOCK_BYTES

    def push(self, hashed: int, number: int, held_until: float, size_bytes: int) -> None:
        """Add the youngest, in the fields of :class:`HeldKey`."""
        if len(self._last) >= BLOCK_BYTES or not self._blocks:
            self._last = bytearray()
            self._blocks.append(self._last)
        self._last += _ENTRY.pack(hashed, number, held_until, size_bytes)

    def oldest_ends_at(self) -> float:
        """Return when the oldest ends its window, in monotonic seconds; infinity where there is none."""
        if not self._blocks:
            return inf
        ends_at: float = _END.unpack_from(self._blocks[0], self._first_at + _END_AT)[0]
        return ends_at

    def pop(self) -> HeldKey:
        """Take the oldest out."""
        block = self._blocks[0]
        key = HeldKey._make(_ENTRY.unpack_from(block, self._first_at))
        self._first_at += _ENTRY.size
        if self._first_at == len(block):
            self._blocks.popleft()
            self._first_at = 0
        return key
