"""The words that a schema allows at a place: what a refusal lists for whoever wrote another one."""

import re
from collections.abc import Hashable, Iterator
from functools import lru_cache
from typing import Any

from msgspec import inspect

_STEP = re.compile(r"\.([^.\[\]]+)|(\[[^\]]*\])")


def find_choices(kind: Hashable | None, path: str) -> list[str]:
    """Return the words, or numbers, allowed at msgspec's ``path`` (``$[3].to.apns.environment``) in a type.

    None are returned where no type is given, or anything but one of a few words may stand there.
    """
    if kind is None:
        return []
    found: list[inspect.Type] = [_inspect(kind)]
    for step in _STEP.finditer(path):
        outer = [each for one in found for each in _open_unions(one)]
        found = [each for one in outer for each in _step_into(one, step[1])]
        if not found and step[1] is not None:
            return _list_tags(outer, step[1])
    return [str(word) for one in found for each in _open_unions(one) for word in _list_words(each)]


@lru_cache(maxsize=16)  # a handful of types are ever decoded; looking one over takes a millisecond
def _inspect(kind: Hashable) -> inspect.Type:
    return inspect.type_info(kind)


def _open_unions(kind: inspect.Type) -> Iterator[inspect.Type]:
    """Yield the alternatives of a type, without what only annotates them."""
    match kind:
        case inspect.UnionType():
            for each in kind.types:
                yield from _open_unions(each)
        case inspect.Metadata():
            yield from _open_unions(kind.type)
        case _:
            yield kind


def _step_into(kind: inspect.Type, name: str | None) -> Iterator[inspect.Type]:
    """Yield the type of a field, or without a name that of the items."""
    match kind:
        case inspect.StructType() if name is not None:
            yield from (field.type for field in kind.fields if field.encode_name == name)
        case inspect.ListType() if name is None:
            yield kind.item_type
        case inspect.DictType() if name is None:
            yield kind.value_type


def _list_words(kind: inspect.Type) -> list[Any]:
    match kind:
        case inspect.LiteralType():
            return list(kind.values)
        case inspect.EnumType():
            return [each.value for each in kind.cls]
        case _:
            return []


def _list_tags(kinds: list[inspect.Type], field: str) -> list[str]:
    """Return the tags by which structs are told apart in a field that is none of their own."""
    return [str(each.tag) for each in kinds if isinstance(each, inspect.StructType) and each.tag_field == field]
