"""From a tree of given values to frozen sections, collecting every fault on the way instead of stopping at the first.

A setting with a fault takes its default for the rest of the reading, so that its section can still be checked as a
whole; contradictions that involve it are left out, for they might come from the default. What comes out beside faults
is for finding more of them, in the files that it names, and for nothing else.
"""

import re
from difflib import get_close_matches
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin

import msgspec

from gateway.config.faults import Fault, SectionError
from gateway.config.sections import Section
from gateway.config.sources import Given, Tree

AnySection = TypeVar("AnySection", bound=Section)
APP_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


def read_section(kind: type[AnySection], tree: Tree, place: str, faults: list[Fault]) -> AnySection | None:
    """Return the section ``kind`` made of ``tree``, appending to ``faults``; None when it contradicts itself."""
    fields = {field.name: field for field in msgspec.structs.fields(kind)}
    faults += [_describe_unknown(name, node, place, list(fields)) for name, node in tree.items() if name not in fields]
    values: dict[str, Any] = {}
    faulty: set[str] = set()
    for name, field in fields.items():
        if name not in tree:
            continue
        faults_before = len(faults)
        value = _read_setting(field, tree[name], _join(place, name), faults)
        is_good = len(faults) == faults_before
        if not is_good:
            faulty.add(name)
        if is_good or (value is not None and _find_section(field.type)):
            values[name] = value
    try:
        return kind(**values)
    except SectionError as error:
        for names, detail in error.contradictions:
            if faulty.isdisjoint(names):
                faults.append(Fault(_find_place(tree.get(names[0], {}), _join(place, names[0])), detail))
        return None


def _read_setting(field: msgspec.structs.FieldInfo, node: Tree | Given, place: str, faults: list[Fault]) -> object:
    section = _find_section(field.type)
    if section is None:
        is_path = field.name.endswith(("_file", "_files", "directory"))
        read = _read_table if get_origin(field.type) is dict else _read_value
        return read(field.type, node, place, faults, is_path=is_path)
    if isinstance(node, Given):
        faults.append(Fault(node.place, "is a section, not a setting"))
        return None
    if get_origin(field.type) is not dict:
        return read_section(section, node, place, faults)
    return _read_named_sections(section, node, place, faults)


def _read_named_sections(kind: type[Section], tree: Tree, place: str, faults: list[Fault]) -> dict[str, Section]:
    sections: dict[str, Section] = {}
    for name, node in tree.items():
        if APP_NAME.fullmatch(name) is None:
            faults.append(Fault(_join(place, name), "a name is 1 to 64 letters, digits, '_', '.' or '-'"))
        elif isinstance(node, Given):
            faults.append(Fault(node.place, "is a section, not a setting"))
        else:
            section = read_section(kind, node, _join(place, name), faults)
            if section is not None:
                sections[name] = section
    return sections


def _read_table(
    annotation: object, node: Tree | Given, place: str, faults: list[Fault], *, is_path: bool
) -> dict[str, object]:
    """Return a setting that has a value for each of several names."""
    name_type, value_type = get_args(annotation)
    if isinstance(node, Given):
        node = _split_table(node, faults)
    values: dict[str, object] = {}
    for name, item in node.items():
        item_place = _join(place, name)
        if isinstance(item, dict):
            faults.append(Fault(item_place, 'is a table; a name with dots stands in quotes, as in "push.example.org"'))
        elif not _fits(name, name_type):
            faults.append(Fault(_find_place(item, item_place), f"{name!r}: expected {_describe(name_type)}"))
        else:
            values[name] = _read_value(value_type, item, item_place, faults, is_path=is_path)
    return values


