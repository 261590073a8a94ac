"""proto3 JSON as a Google front end reads it: values in, plain values with snake_case names out, violations on the way.

A reader takes a value, the path to it, and a list that it adds to when the value is not what the field holds; it then
returns whatever is harmless. A message takes both spellings of a field (``collapse_key``, ``collapseKey``), ignores
null as "not set", and names what it does not know by the path of the message around it, as Google does.
"""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

NANOSECONDS = 1_000_000_000
DEEPEST_NESTING = 100

_LEAST_INT32, _LARGEST_INT32 = -(2**31), 2**31 - 1
_LARGEST_DURATION_SECONDS = 315_576_000_000
_LONGEST_SHOWN_NAME = 64
_INTEGER = re.compile(r"-?[0-9]{1,10}")
_NUMBER = re.compile(r"-?[0-9]{1,20}(?:\.[0-9]{1,20})?(?:[eE][+-]?[0-9]{1,2})?")
_DURATION = re.compile(r"-?(?P<seconds>[0-9]{1,12})(?:\.[0-9]{1,9})?s")
_TIMESTAMP = re.compile(
    r"(?P<moment>[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.[0-9]{1,9})?(?:Z|[+-]..:..)"
)


class Violation(NamedTuple):
    """One entry of ``google.rpc.BadRequest``."""

    field: str
    description: str


DefaultT = TypeVar("DefaultT")
Reader = Callable[[object, str, list[Violation]], Any]


def read_string(value: object, path: str, violations: list[Violation]) -> str:
    """Read a string; a number or boolean is none, however it would print."""
    return value if isinstance(value, str) else _refuse(path, "TYPE_STRING", violations, "")


def read_bool(value: object, path: str, violations: list[Violation]) -> bool:
    """Read true or false."""
    return value if isinstance(value, bool) else _refuse(path, "TYPE_BOOL", violations, False)


def read_int32(value: object, path: str, violations: list[Violation]) -> int:
    """Read a whole number of 32 bits; also as a string, or with a fraction of zero."""
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        value = int(value)
    if not isinstance(value, int | float) or isinstance(value, bool) or value != value // 1:
        return _refuse(path, "TYPE_INT32", violations, 0)
    return int(value) if _LEAST_INT32 <= value <= _LARGEST_INT32 else _refuse(path, "TYPE_INT32", violations, 0)


def read_float(value: object, path: str, violations: list[Violation]) -> float:
    """Read a number; also as a string."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        return float(value)
    return _refuse(path, "TYPE_FLOAT", violations, 0.0)


def read_duration(value: object, path: str, violations: list[Violation]) -> str:
    """Read seconds with an ``s`` at their end, in a string; `nanoseconds_of` tells how long that is."""
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None or int(match["seconds"]) > _LARGEST_DURATION_SECONDS:
        return _refuse(path, "type.googleapis.com/google.protobuf.Duration", violations, "0s")
    return match[0]


def nanoseconds_of(duration: str) -> int:
    """Return the length of a duration as `read_duration` returns it."""
    whole, _, fraction = duration.removeprefix("-").removesuffix("s").partition(".")
    nanoseconds = int(whole) * NANOSECONDS + int(fraction.ljust(9, "0"))
    return -nanoseconds if duration.startswith("-") else nanoseconds


def read_timestamp(value: object, path: str, violations: list[Violation]) -> str:
    """Read a moment of RFC 3339 in a string."""
    match = _TIMESTAMP.fullmatch(value) if isinstance(value, str) else None
    try:
        if match is not None:
            datetime.fromisoformat(match["moment"])
            return match[0]
    except ValueError:
        pass  # a thirteenth month
    return _refuse(path, "type.googleapis.com/google.protobuf.Timestamp", violations, "")


def read_object(value: object, path: str, violations: list[Violation]) -> dict[str, Any]:
    """Read a ``google.protobuf.Struct``: any JSON object, nested as deep as Google's parser goes."""
    if isinstance(value, dict) and _depth(value) <= DEEPEST_NESTING:
        return value
    return _refuse(path, "type.googleapis.com/google.protobuf.Struct", violations, {})


def read_strings(value: object, path: str, violations: list[Violation]) -> dict[str, str]:
    """Read a map of strings to strings; entries are named by their number, as Google does."""
    if not isinstance(value, dict):
        return _refuse(path, "map", violations, {})
    return {
        key: read_string(item, f"{path}[{number}].value", violations)
        for number, (key, item) in enumerate(value.items())
    }


def enum_of(*words: str, also_lower_case: bool = False) -> Reader:
    """Return the reader of an enum of these words, in the order of their numbers, which proto3 JSON takes besides."""
    spellings = {word: word for word in words}
    if also_lower_case:
        spellings |= {word.lower(): word for word in words}

    def read(value: object, path: str, violations: list[Violation]) -> str:
        if isinstance(value, str) and value in spellings:
            return spellings[value]
        if type(value) is int and 0 <= value < len(words):
            return words[value]
        return _refuse(path, "TYPE_ENUM", violations, words[0])

    return read


def list_of(read_item: Reader) -> Reader:
    """Return the reader of a repeated field."""

    def read(value: object, path: str, violations: list[Violation]) -> list[Any]:
        if not isinstance(value, list):
            return _refuse(path, "repeated", violations, [])
        return [read_item(item, f"{path}[{number}]", violations) for number, item in enumerate(value)]

    return read


class MessageReader:
    """The reader of a message with these fields. Of each ``oneofs`` entry at most one field may be set."""

    def __init__(self, fields: Mapping[str, Reader], oneofs: Mapping[str, frozenset[str]] | None = None) -> None:
        self._fields = {
            spelling: (name, read) for name, read in fields.items() for spelling in (name, _camel_case(name))
        }
        self._oneofs = oneofs or {}

    def __call__(self, value: object, path: str, violations: list[Violation]) -> dict[str, Any]:
        """Read the message. A key that JSON repeats came in once: the last of them."""
        if not isinstance(value, dict):
            return _refuse(path, "message", violations, {})
        message: dict[str, Any] = {}
        seen: set[str] = set()
        for key, item in value.items():
            name, read = self._fields.get(key, ("", read_object))
            shown = key[:_LONGEST_SHOWN_NAME]
            if not name:
                violations.append(Violation(path, f'Unknown name "{shown}" at {path!r}: there is no such field.'))
            elif name in seen:
                violations.append(Violation(path, f'The field of name "{shown}" at {path!r} is set in both spellings.'))
            elif item is not None:
                message[name] = read(item, f"{path}.{name}" if path else name, violations)
                seen.add(name)
        for oneof, names in self._oneofs.items():
            if len(chosen := sorted(names & message.keys())) > 1:
                violations.append(Violation(path, f"Of {oneof!r} only one may be set, got {', '.join(chosen)}."))
        return message


def _camel_case(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)


def _refuse(path: str, wanted: str, violations: list[Violation], default: DefaultT) -> DefaultT:
    """Add a violation that shows nothing of the value; return ``default`` so that reading can go on."""
    violations.append(Violation(path, f"Invalid value at {path!r} ({wanted})."))
    return default


def _depth(value: object) -> int:
    """Return how many objects and lists stand inside one another; the parser has bounded what may come here."""
    depth, level = 0, [value]
    while level := [item for item in level if isinstance(item, dict | list)]:
        depth += 1
        level = [inner for item in level for inner in (item.values() if isinstance(item, dict) else item)]
    return depth
