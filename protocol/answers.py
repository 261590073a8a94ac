"""The first answer to a batch, whatever door it came by: kept for a repeat, and written by each door in its own words.

Rejected rows are columns: 10,000 of them that are wrong in one way take a hundred bytes and their ids, however long
the words. ``encode_answer`` writes what is kept, under a version of its own: what it writes must be read for as long
as first answers are kept, by every later version too.
"""

from collections.abc import Iterable, Iterator
from itertools import repeat

import msgspec

from protocol.chunks import expand_ranges
from protocol.reasons import Reason
from protocol.rejections import Rejection

VERSION = 1


class RejectionWords(msgspec.Struct, array_like=True, frozen=True):
    """What was wrong with a row, and where. Many rows share it."""

    reason: Reason
    field: str | None
    detail: str


class RejectedRows(msgspec.Struct, array_like=True):
    """Rejected rows in columns, in the order of the batch.

    ``indexes`` are flat ranges of positions; ``ids`` is None where no row has one, ``words_of_row`` (positions in
    ``words``) where all rows have the first.
    """

    indexes: list[int] = []
    ids: list[str | None] | None = None
    words: list[RejectionWords] = []
    words_of_row: list[int] | None = None

    def __len__(self) -> int:
        return sum(self.indexes[1::2]) - sum(self.indexes[::2])

    def __iter__(self) -> Iterator[Rejection]:
        """Yield the rows, one object each."""
        words_of_row: Iterable[int] = repeat(0) if self.words_of_row is None else self.words_of_row
        ids: Iterable[str | None] = repeat(None) if self.ids is None else self.ids
        for index, given, number in zip(expand_ranges(self.indexes), ids, words_of_row, strict=False):
            words = self.words[number]
            yield Rejection(index=index, id=given, reason=words.reason, field=words.field, detail=words.detail)


# No row is ever rejected in them.
_NO_WORDS = RejectionWords(Reason.MALFORMED, None, "")


class RejectedRowsBuilder:
    """Gathers rejected rows as a batch is checked, slice by slice."""

    def __init__(self) -> None:
        self._indexes: list[int] = []
        self._ids: list[str | None] = []
        self._has_ids = False
        self._words: dict[RejectionWords, int] = {}
        self._words_of_row: list[int] = []
        self._last = _NO_WORDS
        self._last_number = 0

    def add(self, rejections: Iterable[Rejection]) -> None:
        """Add rows that come behind those before them."""
        for rejection in rejections:
            if self._indexes and self._indexes[-1] == rejection.index:
                self._indexes[-1] += 1
            else:
                self._indexes += (rejection.index, rejection.index + 1)
            self._ids.append(rejection.id)
            self._has_ids = self._has_ids or rejection.id is not None
            self._words_of_row.append(self._find_words(rejection))

    def _find_words(self, rejection: Rejection) -> int:
        """Return the number of a row's words; most have those of the row before, which costs no hash."""
        last = self._last
        if last.detail != rejection.detail or last.field != rejection.field or last.reason is not rejection.reason:
            last = self._last = RejectionWords(rejection.reason, rejection.field, rejection.detail)
            self._last_number = self._words.setdefault(last, len(self._words))
        return self._last_number

    def finish(self) -> RejectedRows:
        """Return what was gathered."""
        return RejectedRows(
            indexes=self._indexes,
            ids=self._ids if self._has_ids else None,
            words=list(self._words),
            words_of_row=self._words_of_row if len(self._words) > 1 else None,
        )


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """A batch is durable: so many of its rows were accepted, and these were not."""

    batch_id: str
    accepted: int
    rejected: RejectedRows


class UnreadableAnswerError(ValueError):
    """Bytes that no version up to this one writes for an answer."""


class _StoredAnswer(msgspec.Struct, array_like=True):
    """What is kept. The batch's id is left out: it is the key the answer is kept under."""

    version: int
    accepted: int
    rejected: RejectedRows | None = None


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_StoredAnswer)


def encode_answer(answer: Answer) -> bytes:
    """Return an answer as it is kept, four bytes where no row was rejected."""
    return _encoder.encode(
        _StoredAnswer(VERSION, answer.accepted, answer.rejected if answer.rejected.indexes else None)
    )


def decode_answer(batch_id: str, data: bytes) -> Answer:
    """Return what was kept under a batch's id. Raises UnreadableAnswerError."""
    try:
        stored = _decoder.decode(data)
    except msgspec.MsgspecError as error:
        raise UnreadableAnswerError(f"not a first answer: {error}") from error
    if stored.version != VERSION:
        raise UnreadableAnswerError(f"a first answer in version {stored.version}, known is {VERSION}")
    return Answer(batch_id=batch_id, accepted=stored.accepted, rejected=stored.rejected or RejectedRows())