def _split_table(given: Given, faults: list[Fault]) -> Tree:
    """Return the names and values of a variable: ``name=value``, separated by commas."""
    if not given.is_text:
        faults.append(Fault(given.place, "expected a table, as in { name = value }"))
        return {}
    tree: Tree = {}
    for part in filter(None, (part.strip() for part in str(given.value).split(","))):
        name, equals, value = part.partition("=")
        if equals:
            tree[name.strip()] = msgspec.structs.replace(given, value=value.strip())
        else:
            faults.append(Fault(given.place, "expected name=value, several separated by commas"))
    return tree


def _read_value(annotation: object, node: Tree | Given, place: str, faults: list[Fault], *, is_path: bool) -> object:
    if isinstance(node, dict):
        faults.append(Fault(_find_place(node, place), f"expected {_describe(annotation)}, got a table"))
        return None
    value = node.value
    if _is_list(annotation) and isinstance(value, str):
        # One address needs no brackets; a variable separates several by commas.
        value = [part.strip() for part in value.split(",")] if node.is_text else [value]
    try:
        converted: object = msgspec.convert(value, annotation, strict=not node.is_text)
    except msgspec.ValidationError:
        faults.append(Fault(node.place, f"expected {_describe(annotation)}{_describe_kind(annotation, node)}"))
        return None
    if is_path and isinstance(converted, str):
        return str(node.directory / Path(converted).expanduser())
    return converted


def _fits(value: str, annotation: object) -> bool:
    try:
        msgspec.convert(value, annotation)
    except msgspec.ValidationError:
        return False
    return True


def _describe_unknown(name: str, node: Tree | Given, place: str, known: list[str]) -> Fault:
    near = get_close_matches(name, known, n=1)
    advice = f"did you mean {near[0]}?" if near else f"known here: {', '.join(known)}"
    kind = "section" if isinstance(node, dict) else "setting"
    return Fault(_find_place(node, _join(place, name)), f"unknown {kind}; {advice}")


def _find_place(node: Tree | Given, place: str) -> str:
    """Return the variable that gave ``node``, or all there is in it; ``place`` when it came from the file."""
    while isinstance(node, dict) and len(node) == 1:
        node = next(iter(node.values()))
    return node.place if isinstance(node, Given) and node.is_text else place


def _describe_kind(annotation: object, given: Given) -> str:
    """Return what was got where it is of another kind than expected; never the value itself."""
    parts = _find_parts(annotation)
    accepted = {part if isinstance(part, type) else type(part) for part in parts}
    accepted.update(type(choice) for choice in _find_choices(parts))
    if float in accepted:
        accepted.add(int)
    if given.is_text or type(given.value) in accepted:
        return ""
    return f", got {_KINDS.get(type(given.value), 'another kind of value')}"


def _describe(annotation: object) -> str:
    """Return what a type accepts, in words: its own description, its choices, or its plain name."""
    parts = _find_parts(annotation)
    for part in parts:
        if isinstance(part, msgspec.Meta) and part.description:
            return part.description
    choices = [repr(choice) for choice in _find_choices(parts)]
    if choices:
        return " or ".join(choices)
    return "a list of strings" if tuple in parts else "a string"


def _find_choices(parts: list[object]) -> list[str]:
    """Return the words of a literal type or of an enumeration."""
    enumerations = [part for part in parts if isinstance(part, type) and issubclass(part, Enum)]
    return [part for part in parts if isinstance(part, str)] + [
        str(each.value) for kind in enumerations for each in kind
    ]


def _find_parts(annotation: object) -> list[object]:
    """Return an annotation with everything inside it, outermost first."""
    origin = get_origin(annotation)
    inner = (*get_args(annotation), *getattr(annotation, "__metadata__", ()))
    return [origin or annotation, *(part for argument in inner for part in _find_parts(argument))]


def _find_section(annotation: object) -> type[Section] | None:
    for part in _find_parts(annotation):
        if isinstance(part, type) and issubclass(part, Section):
            return part
    return None


def _is_list(annotation: object) -> bool:
    return get_origin(annotation) is tuple


def _join(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


_KINDS = {bool: "true or false", int: "a number", float: "a number", str: "a string", list: "a list"}
