"""How a request is refused whole: a reason, the place of the fault, and a sentence that never echoes a value."""

import re
from collections.abc import Hashable

import msgspec

from protocol.choices import find_choices
from protocol.reasons import Reason

PLACE_LIMIT_CHARACTERS = 200

# Fields that later versions will know (policies, plans, users): their names are taken, their meaning is not built.
RESERVED_FIELDS = frozenset(
    {"category", "class", "caps", "quiet", "plan", "user", "provider_ttl", "dedupe_key"},
)

# Everything msgspec raises for hostile input; RecursionError is its answer to nesting, UnicodeDecodeError to bad text.
DECODING_ERRORS = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)

_UNKNOWN_FIELD = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)
_MISSING_FIELD = re.compile(r"Object missing required field `(.*)`", re.DOTALL)
_VALUE_PREFIXES = ("Invalid enum value", "Invalid value")  # what follows is the caller's own value
_LENGTH_PREFIX = "Expected `array` of length <="
_PATTERN_PREFIX = "Expected `str` matching regex"  # the one pattern of the schema is that of batch ids


class RequestError(Exception):
    """A request that is refused whole. ``batch_id`` is the one it named, where it could still be read."""

    def __init__(self, reason: Reason, field: str | None, detail: str, batch_id: str | None = None) -> None:
        super().__init__(f"{reason.word}: {detail}" if field is None else f"{reason.word} at {field}: {detail}")
        self.reason = reason
        self.field = field
        self.detail = detail
        self.batch_id = batch_id


def translate_decoding_error(error: Exception, *, kind: Hashable | None = None) -> RequestError:
    """Return the refusal for one of DECODING_ERRORS.

    ``kind`` is the type that was being decoded: with it a word that is not known is answered by those that are.
    """
    if not isinstance(error, msgspec.ValidationError):
        return RequestError(Reason.MALFORMED, None, _describe_unreadable(error))
    message, path = _split_message(str(error))
    place = path.removeprefix("$").removeprefix(".")
    if found := _UNKNOWN_FIELD.fullmatch(message):
        return _refuse_unknown_field(_printable(found[1]), place)
    if found := _MISSING_FIELD.fullmatch(message):
        return RequestError(Reason.MALFORMED, _join(place, found[1]), "this field is required")
    return RequestError(_reason(message, place), place or None, _describe(message, path, kind))


def _reason(message: str, place: str) -> Reason:
    is_row_list = place in {"notifications", "targets"}
    return Reason.TOO_LARGE if is_row_list and message.startswith(_LENGTH_PREFIX) else Reason.MALFORMED


def _describe(message: str, path: str, kind: Hashable | None) -> str:
    """Return msgspec's words without what they quote from the caller."""
    if message.startswith(_VALUE_PREFIXES):
        choices = find_choices(kind, path)
        return f"not one of {', '.join(choices)}" if choices else "not one of the words known here"
    if message.startswith(_PATTERN_PREFIX):
        return "1 to 255 of the characters A-Z a-z 0-9 . _ ~ -"
    return message.replace("`", "").lower()


def _describe_unreadable(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "nested too deep"
    if isinstance(error, UnicodeDecodeError):
        return "a text is not valid UTF-8"
    return "truncated, or not of the announced format"


def _split_message(message: str) -> tuple[str, str]:
    """Split msgspec's ``what - at `path``` into its two halves."""
    what, separator, path = message.rpartition(" - at `")
    if not separator:
        return message, "$"
    path = path.rstrip("`")
    return what, path.removeprefix("key` in `")


def _refuse_unknown_field(name: str, place: str) -> RequestError:
    field = _join(place, name)
    if name in RESERVED_FIELDS:
        return RequestError(Reason.NOT_SUPPORTED, field, "this field is reserved for a later version")
    return RequestError(Reason.UNKNOWN_FIELD, field, "no field of this name is known here")


def _join(place: str, name: str) -> str:
    return (f"{place}.{name}" if place else name)[:PLACE_LIMIT_CHARACTERS]


def _printable(name: str) -> str:
    """Return a caller's own field name safe for answers and logs."""
    return "".join(character if character.isprintable() else "?" for character in name[:PLACE_LIMIT_CHARACTERS])
