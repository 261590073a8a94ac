"""The tables of docs/api.md, and what the structs of the protocol say should stand in them."""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
from msgspec import inspect

from tests.support.tree import ROOT

API = (ROOT / "docs" / "api.md").read_text()
SOCKET = (ROOT / "docs" / "socket.md").read_text()

_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_CODE_BLOCK = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_TABLE = re.compile(r"(?:^\|.*\n)+", re.MULTILINE)
_CELL_END = re.compile(r"(?<!\\)\|")
_WORDS = re.compile(r"`[\w-]+`( `[\w-]+`)+")

NOTHING = "-"
# Numbers that are times, by their name, which has the same unit wherever it stands.
UNITS = {
    "ttl": "seconds",
    "expires_at": "ms",
    "not_before": "ms",
    "expiration": "s",
    "expirationTime": "ms",
    "wait_ms": "milliseconds",
    "retry_after_ms": "milliseconds",
    "accepted_at": "ms",
    "finished_at": "ms",
    "dead_since": "ms",
}

Row = dict[str, str]


class Field(NamedTuple):
    """What a table says of one field; ``bound`` and ``default`` are None where it is one of an answer."""

    type: str
    bound: str | None = None
    default: str | None = None


def read_tables(text: str, heading: str) -> list[list[Row]]:
    """Return the tables directly under a heading, each a list of rows by column. Raises KeyError without it."""
    plain = _CODE_BLOCK.sub("", text)
    sections = _HEADING.split(plain)
    under = dict(zip(sections[1::2], sections[2::2], strict=True))
    return [_read_table(table) for table in _TABLE.findall(under[heading])]


def _sort_words(bound: str | None) -> str | None:
    """Return listed words in the order in which msgspec tells them."""
    return " ".join(sorted(bound.split())) if bound and _WORDS.fullmatch(bound) else bound


def _read_table(table: str) -> list[Row]:
    lines = [[cell.strip() for cell in _CELL_END.split(line)[1:-1]] for line in table.splitlines()]
    columns = lines[0]
    return [dict(zip(columns, cells, strict=True)) for cells in lines[2:]]


def unquote(cell: str) -> str:
    """Return what stands in backticks, a table's escapes undone. Raises ValueError for anything else."""
    if len(cell) < 3 or not (cell.startswith("`") and cell.endswith("`")):
        raise ValueError(f"not in backticks: {cell}")
    return cell[1:-1].replace("\\|", "|")


def read_fields(table: list[Row]) -> dict[str, Field]:
    """Return what a table says, by field."""
    fields = {
        unquote(row["field"]): Field(row["type"], _sort_words(row.get("bound")), row.get("default")) for row in table
    }
    assert len(fields) == len(table), "a field stands there twice"
    return fields


def describe_request(kind: type[msgspec.Struct]) -> dict[str, Field]:
    """Return what the table of a struct that callers send should say."""
    return {
        field.encode_name: Field(_name_field(field), _describe_bound(field.type), _show_default(field))
        for field in _fields_of(kind)
    }


def describe_answer(kind: type[msgspec.Struct]) -> dict[str, Field]:
    """Return what the table of a struct that the gateway sends should say."""
    return {
        field.encode_name: Field(_name_field(field) + (" or null" if is_nullable(field.type) else ""))
        for field in _fields_of(kind)
    }


def find_differences(said: dict[str, Field], meant: dict[str, Field], place: str) -> list[str]:
    """Return how a table differs from what it should say, in words."""
    differences = [f"{place}: no row for {name}" for name in meant if name not in said]
    differences += [f"{place}: a row for {name}, which is no field" for name in said if name not in meant]
    return differences + [
        f"{place}: the {part} of {name} is {is_meant!r}, not {is_said!r}"
        for name in said
        if name in meant
        for part, is_said, is_meant in zip(Field._fields, said[name], meant[name], strict=True)
        if is_said != is_meant
    ]


