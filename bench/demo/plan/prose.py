"""Texts of any length, cut from one long piece: drawing each letter by letter would cost more than sending it.

They stand in JSON that is spelled as no encoder would spell it (blanks, an escape, umlauts as they are), so that a
gateway which decodes and encodes it is found out.
"""

import random

LEAST_BYTES = 200

_PROSE_BYTES = 64 * 1024
_WORDS = (
    "parcel order courier today tomorrow between window door neighbour signature the a your our is was will arrive "
    "leave wait and or with without near"
)


class Prose:
    """Bodies from one source of chance."""

    def __init__(self, source: random.Random) -> None:
        self._source = source
        self._text = " ".join(source.choices(_WORDS.split(), k=_PROSE_BYTES // 3))[:_PROSE_BYTES]

    def choose_size(self, most_bytes: int) -> int:
        """Return a size from 200 to ``most_bytes``; small ones are more frequent, as they are in practice."""
        share: float = (most_bytes / LEAST_BYTES) ** self._source.random()
        return round(LEAST_BYTES * share)

    def fill(self, head: str, tail: str, most_bytes: int) -> bytes:
        """Return text of a chosen size that begins and ends so."""
        start, end = head.encode(), tail.encode()
        return start + self._cut(self.choose_size(most_bytes) - len(start) - len(end)) + end

    def _cut(self, length: int) -> bytes:
        start = self._source.randrange(len(self._text) - length)
        return self._text[start : start + length].encode()
