"""Which chunks may hold a cancel key: a small filter for each chunk that has keys, so that a cancel reads few others.

Keys themselves stand in the stored chunks alone; in memory one would cost more than all else that is known of its row.
A filter takes 3 to 5 bytes a key (a Bloom filter, 20 to 40 bits of which each key sets five): one chunk in a thousand
is read in vain. A chunk without keys costs nothing here. Filters are stored with the chunks, so the way from a key to
its bits must stay as it is.
"""

from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.journal.books.store import StoredChunk

BITS_A_KEY = 20
LEAST_BITS = 64
PROBES = 5
PROBE_BYTES = 4
FILTERS_A_SLICE = 2_500  # looked at in a turn of the loop: about half a millisecond


def make_filter(keys: Iterable[str]) -> int:
    """Return the filter of a chunk's cancel keys as bits, the highest of which tells its size; 0 without keys."""
    distinct = set(keys)
    if not distinct:
        return 0
    size = max(LEAST_BITS, 1 << (BITS_A_KEY * len(distinct) - 1).bit_length())
    bits = 1 << size
    for key in distinct:
        bits |= _spread(key, size)
    return bits


def _spread(key: str, size: int) -> int:
    digest = blake2b(key.encode(), digest_size=PROBES * PROBE_BYTES).digest()
    bits = 0
    for at in range(0, len(digest), PROBE_BYTES):
        bits |= 1 << int.from_bytes(digest[at : at + PROBE_BYTES], "big") % size
    return bits


class _Probe:
    """A key's bits in filters of every size that comes along."""

    def __init__(self, key: str) -> None:
        self._key = key
        self._bits_by_length: dict[int, int] = {}

    def is_in(self, key_filter: int) -> bool:
        length = key_filter.bit_length()
        bits = self._bits_by_length.get(length)
        if bits is None:
            bits = self._bits_by_length[length] = _spread(self._key, length - 1)
        return key_filter & bits == bits


class CancelKeyIndex:
    """The open chunks that have cancel keys, by principal and app."""

    def __init__(self) -> None:
        self._chunks: dict[tuple[str, str], dict[int, StoredChunk]] = {}

    def add(self, chunk: "StoredChunk") -> None:
        """Find a chunk from here on, if it has keys."""
        if chunk.cancel_filter:
            record = chunk.batch.record
            self._chunks.setdefault((record.principal, record.app), {})[id(chunk)] = chunk

    def drop(self, chunk: "StoredChunk") -> None:
        """Find a chunk no more."""
        if chunk.cancel_filter:
            place = (chunk.batch.record.principal, chunk.batch.record.app)
            del self._chunks[place][id(chunk)]
            if not self._chunks[place]:
                del self._chunks[place]

    def find(self, principal: str, app: str, key: str) -> Iterator[list["StoredChunk"]]:
        """Yield the chunks that may hold a key, of those that are here now, in slices: let others run between them."""
        probe = _Probe(key)
        chunks = list(self._chunks.get((principal, app), {}).values())
        for at in range(0, len(chunks), FILTERS_A_SLICE):
            yield [chunk for chunk in chunks[at : at + FILTERS_A_SLICE] if probe.is_in(chunk.cancel_filter)]
