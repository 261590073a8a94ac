"""Which settings differ between two readings of the same file, by the names they have there."""

import msgspec


def find_changes(before: msgspec.Struct, after: msgspec.Struct, place: str = "") -> list[str]:
    """Return the places that differ, such as ``limits.connections`` or ``apps.shop.apns``, in the order of the file."""
    changes: list[str] = []
    for name in before.__struct_fields__:
        changes += _compare(getattr(before, name), getattr(after, name), f"{place}{name}")
    return changes


def _compare(before: object, after: object, place: str) -> list[str]:
    if before == after:
        return []
    if isinstance(before, msgspec.Struct) and isinstance(after, msgspec.Struct):
        return find_changes(before, after, f"{place}.")
    if isinstance(before, dict) and isinstance(after, dict):
        keys = dict.fromkeys([*before, *after])
        return [found for key in keys for found in _compare(before.get(key), after.get(key), f"{place}.{key}")]
    return [place]
