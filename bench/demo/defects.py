"""Planted defects: an engine that loses, repeats or spoils exactly one row, to prove that the demo would notice.

Each class stands between the gateway and its real engine, overrides the one call in which it does harm, and does it
once. The gateway itself knows nothing of it.
"""

from collections.abc import Callable, Sequence
from typing import Any, cast

import msgspec

from gateway.journal.engine import ChunkRef, Engine, FeedEntry, FeedPage
from protocol.chunks import decode_chunk, encode_chunk, expand_ranges, pack_ranges


class DefectiveEngine:
    """Hands every call to the real engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the engine has under that name
        return getattr(self._engine, name)


class DropsResult(DefectiveEngine):
    """Leaves one row out of the feed, whenever its block is read."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self._position: int | None = None

    async def feed(self, principal: str, cursor: int, max_rows: int) -> FeedPage:
        """Return the page without the row."""
        page = await self._engine.feed(principal, cursor, max_rows)
        if self._position is None:
            # A block of several rows: without its only one it would be a page without entries, which readers wait on.
            self._position = next((entry.position for entry in page.entries if entry.settlement.count > 1), None)
        entries = [_without_first_row(entry) if entry.position == self._position else entry for entry in page.entries]
        return FeedPage(entries, page.cursor)


class SendsTwice(DefectiveEngine):
    """Leases one row to the gateway a second time."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self._has_repeated = False

    async def lease(self, max_rows: int) -> list[ChunkRef]:
        """Return the work and, once, a row of it again."""
        refs = await self._engine.lease(max_rows)
        if not self._has_repeated:
            self._has_repeated = True
            refs.insert(1, msgspec.structs.replace(refs[0], stop=refs[0].start + 1))
        return refs


class ChangesByte(DefectiveEngine):
    """Spoils one byte of one body on its way from the journal to the provider."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self._has_changed = False

    async def read(self, refs: Sequence[ChunkRef]) -> list[bytes]:
        """Return the chunks and, once, one with another letter."""
        stored = await self._engine.read(refs)
        if not self._has_changed:
            self._has_changed = True
            stored[0] = _change_letter(stored[0], refs[0].start)
        return stored


DEFECTS: dict[str, Callable[[Engine], DefectiveEngine]] = {
    "drop-result": DropsResult,
    "send-twice": SendsTwice,
    "change-byte": ChangesByte,
}


def plant(name: str, engine: Engine) -> Engine:
    """Return the engine with a defect in front of it."""
    return cast("Engine", DEFECTS[name](engine))


def _without_first_row(entry: FeedEntry) -> FeedEntry:
    settlement = entry.settlement
    changed: dict[str, Any] = {}
    for name in ("rows", "indexes"):
        changed[name] = pack_ranges(list(expand_ranges(getattr(settlement, name)))[1:])
    for name in ("ids", "tracks", "provider_ids", "dead_since_ms"):
        column = getattr(settlement, name)
        changed[name] = None if column is None else column[1:]
    return msgspec.structs.replace(entry, settlement=msgspec.structs.replace(settlement, **changed))


def _change_letter(stored: bytes, row: int) -> bytes:
    """Swap the case of the last letter of a row's body: still JSON, and of the same length."""
    chunk = decode_chunk(stored)
    number = chunk.body_of_row[row] if chunk.body_of_row is not None else 0
    body = bytearray(chunk.bodies[number])
    position = max(at for at, byte in enumerate(body) if chr(byte).isascii() and chr(byte).isalpha())
    body[position] ^= 0x20
    chunk.bodies[number] = bytes(body)
    return encode_chunk(chunk)
