"""Frames with one field at an extreme, made from the structs themselves, so that a new field is tried unasked.

Every field of every frame, nested ones and those of rows too, gets in turn each value at the ends of its type and past
them, and each msgpack header that announces more than there is. Everything else in the frame is as small as it can be.
"""

import math
import types
from collections.abc import Callable, Iterator
from typing import Any, get_args

import msgspec
from msgspec import inspect

from protocol.frames import CallerFrame, Cancel, frame_body
from protocol.send import Notification, SendFrame, TargetRow

# Of the 64 bits that msgpack has, those beside which a number becomes a size, a shift or a sign.
NUMBERS = (0, 1, -1, 2**31 - 1, 2**31, 2**53, 2**63 - 1, 2**63, 2**64 - 1, -(2**63))
FLOATS = (math.nan, math.inf, -math.inf, 1e308)
# A header of each family that announces the most, and nothing after it; and nesting without an end.
HEADERS = (
    b"\xdd\xff\xff\xff\xff",  # array 32
    b"\xdf\xff\xff\xff\xff",  # map 32
    b"\xdb\xff\xff\xff\xff",  # str 32
    b"\xc6\xff\xff\xff\xff",  # bin 32
    b"\xc9\xff\xff\xff\xff\x01",  # ext 32
    b"\xdc\x0f\xff" + b"\x01" * 0x0FFF,  # array 16, whole
    b"\x91" * 5_000,
)
LONG = 64 * 1024
MANY = 10_000
# What stands in place of lists whose items are decoded later, by their field's name.
ROWS: dict[str, type[msgspec.Struct]] = {"notifications": Notification, "targets": TargetRow}
# What a frame needs beside its schema to be looked at further, and a field to be one that is known.
LEAST_OF_FRAME: dict[type[msgspec.Struct], tuple[dict[str, Any], ...]] = {
    SendFrame: ({"targets": [{}]},),
    Cancel: ({"batch_id": "b1"}, {"app": "shop", "cancel_key": "k"}),
}
LEAST_OF_FIELD: dict[str, Any] = {"batch_id": "b1", "cursor": "1", "app": "shop"}

Extreme = tuple[str, bytes]


def frame_types() -> tuple[type[msgspec.Struct], ...]:
    """Return the struct of every frame that a caller may send."""
    assert isinstance(CallerFrame, types.UnionType)
    return get_args(CallerFrame)


def extreme_frames(kind: type[msgspec.Struct]) -> Iterator[Extreme]:
    """Yield (what it is, the frame) for every extreme of one kind of frame."""
    described = _describe(kind)
    for fields in LEAST_OF_FRAME.get(kind, ({},)):
        for place, value in _extremes_of_struct(described, _least(described) | fields):
            yield f"{described.tag} {place}", frame_body(msgspec.msgpack.encode(value))


def _describe(kind: type[msgspec.Struct]) -> inspect.StructType:
    described = inspect.type_info(kind)
    assert isinstance(described, inspect.StructType)
    return described


