"""Rows that go against the schema: each is rejected alone, and kept as it came until then.

What came is what tells one request from another: :mod:`protocol.send.fingerprint` hashes a row that can be read as a
map in our own order, and one of these as an array around its bytes, so that neither can pass for the other.

Such rows may be 10,000 in a frame of 10 kB. So what is wrong with one is put into words once for all that have the same
fault, and what is no map isn't even tried.
"""

from functools import lru_cache
from typing import Literal, NamedTuple, final

import msgspec

from protocol.reasons import Reason
from protocol.refusals import DECODING_ERRORS, translate_decoding_error
from protocol.rejections import RowError
from protocol.send.fields import Notification, RowId, TargetRow

RowsField = Literal["notifications", "targets"]

# By the first name of the place: what is wrong there decides what its caller has to mend. Any other is an option.
_REASONS = {
    "to": Reason.INVALID_TOKEN,
    "content": Reason.INVALID_PAYLOAD,
    "payload_json": Reason.INVALID_PAYLOAD,
    "payload_bytes": Reason.INVALID_PAYLOAD,
}
# Looking for an id takes up to 4 ns a byte, and a row may have as many bytes as a batch.
SEARCHED_BYTES = 64 * 1024
# A fault names no values, but for the names of unknown fields: those over so many characters are not remembered.
REMEMBERED_FAULTS = 256
REMEMBERED_CHARACTERS = 256
# The first byte of a msgpack map (format: map family).
_MAPS = frozenset({*range(0x80, 0x90), 0xDE, 0xDF})


class _Named(msgspec.Struct):
    id: RowId | None = None


class _Words(NamedTuple):
    """Why a row is rejected, where, and in a sentence."""

    reason: Reason
    field: str | None
    detail: str


_NO_MAP = _Words(Reason.MALFORMED, None, "a notification is a map")


@final
class UnreadableRow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A row as it came, and of which list."""

    raw: bytes
    rows_field: RowsField

    @property
    def id(self) -> str | None:
        """The caller's own id, where that can be found."""
        if self.raw[0] not in _MAPS or len(self.raw) > SEARCHED_BYTES:
            return None
        try:
            return _named_decoder.decode(self.raw).id
        except DECODING_ERRORS:
            return None

    def explain(self) -> RowError:
        """Return why it is rejected, with the place of the first fault."""
        if self.raw[0] not in _MAPS:
            return RowError(*_NO_MAP)
        try:
            ROW_DECODERS[self.rows_field].row.decode(self.raw)
        except msgspec.ValidationError as error:
            message = str(error)
            remember = _find_words if len(message) <= REMEMBERED_CHARACTERS else _find_words.__wrapped__
            return RowError(*remember(message, self.rows_field))
        except DECODING_ERRORS as error:
            return RowError(Reason.MALFORMED, None, translate_decoding_error(error).detail)
        raise AssertionError("a row that could not be read a moment ago")


Row = Notification | TargetRow | UnreadableRow


class _Decoders(NamedTuple):
    """Many rows, which can all be read or can't, and one."""

    rows: msgspec.msgpack.Decoder[list[Row]]
    row: msgspec.msgpack.Decoder[Row]


_named_decoder = msgspec.msgpack.Decoder(_Named)
ROW_DECODERS: dict[RowsField, _Decoders] = {
    "notifications": _Decoders(msgspec.msgpack.Decoder(list[Notification]), msgspec.msgpack.Decoder(Notification)),
    "targets": _Decoders(msgspec.msgpack.Decoder(list[TargetRow]), msgspec.msgpack.Decoder(TargetRow)),
}


def read_row(raw: bytes | msgspec.Raw, rows_field: RowsField) -> Row:
    """Return one row, as it came where it can't be read."""
    kept = bytes(raw)
    if kept[0] in _MAPS:
        try:
            return ROW_DECODERS[rows_field].row.decode(kept)
        except DECODING_ERRORS:
            pass
    return UnreadableRow(kept, rows_field)


@lru_cache(maxsize=REMEMBERED_FAULTS)
def _find_words(message: str, rows_field: RowsField) -> _Words:
    kind = TargetRow if rows_field == "targets" else Notification
    refusal = translate_decoding_error(msgspec.ValidationError(message), kind=kind)
    place = refusal.field
    if place is None:
        return _Words(refusal.reason, None, refusal.detail)
    if rows_field == "targets" and place != "id":
        place = f"to.{place}"  # a row of targets is the address itself, with an id beside it
    if refusal.reason is not Reason.MALFORMED:
        return _Words(refusal.reason, place, refusal.detail)
    first = place.partition(".")[0].partition("[")[0]
    return _Words(_REASONS.get(first, Reason.INVALID_OPTION), place, refusal.detail)
