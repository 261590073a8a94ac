"""Finds what a run leaves to the cycle collector: in a gateway that runs for months that is a leak.

Old objects are not collected while there is work (``gateway.collecting``), so whatever is of ours must be freed as
soon as nobody refers to it. What other libraries leave behind is not looked at, unless it keeps something of ours.
"""

import gc
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from types import CodeType

from native import live_objects

OURS = ("gateway", "native", "protocol", "pushmill", "clients")
# Allocations are not among them: header sets that a provider keeps have some.
NATIVE_KINDS = ("sessions", "requests", "streams")
# What can only be told by its code: a task that has ended, a traceback's frame.
CODE_OF = ("f_code", "cr_code", "gi_code", "ag_code", "__code__")


class Leftovers:
    """What only the collector could free after a block: how many by their names. Filled when the block ends."""

    def __init__(self) -> None:
        self.names: Counter[str] = Counter()

    def __repr__(self) -> str:
        return f"<Leftovers {dict(self.names)}>"


@contextmanager
def finding_leftovers() -> Iterator[Leftovers]:
    """Keep the collector off during the block and see afterwards what it would find.

    Begin it around everything that the run opens: what is still in use at its end is no leftover.
    """
    found = Leftovers()
    was_enabled, before = gc.isenabled(), gc.get_debug()
    while gc.collect():  # what was freed may have kept other garbage
        pass
    gc.disable()
    try:
        yield found
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        found.names.update(name for left in gc.garbage if (name := _name(left)) is not None)
    finally:
        gc.set_debug(before)
        gc.garbage.clear()
        gc.collect()
        if was_enabled:
            gc.enable()


@contextmanager
def expecting_no_leftovers() -> Iterator[None]:
    """Fail when the block leaves an object of ours to the collector, or a native one alive.

    Things that live as long as the process may refer to each other: open them before, and use them after.
    """
    gc.collect()
    before = live_objects()
    with finding_leftovers() as found:
        yield
    assert not found.names, f"only the collector frees {dict(found.names)}"
    after = live_objects()
    gained = {kind: after[kind] - before[kind] for kind in NATIVE_KINDS if after[kind] > before[kind]}
    assert not gained, f"still alive: {gained}"


def _name(left: object) -> str | None:
    """Return the name of an object of ours; None for one that is not."""
    kind = type(left)
    if _is_ours(kind.__module__):
        return f"{kind.__module__}.{kind.__qualname__}"
    for attribute in CODE_OF:
        code = getattr(left, attribute, None)
        module = getattr(left, "f_globals", {}).get("__name__") or getattr(left, "__module__", None)
        if isinstance(code, CodeType) and (_is_ours(module) or _is_our_file(code.co_filename)):
            return f"{kind.__name__} of {code.co_qualname}"
    return None


def _is_ours(module: object) -> bool:
    return isinstance(module, str) and module.partition(".")[0] in OURS


def _is_our_file(name: str) -> bool:
    return any(f"/{package}/" in name and "site-packages" not in name for package in OURS)