def _name_field(field: inspect.Field) -> str:
    unit = UNITS.get(field.encode_name)
    return _name_type(field.type) + (f", {unit}" if unit else "")


def _fields_of(kind: type[msgspec.Struct]) -> tuple[inspect.Field, ...]:
    described = inspect.type_info(kind)
    assert isinstance(described, inspect.StructType)
    return described.fields


def _open(kind: inspect.Type) -> list[inspect.Type]:
    """Return the alternatives of a type but for null, without annotations."""
    if isinstance(kind, inspect.Metadata):
        return _open(kind.type)
    if isinstance(kind, inspect.UnionType):
        return [opened for each in kind.types for opened in _open(each) if not isinstance(opened, inspect.NoneType)]
    return [kind]


def is_nullable(kind: inspect.Type) -> bool:
    """Whether null may stand for a value."""
    return isinstance(kind, inspect.UnionType) and any(isinstance(each, inspect.NoneType) for each in kind.types)


def _name_type(kind: inspect.Type) -> str:
    (opened, *_) = _open(kind)
    return _TYPE_NAMES[type(opened)](opened)


def _name_items(kind: inspect.ListType) -> str:
    item = _name_type(kind.item_type)
    return f"list of {item if item == 'bytes' else item + 's'}"


def _describe_bound(kind: inspect.Type) -> str:
    (opened, *_) = _open(kind)
    describe = _BOUNDS.get(type(opened))
    return NOTHING if describe is None else describe(opened)


def _bound_text(kind: inspect.StrType) -> str:
    if kind.pattern is not None:
        return "1 to 255 of `A-Z a-z 0-9 . _ ~ -`"  # the one pattern there is, that of batch ids
    return _span(kind.min_length, kind.max_length, " characters")


def _bound_list(kind: inspect.ListType) -> str:
    most = _span(None, kind.max_length)
    return most if isinstance(kind.item_type, inspect.RawType) else f"{most}, each {_describe_bound(kind.item_type)}"


def _bound_map(kind: inspect.DictType) -> str:
    keys, values = _describe_bound(kind.key_type), _describe_bound(kind.value_type)
    return f"{_span(None, kind.max_length)}, keys of {keys}, values of {values}"


def _span(least: int | None, most: int | None, unit: str = "") -> str:
    if most is None:
        return "without a bound"
    return f"at most {most:,}{unit}" if least is None else f"{least:,} to {most:,}{unit}"


def _show_default(field: inspect.Field) -> str:
    if field.required:
        return "required"
    default: Any = field.default_factory() if field.default is msgspec.NODEFAULT else field.default
    if default is None:
        return NOTHING
    if isinstance(default, str):
        return f"`{default}`"
    return f"`{msgspec.json.encode(default).decode()}`"


# By msgspec's kind of type.
_TYPE_NAMES: dict[type, Callable[[Any], str]] = {
    inspect.StrType: lambda _: "text",
    inspect.IntType: lambda _: "integer",
    inspect.FloatType: lambda _: "number",
    inspect.BoolType: lambda _: "true or false",
    inspect.BytesType: lambda _: "bytes",
    inspect.StructType: lambda _: "map",
    inspect.RawType: lambda _: "map",
    inspect.LiteralType: lambda kind: "integer" if isinstance(kind.values[0], int) else "word",
    inspect.ListType: _name_items,
    inspect.DictType: lambda kind: f"map, {_name_type(kind.key_type)} to {_name_type(kind.value_type)}",
}
# A struct's bound is its table, by its name here.
_BOUNDS: dict[type, Callable[[Any], str]] = {
    inspect.StrType: _bound_text,
    inspect.IntType: lambda kind: _span(kind.ge, kind.le),
    inspect.BytesType: lambda kind: _span(kind.min_length, kind.max_length, " bytes"),
    inspect.StructType: lambda kind: kind.cls.__name__,
    inspect.LiteralType: lambda kind: " ".join(sorted(f"`{value}`" for value in kind.values)),
    inspect.ListType: _bound_list,
    inspect.DictType: _bound_map,
}