def _extremes_of_struct(described: inspect.StructType, least: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for field in described.fields:
        name = field.encode_name
        others = {key: value for key, value in least.items() if key not in _rivals(name)}
        for place, value in _extremes(field.type, name):
            yield f"{name}{place}", others | {name: value}


def _rivals(name: str) -> set[str]:
    """Return the fields that must not stand beside this one, for it to be looked at."""
    return set(ROWS) - {name} if name in ROWS else set()


def _extremes(described: inspect.Type, name: str) -> Iterator[tuple[str, Any]]:
    kinds = described.types if isinstance(described, inspect.UnionType) else (described,)
    takes_numbers = any(isinstance(kind, inspect.IntType | inspect.FloatType) for kind in kinds)
    for number in (*NUMBERS, *FLOATS) if takes_numbers else NUMBERS[-1:]:
        yield f"={number}", number
    for at, header in enumerate(HEADERS):
        yield f"=header {at}", msgspec.Raw(header)
    for each in kinds:
        yield from _BY_TYPE.get(type(each), _nothing)(each, name)


def _nothing(described: Any, name: str) -> Iterator[tuple[str, Any]]:
    del described, name
    yield from ()


def _extremes_of_int(described: inspect.IntType, name: str) -> Iterator[tuple[str, Any]]:
    del name
    for bound in (described.ge, described.le):
        if bound is not None:
            for number in (bound - 1, bound, bound + 1):
                yield f"={number} by its bound", number


def _extremes_of_str(described: inspect.StrType, name: str) -> Iterator[tuple[str, Any]]:
    del name
    longest = described.max_length or LONG
    for length in {0, longest, longest + 1}:
        for character in ("a", "9", "😀"):
            yield f" of {length} times {character!r}", character * length


def _extremes_of_bytes(described: inspect.BytesType, name: str) -> Iterator[tuple[str, Any]]:
    del name
    longest = described.max_length or LONG
    for length in {0, longest, longest + 1}:
        for byte in (b"\xff", b"["):
            yield f" of {length} times {byte!r}", byte * length


def _extremes_of_list(described: inspect.ListType, name: str) -> Iterator[tuple[str, Any]]:
    longest = described.max_length or MANY
    if name in ROWS:
        yield from _extremes_of_rows(ROWS[name])
        yield f" of {longest + 1} rows", [0] * (longest + 1)
        return
    item = _least_value(described.item_type, name)
    for length in {0, 1, longest, longest + 1}:
        yield f" of {length}", [_vary(item, at) for at in range(length)]
    for place, value in _extremes(described.item_type, name):
        yield f"[0]{place}", [value]
    if isinstance(item, int):
        for last in (2 * longest, 2**31 - 1):
            yield f" of {longest} up to {last}", list(range(last - 2 * longest + 2, last + 1, 2))


def _extremes_of_rows(kind: type[msgspec.Struct]) -> Iterator[tuple[str, Any]]:
    described = _describe(kind)
    for place, row in _extremes_of_struct(described, _least(described)):
        yield f"[0].{place}", [row]


def _extremes_of_dict(described: inspect.DictType, name: str) -> Iterator[tuple[str, Any]]:
    value = _least_value(described.value_type, name)
    for length in {0, described.max_length or MANY, (described.max_length or MANY) + 1}:
        yield f" of {length} keys", {f"k{at}": value for at in range(length)}
    for place, extreme in _extremes(described.value_type, name):
        yield f"[k]{place}", {"k": extreme}
    for place, extreme in _extremes(described.key_type, name):
        if isinstance(extreme, str):
            yield f" key{place}", {extreme: value}


def _extremes_of_inner(described: inspect.StructType, name: str) -> Iterator[tuple[str, Any]]:
    del name
    for place, value in _extremes_of_struct(described, _least(described)):
        yield f".{place}", value


_BY_TYPE: dict[type[inspect.Type], Callable[[Any, str], Iterator[tuple[str, Any]]]] = {
    inspect.IntType: _extremes_of_int,
    inspect.StrType: _extremes_of_str,
    inspect.BytesType: _extremes_of_bytes,
    inspect.ListType: _extremes_of_list,
    inspect.DictType: _extremes_of_dict,
    inspect.StructType: _extremes_of_inner,
}


def _least(described: inspect.StructType) -> dict[str, Any]:
    """Return the smallest map that is right by the schema."""
    tag = {} if described.tag_field is None else {described.tag_field: described.tag}
    required = {
        field.encode_name: _least_value(field.type, field.encode_name) for field in described.fields if field.required
    }
    return tag | required


def _least_value(described: inspect.Type, name: str) -> Any:
    value: Any = None
    match described:
        case _ if name in LEAST_OF_FIELD:
            value = LEAST_OF_FIELD[name]
        case inspect.UnionType():
            value = _least_value(described.types[0], name)
        case inspect.IntType():
            value = described.ge or 0
        case inspect.StrType():
            value = "a" * max(1, described.min_length or 0)
        case inspect.LiteralType():
            value = described.values[0]
        case inspect.StructType():
            value = _least(described)
        case inspect.ListType():
            value = []
    return value


def _vary(item: Any, at: int) -> Any:
    """Return an item unlike the others, where that is easy: those that are alike are folded by sets."""
    if isinstance(item, str):
        return f"{at}"
    return item + at if isinstance(item, int) else item
