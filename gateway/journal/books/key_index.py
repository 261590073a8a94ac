"""From the name of a batch to its number, in memory: a hash of 64 bits and a number, 16 bytes a key.

Names themselves are not kept here: whoever finds a number compares the name that is kept with the batch. The hash is
salted for each process, so no caller can make names that meet. Keys are spread over buckets of packed entries, which
are searched as bytes: at a million keys a bucket has 4 kB, and nothing is ever moved whole.
"""

import os
import sys
from collections.abc import Callable
from struct import Struct

BUCKETS = 4096
SALT_BYTES = 16

_ENTRY = Struct("<qq")  # hash, batch number
_HASH = Struct("<q")
_EMPTY_BYTES = sys.getsizeof(bytearray()) + 2 * sys.getsizeof(1) + 24  # with its key and place in the dict


class KeyIndex:
    """See the module text. A hash may stand for several numbers: of names that meet, and of one name used again."""

    def __init__(self, random_bytes: Callable[[int], bytes] = os.urandom) -> None:
        self._salt = random_bytes(SALT_BYTES).hex()
        self._buckets: dict[int, bytearray] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def size_bytes(self) -> int:
        """What the entries take in memory: a bucket grows by an eighth more than it needs."""
        return self._count * _ENTRY.size * 9 // 8 + len(self._buckets) * _EMPTY_BYTES

    def hash(self, principal: str, batch_id: str) -> int:
        """Return the hash of a name, good for this index alone."""
        return hash(f"{self._salt}{principal}\0{batch_id}")

    def add(self, hashed: int, number: int) -> None:
        """Add a key."""
        bucket = self._buckets.get(hashed % BUCKETS)
        if bucket is None:
            bucket = self._buckets[hashed % BUCKETS] = bytearray()
        bucket += _ENTRY.pack(hashed, number)
        self._count += 1

    def find(self, hashed: int) -> list[int]:
        """Return the numbers of a hash, the latest first; mostly none."""
        bucket = self._buckets.get(hashed % BUCKETS, b"")
        found: list[int] = []
        wanted = _HASH.pack(hashed)
        at = bucket.find(wanted)
        while at >= 0:
            if at % _ENTRY.size == 0:
                found.append(_ENTRY.unpack_from(bucket, at)[1])
            at = bucket.find(wanted, at + 1)
        return sorted(found, reverse=True)

    def remove(self, hashed: int, number: int) -> None:
        """Remove a key that was added."""
        bucket = self._buckets[hashed % BUCKETS]
        entry = _ENTRY.pack(hashed, number)
        at = bucket.find(entry)
        while at % _ENTRY.size:
            at = bucket.find(entry, at + 1)
        bucket[at : at + _ENTRY.size] = bucket[-_ENTRY.size :]
        del bucket[-_ENTRY.size :]
        self._count -= 1
